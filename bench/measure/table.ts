/** Tables that a person can read: what was measured, and whether it is what it should be. */
import { spreadOf, type Spread } from './rounds.ts'

/** What a ratio is to be. */
export type Goal = { readonly atMost: number } | { readonly atLeast: number }

/** Prints rows under their headings; cells of numbers are aligned to the right. */
export function printTable(
  headings: readonly string[],
  rows: readonly (readonly string[])[],
): void {
  const widths = headings.map((heading, at) =>
    Math.max(heading.length, ...rows.map((row) => row[at]?.length ?? 0)),
  )
  const line = (cells: readonly string[]): string => {
    const padded = widths.map((width, at) => {
      const cell = cells[at] ?? ''
      return at > 0 && /^[\d.<>-]/.test(cell) ? cell.padStart(width) : cell.padEnd(width)
    })
    return `| ${padded.join(' | ')} |`
  }
  console.log(line(headings))
  console.log(`|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`)
  for (const row of rows) console.log(line(row))
}

/** `12.3 (11.9–14.0)`: the median, with the lowest and the highest. */
export function spreadText(figures: readonly number[]): string {
  const { median, low, high } = spreadOf(figures)
  return `${digits(median)} (${digits(low)}–${digits(high)})`
}

/** A figure with three digits that count. */
export function digits(figure: number): string {
  if (!Number.isFinite(figure)) return String(figure)
  const size = Math.abs(figure)
  if (size >= 1000) return Math.round(figure).toLocaleString('en-US')
  if (size >= 100) return figure.toFixed(0)
  if (size >= 10) return figure.toFixed(1)
  return size >= 0.1 || size === 0 ? figure.toFixed(2) : figure.toPrecision(2)
}

export function goalText(goal: Goal): string {
  return 'atMost' in goal ? `<= ${digits(goal.atMost)}` : `>= ${digits(goal.atLeast)}`
}

/** Judged by the median: one slow round says more about the machine than about the program. */
export function verdict(figures: readonly number[], goal: Goal): string {
  const { median }: Spread = spreadOf(figures)
  const isMet = 'atMost' in goal ? median <= goal.atMost : median >= goal.atLeast
  return isMet ? 'met' : 'MISSED'
}
