/** What became of a wish about many jobs, as a table. Pure. */
import type { Paint } from './paint.ts'
import { shortest } from './jobs.ts'
import { table } from './table.ts'
import { plainText } from './text.ts'

export interface OutcomeRow {
  readonly job: string
  readonly flow: string
  readonly outcome: 'done' | 'refused' | 'planned'
  readonly text: string
}

/** Ids are as short as tells those of the table apart. */
export function outcomeTable(
  rows: readonly OutcomeRow[],
  { paint, columns }: { readonly paint: Paint; readonly columns: number },
): string {
  const length = shortest(rows.map(({ job }) => job))
  return table(
    rows,
    [
      { title: 'JOB', cell: ({ job }) => job.slice(0, length) },
      { title: 'FLOW', cell: ({ flow }) => flow },
      { title: 'OUTCOME', cell: ({ outcome }) => word(outcome, paint) },
      { title: 'WHAT', cell: ({ text }) => plainText(text), isWide: true },
    ],
    columns,
    (text) => paint.bold(text),
  )
}

function word(outcome: OutcomeRow['outcome'], paint: Paint): string {
  switch (outcome) {
    case 'done':
      return paint.green('done')
    case 'refused':
      return paint.red('refused')
    case 'planned':
      return paint.dim('would')
  }
}
