/** Colours of a terminal, or none. */
export interface Paint {
  readonly isOn: boolean
  bold(text: string): string
  dim(text: string): string
  red(text: string): string
  green(text: string): string
  yellow(text: string): string
  magenta(text: string): string
  cyan(text: string): string
}

/** A paint that colours, or one that leaves texts as they are. */
export function createPaint(isOn: boolean): Paint {
  const style = (open: number, close: number) => (text: string) =>
    isOn && text !== '' ? `\u001b[${open}m${text}\u001b[${close}m` : text
  return {
    isOn,
    bold: style(1, 22),
    dim: style(2, 22),
    red: style(31, 39),
    green: style(32, 39),
    yellow: style(33, 39),
    magenta: style(35, 39),
    cyan: style(36, 39),
  }
}

export const noPaint: Paint = createPaint(false)

/**
 * Whether to colour what goes to a stream: on a terminal, unless NO_COLOR is set (https://no-color.org) or the terminal is
 * dumb; FORCE_COLOR colours anyway.
 */
export function wantsColour(
  isTerminal: boolean,
  environment: { readonly [name: string]: string | undefined },
): boolean {
  if ((environment['NO_COLOR'] ?? '') !== '') return false
  const force = environment['FORCE_COLOR']
  if (force !== undefined && force !== '') return force !== '0'
  return isTerminal && environment['TERM'] !== 'dumb'
}
