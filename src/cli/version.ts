import { createRequire } from 'node:module'

/** The version in the package's own package.json, which is some folders above, as built or as installed. */
export function packageVersion(): string {
  const found: unknown = createRequire(import.meta.url)('zagflow/package.json')
  return typeof found === 'object' && found !== null && 'version' in found
    ? String(found.version)
    : 'unknown'
}
