/** Texts for terminals: their width, cut and padded; durations, ages and times. Pure. */
import { formatDuration } from '../../base/durations.ts'

/** Without colours, and without what could move the cursor: texts come from flows, inputs and errors of others. */
export function plainText(text: string): string {
  return text
    .replace(/\u001b\[[0-9;?]*[A-Za-z]/g, '')
    .replace(/[\p{Cc}\p{Cf}\u2028\u2029]+/gu, ' ')
    .trim()
}

/** Columns that a text takes; colours take none. Wide characters of East Asia and emoji take two. */
export function widthOf(text: string): number {
  let width = 0
  for (const character of text.replace(/\u001b\[[0-9;]*m/g, '')) {
    width += /\p{Mn}/u.test(character) ? 0 : WIDE.test(character) ? 2 : 1
  }
  return width
}

const WIDE =
  /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|\p{Emoji_Presentation}/u

/** The text, with spaces to `width` columns. */
export function pad(text: string, width: number): string {
  return text + ' '.repeat(Math.max(0, width - widthOf(text)))
}

/** The text (which may have colours) in at most `width` columns; what is cut off is an ellipsis. */
export function cut(text: string, width: number): string {
  if (widthOf(text) <= width) return text
  let made = ''
  let left = width - 1
  let isCut = false
  for (const part of text.split(/(\u001b\[[0-9;]*m)/)) {
    // Colours are kept, also behind the cut: they end what they began.
    if (part.startsWith('\u001b')) made += part
    else if (!isCut) {
      for (const character of part) {
        left -= widthOf(character)
        isCut = left < 0
        if (isCut) break
        made += character
      }
      if (isCut && width > 0) made += '…'
    }
  }
  return made
}

/** How long something took: `0.31s`, `12.4s`, `2m5s`, `3h12m`. */
export function elapsed(ms: number): string {
  const whole = Math.max(0, ms)
  if (whole < 9_995) return `${(whole / 1000).toFixed(2)}s`
  if (whole < 59_950) return `${(whole / 1000).toFixed(1)}s`
  const seconds = Math.round(whole / 1000)
  if (seconds < 3_600) return formatDuration(seconds * 1000)
  const minutes = Math.round(seconds / 60)
  return formatDuration((minutes < 2_880 ? minutes : Math.round(minutes / 60) * 60) * 60_000)
}

/** How long ago something was, roughly: `now`, `5s`, `3m`, `2h`, `9d`. */
export function age(ms: number): string {
  const seconds = Math.floor(Math.max(0, ms) / 1000)
  if (seconds < 1) return 'now'
  if (seconds < 120) return `${seconds}s`
  if (seconds < 7_200) return `${Math.floor(seconds / 60)}m`
  if (seconds < 172_800) return `${Math.floor(seconds / 3_600)}h`
  return `${Math.floor(seconds / 86_400)}d`
}

/** A moment: ISO 8601 in UTC, to the second. */
export function moment(ms: number): string {
  return new Date(ms).toISOString().replace(/\.\d+Z$/, 'Z')
}

/** `1 job`, `2 jobs`. */
export function count(number: number, thing: string, many = `${thing}s`): string {
  return `${number} ${number === 1 ? thing : many}`
}
