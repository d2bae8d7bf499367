import { cut, pad, widthOf } from './text.ts'

/** One column of a table. */
export interface Column<Row> {
  readonly title: string
  readonly cell: (row: Row) => string
  /** It takes what is left of the width, and is cut. @default false */
  readonly isWide?: boolean | undefined
}

const GAP = '  '

/**
 * Rows as a table whose columns stand below each other; empty columns are left out.
 * @param width columns of the terminal; a wide column is cut to fit. Infinity: nothing is cut
 */
export function table<Row>(
  rows: readonly Row[],
  columns: readonly Column<Row>[],
  width: number,
  title: (text: string) => string = (text) => text,
): string {
  const cells = columns.map((column) => rows.map((row) => column.cell(row)))
  const shown = columns
    .map((column, at) => ({ column, cells: cells[at] ?? [] }))
    .filter(({ cells }) => cells.some((cell) => cell !== ''))
  const widths = shown.map(({ column, cells }) =>
    Math.max(widthOf(column.title), ...cells.map((cell) => widthOf(cell))),
  )
  const over = widths.reduce((sum, each) => sum + each + GAP.length, -GAP.length) - width
  const wide = shown.findIndex(({ column }) => column.isWide === true)
  if (over > 0 && wide !== -1) widths[wide] = Math.max(8, (widths[wide] ?? 0) - over)
  const line = (texts: readonly string[]): string =>
    texts
      .map((text, at) => pad(cut(text, widths[at] ?? 0), widths[at] ?? 0))
      .join(GAP)
      .trimEnd()
  return [
    title(line(shown.map(({ column }) => column.title))),
    ...rows.map((_, row) => line(shown.map(({ cells }) => cells[row] ?? ''))),
  ].join('\n')
}
