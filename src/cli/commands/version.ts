import { createRequire } from 'node:module'
import type { Terminal } from '../terminal.ts'

/** Prints the version of the package. */
export function versions(terminal: Terminal): void {
  terminal.print(packageVersion())
}

/** The version in the package's own package.json, which is some folders above, as built or as installed. */
export function packageVersion(): string {
  const require = createRequire(import.meta.url)
  const found: unknown = require('zagflow/package.json')
  return typeof found === 'object' && found !== null && 'version' in found
    ? String(found.version)
    : 'unknown'
}
