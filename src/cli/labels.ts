import { UsageError } from '../base/errors.ts'

/** Reads `--label name=value`. Throws {@link UsageError}. */
export function readLabels(given: readonly string[]): { readonly [name: string]: string } {
  const labels: { [name: string]: string } = Object.create(null) as { [name: string]: string }
  for (const one of given) {
    const at = one.indexOf('=')
    if (at < 1) {
      throw new UsageError(`--label ${one}: expected name=value`, {
        hint: 'such as --label team=web',
      })
    }
    labels[one.slice(0, at)] = one.slice(at + 1)
  }
  return { ...labels }
}
