/** Jobs as a table. Pure. */
import type { JobSummary } from '../../../persistence/store.ts'
import { lookOf } from './states.ts'
import type { Paint } from './paint.ts'
import { table } from './table.ts'
import { age, elapsed, plainText } from './text.ts'

/** A table of jobs. Ids are as short as tells those of the table apart. */
export function jobTable(
  jobs: readonly JobSummary[],
  now: number,
  { paint, columns }: { readonly paint: Paint; readonly columns: number },
): string {
  const length = shortest(jobs.map(({ job }) => job.id))
  return table(
    jobs,
    [
      { title: 'JOB', cell: ({ job }) => job.id.slice(0, length) },
      { title: 'FLOW', cell: ({ job }) => job.flow },
      { title: 'STATE', cell: (summary) => stateText(summary, now, paint) },
      { title: 'POSTED', cell: ({ job }) => age(now - job.createdAt) },
      { title: 'TOOK', cell: took },
      { title: 'BOARD', cell: ({ job }) => (job.board === 'main' ? '' : job.board) },
      { title: 'KEY', cell: ({ job }) => plainText(job.key ?? '') },
      { title: 'WHY', cell: (summary) => why(summary), isWide: true },
    ],
    columns,
    (text) => paint.bold(text),
  )
}

/** Characters of ids that tell them apart: at least the part that is unique among jobs of other times. */
export function shortest(ids: readonly string[]): number {
  for (const length of [13, 18, 23]) {
    if (new Set(ids.map((id) => id.slice(0, length))).size === ids.length) return length
  }
  return 36
}

/** Where a job stands, in one word or two: of its flow, unless the job itself says more. */
export function stateText({ job, detail }: JobSummary, now: number, paint: Paint): string {
  const coloured = (state: string): string => lookOf(state).paint(paint, state)
  switch (job.state) {
    case 'COMPLETE':
      return coloured(detail.state)
    case 'TRASHED':
      return paint.bold(paint.red('TRASHED'))
    case 'PARKED': {
      if (job.dueAt !== null) {
        const left = job.dueAt - now
        const when = left > 0 ? `for ${elapsed(left)}` : 'and due'
        return paint.yellow(`PARKED ${when}`)
      }
      return job.parkedFor === 'suspended' ? coloured('SUSPENDED') : paint.yellow('PARKED')
    }
    case 'CLAIMED':
      return coloured(detail.state === 'PENDING' ? 'RUNNING' : detail.state)
    case 'UNCLAIMED':
    case 'POSTING':
      return detail.state === 'PENDING'
        ? paint.dim(job.state)
        : `${job.state} ${coloured(detail.state)}`
  }
}

function took({ detail }: JobSummary): string {
  if (detail.startedAt === null || detail.endedAt === null) return ''
  return elapsed(detail.endedAt - detail.startedAt)
}

function why({ job, detail }: JobSummary): string {
  const [failure] = detail.failures
  if (failure !== undefined) return plainText(`${failure.atom}: ${failure.message}`)
  return plainText(job.reason ?? detail.reason ?? '')
}
