import { didYouMean } from '../base/did-you-mean.ts'
import { UsageError } from '../base/errors.ts'

/** Refuses options that do not exist, so that a misspelt one is not silently without effect. Throws {@link UsageError}. */
export function checkOptions(where: string, options: unknown, known: readonly string[]): void {
  if (typeof options !== 'object' || options === null) {
    throw new UsageError(`${where}: expected an object of options, got ${String(options)}`)
  }
  for (const key of Object.keys(options)) {
    if (known.includes(key)) continue
    throw new UsageError(`${where} has no option "${key}"`, {
      hint: didYouMean(key, known) ?? `its options are ${known.join(', ')}`,
    })
  }
}
