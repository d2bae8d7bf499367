/** Workers as a table. Pure. */
import type { ProcessRecord } from '../../../persistence/store.ts'
import type { Paint } from './paint.ts'
import { table } from './table.ts'
import { age, plainText } from './text.ts'

/** How busy a worker said it is. */
export interface WorkerLoad {
  readonly running: number
  /** Requests that it holds and has not started. */
  readonly held: number
  readonly concurrency: number
}

/** What a worker announced of its load; zeros where it is not readable. */
export function loadOf({ load }: Pick<ProcessRecord, 'load'>): WorkerLoad {
  const of = (name: keyof WorkerLoad): number => {
    const value: unknown = typeof load === 'object' && load !== null ? Reflect.get(load, name) : 0
    return typeof value === 'number' ? value : 0
  }
  return { running: of('running'), held: of('held'), concurrency: of('concurrency') }
}

/** The table: the one that was started first is the first. */
export function workerTable(
  workers: readonly ProcessRecord[],
  now: number,
  { paint, columns }: { readonly paint: Paint; readonly columns: number },
): string {
  return table(
    [...workers].sort((a, b) => a.startedAt - b.startedAt),
    [
      { title: 'WORKER', cell: ({ name }) => plainText(name) },
      { title: 'HOST', cell: ({ host }) => plainText(host) },
      { title: 'PID', cell: ({ pid }) => String(pid) },
      { title: 'TOPICS', cell: ({ topics }) => plainText(topics.join(' ')) },
      { title: 'RUNS', cell: (worker) => runs(worker, paint) },
      { title: 'HOLDS', cell: (worker) => holds(worker) },
      { title: 'SINCE', cell: ({ startedAt }) => age(now - startedAt) },
      { title: 'SEEN', cell: ({ seenAt }) => age(now - seenAt) },
      {
        title: 'TASKS',
        cell: ({ tasks }) => plainText(`${tasks.length}: ${tasks.join(' ')}`),
        isWide: true,
      },
    ],
    columns,
    (text) => paint.bold(text),
  )
}

function runs(worker: ProcessRecord, paint: Paint): string {
  const { running, concurrency } = loadOf(worker)
  const text = `${running}/${concurrency}`
  return running >= concurrency && concurrency > 0 ? paint.yellow(text) : text
}

function holds(worker: ProcessRecord): string {
  const { held } = loadOf(worker)
  return held === 0 ? '' : String(held)
}

/** The same for programs. */
export function workerData(worker: ProcessRecord): { readonly [key: string]: unknown } {
  const { id, name, host, pid, topics, tasks, startedAt, seenAt, expiresAt } = worker
  const load = loadOf(worker)
  return { id, name, host, pid, topics, tasks, load, startedAt, seenAt, expiresAt }
}
