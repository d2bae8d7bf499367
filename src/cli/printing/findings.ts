/** What the doctor found, as text. Pure. */
import type { Paint } from './paint.ts'
import { pad } from './text.ts'

export interface Finding {
  /** What was looked at: `database`, `jobs`. */
  readonly what: string
  /** `odd` is no fault, but may be one. */
  readonly is: 'well' | 'odd' | 'wrong'
  readonly says: string
  /** How to mend it. */
  readonly mend?: string
}

export function findingText({ what, is, says, mend }: Finding, paint: Paint): string {
  const sign = { well: paint.green('✔'), odd: paint.yellow('!'), wrong: paint.red('✘') }[is]
  const line = `${sign} ${paint.dim(pad(what, 11))} ${says}`
  return mend === undefined ? line : `${line}\n${' '.repeat(14)}${paint.bold('→')} ${mend}`
}
