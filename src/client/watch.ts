/**
 * The events of a posted job, from its history.
 *
 * Invariants
 * W1  Events come in the order of the machine, numbered without gaps, each once: who comes again with the last number that he
 *     saw misses nothing.
 * W2  It ends when the job has ended and all its history was told.
 * W3  Hints only make it faster; the store is asked every `pollMs` anyway, and one that is away is asked again.
 */
import { ClosedError, NotFoundError, UnavailableError } from '../base/errors.ts'
import type { Json } from '../base/json.ts'
import type { Logger } from '../base/logger.ts'
import type { HistoryRecord } from '../machine/records.ts'
import type { FlowEvent } from '../../engines/drive.ts'
import type { JobSummary, Store } from '../../persistence/store.ts'

export interface WatchOptions {
  /** The `seq` of the last event that was seen. @default 0: from the beginning */
  readonly after?: number | undefined
  /** Ends the watch; what was waited for throws its reason. */
  readonly signal?: AbortSignal | undefined
}

export interface WatchHost {
  readonly store: Store
  readonly logger: Logger
  readonly pollMs: number
  /** Aborted when the connection is closed. */
  readonly closed: AbortSignal
}

const PAGE = 500

/** Yields what happens to a job, until it has ended. Throws {@link NotFoundError}, {@link ClosedError}, the signal's reason. */
export async function* watchJob(
  host: WatchHost,
  jobId: string,
  options: WatchOptions,
): AsyncGenerator<FlowEvent, void, undefined> {
  const { store, logger } = host
  const bell = new Bell(host, jobId, options.signal)
  let after = options.after ?? 0
  try {
    for (;;) {
      bell.check()
      try {
        // The job first: what ended before this look has all its history written.
        const summary = await store.job(jobId)
        if (summary === null) throw new NotFoundError('job', jobId)
        const records = await store.history(jobId, { after, limit: PAGE })
        for (const event of await withResults(store, summary, records)) {
          yield event
          after = event.seq
        }
        if (records.length === 0 && hasEnded(summary) && after >= summary.job.historySeq) return
        if (records.length === PAGE) continue
      } catch (error) {
        if (!(error instanceof UnavailableError)) throw error
        logger.warn({ error, job: jobId }, 'the history cannot be read; asking again')
      }
      await bell.rung()
    }
  } finally {
    bell.close()
  }
}

function hasEnded({ job }: JobSummary): boolean {
  return job.state === 'COMPLETE' || job.state === 'TRASHED'
}

/** History as events; what calls gave is read from where it is stored. */
export async function withResults(
  store: Pick<Store, 'results' | 'atoms'>,
  { detail }: JobSummary,
  records: readonly HistoryRecord[],
): Promise<readonly FlowEvent[]> {
  // Numbers of calls begin anew with each run, and only the present one is asked for.
  const isPresent = (record: HistoryRecord): boolean => {
    return detail.run === 1 || record.at >= detail.createdAt
  }
  const results = new Map<HistoryRecord, Json>()
  const gave = records.filter((record) => givesResult(record) && isPresent(record))
  if (gave.length > 0) {
    const refs = gave.map(({ name, call }) => ({
      atom: name,
      direction: 'execute' as const,
      call: call ?? 0, // givesResult: there is one
    }))
    const values = await store.results(detail.id, refs)
    for (const [at, record] of gave.entries()) results.set(record, values[at] ?? {})
  }
  const rounds = records.filter((record) => isRound(record) && isPresent(record))
  if (rounds.length > 0) {
    const atoms = new Map((await store.atoms(detail.id)).map((atom) => [atom.path, atom]))
    for (const record of rounds) {
      const round = atoms.get(record.name)?.rounds?.[(record.attempt ?? 0) - 1]
      if (round !== undefined) results.set(record, round.value)
    }
  }
  return records.map((record) => eventOf(record, results.get(record)))
}

function givesResult(record: HistoryRecord): boolean {
  return record.kind === 'task' && record.state === 'SUCCESS' && record.call !== null
}

function isRound(record: HistoryRecord): boolean {
  return record.kind === 'retry' && record.state === 'SUCCESS'
}

function eventOf(record: HistoryRecord, result: Json | undefined): FlowEvent {
  const { seq, kind, name, from, state, attempt, failure, at } = record
  return {
    seq,
    kind,
    name,
    from,
    state,
    ...(attempt === null ? {} : { attempt }),
    ...(result === undefined ? {} : { result }),
    ...(failure === null ? {} : { failure }),
    at,
  }
}

/** Rings when there may be something new, or it is time to look anyway. */
class Bell {
  readonly #host: WatchHost
  readonly #signal: AbortSignal | undefined
  readonly #unlisten: () => void
  #hasRung = false
  #wake: (() => void) | undefined

  constructor(host: WatchHost, jobId: string, signal: AbortSignal | undefined) {
    this.#host = host
    this.#signal = signal
    this.#unlisten = host.store.onHint((hint) => {
      if (hint.kind === 'history' && hint.jobId === jobId) this.#ring()
    })
    signal?.addEventListener('abort', this.#ring)
    host.closed.addEventListener('abort', this.#ring)
  }

  /** Throws the signal's reason, or {@link ClosedError}. */
  check(): void {
    this.#signal?.throwIfAborted()
    if (this.#host.closed.aborted) throw new ClosedError('the connection')
  }

  async rung(): Promise<void> {
    if (!this.#hasRung) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, this.#host.pollMs)
        this.#wake = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
    this.#wake = undefined
    this.#hasRung = false
  }

  close(): void {
    this.#unlisten()
    this.#signal?.removeEventListener('abort', this.#ring)
    this.#host.closed.removeEventListener('abort', this.#ring)
  }

  readonly #ring = (): void => {
    this.#hasRung = true
    this.#wake?.()
  }
}
