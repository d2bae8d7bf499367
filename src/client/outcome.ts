import { FlowFailedError } from '../base/errors.ts'
import type { Json, JsonObject } from '../base/json.ts'
import type { AtomFailure, FlowDetail, JobSummary, Store } from '../../persistence/store.ts'
import type { AtomRecord } from '../machine/records.ts'
import { isFinal } from '../machine/states.ts'

/** What a flow came to. `output` is its output, and only where it succeeded. */
export type Outcome<Output = JsonObject> = SuccessfulOutcome<Output> | UnsuccessfulOutcome

export interface SuccessfulOutcome<Output = JsonObject> {
  readonly state: 'SUCCESS'
  readonly jobId: string
  readonly output: Output
  /** What each task gave, read when it is asked for. */
  readonly results: FlowResults
}

export interface UnsuccessfulOutcome {
  /**
   * `REVERTED`: all that ran was taken back. `FAILURE`: something could not be taken back, or the flow could not go on; an
   * operator has to look. `SUSPENDED`: it stands still and can be resumed.
   */
  readonly state: 'REVERTED' | 'FAILURE' | 'SUSPENDED'
  readonly jobId: string
  /** What failed and was not healed by a retry, the first failure first. */
  readonly failures: readonly AtomFailure[]
  /** Why, where no atom failed: it was cancelled or suspended, or is in the trash. */
  readonly reason?: string | undefined
}

/** Results of a flow's tasks by their paths, such as `checkout/settle/payment.charge`. Each call reads the store. */
export interface FlowResults {
  /** What that task gave last; undefined when it did not succeed, or there is none of that path. */
  get(atom: string): Promise<Json | undefined>
  /** All of them. Mind the size of the flow. */
  all(): Promise<{ readonly [atom: string]: Json }>
}

/** Reads results of one run that has ended from a store, which must still be open. */
export function resultsOf(store: Store, flowId: string): FlowResults {
  let atoms: Promise<ReadonlyMap<string, AtomRecord>> | undefined
  const succeeded = async (): Promise<ReadonlyMap<string, AtomRecord>> => {
    const records = await store.atoms(flowId)
    return new Map(records.flatMap((atom) => (atom.state === 'SUCCESS' ? [[atom.path, atom]] : [])))
  }
  const read = async (wanted: readonly AtomRecord[]): Promise<{ [atom: string]: Json }> => {
    const tasks = wanted.filter(({ kind }) => kind === 'task')
    const values = await store.results(
      flowId,
      tasks.map(({ path, executeCalls }) => ({
        atom: path,
        direction: 'execute',
        call: executeCalls,
      })),
    )
    const results: { [atom: string]: Json } = {}
    for (const { kind, path, rounds } of wanted) {
      if (kind === 'retry') results[path] = rounds?.at(-1)?.value ?? null
    }
    // A result without symbols has no row.
    for (const [at, { path }] of tasks.entries()) results[path] = values[at] ?? {}
    return results
  }
  return {
    async get(path) {
      atoms ??= succeeded()
      const atom = (await atoms).get(path)
      return atom === undefined ? undefined : (await read([atom]))[path]
    },
    async all() {
      atoms ??= succeeded()
      return read([...(await atoms).values()])
    },
  }
}

/**
 * What a job came to, from its rows; undefined while it goes on. A job whose flow had no end and that is in the trash is a
 * FAILURE, with the trash's reason.
 */
export function outcomeOf({ job, detail }: JobSummary, store: Store): Outcome<Json> | undefined {
  if (isFinal(detail.state) && (job.state === 'COMPLETE' || job.state === 'TRASHED')) {
    return endOf(detail, store)
  }
  if (job.state === 'TRASHED') {
    return failed('FAILURE', detail, job.reason)
  }
  if (job.state === 'PARKED' && job.parkedFor === 'suspended' && job.dueAt === null) {
    return failed('SUSPENDED', detail, detail.reason)
  }
  return undefined
}

function endOf(detail: FlowDetail, store: Store): Outcome<Json> {
  if (detail.state !== 'SUCCESS') {
    const state = detail.state === 'REVERTED' ? 'REVERTED' : 'FAILURE'
    return failed(state, detail, detail.reason)
  }
  return {
    state: 'SUCCESS',
    jobId: detail.jobId,
    output: detail.output,
    results: resultsOf(store, detail.id),
  }
}

function failed(
  state: UnsuccessfulOutcome['state'],
  detail: FlowDetail,
  reason: string | null,
): UnsuccessfulOutcome {
  return {
    state,
    jobId: detail.jobId,
    failures: detail.failures,
    ...(reason === null ? {} : { reason }),
  }
}

/** The output of a flow that succeeded. Throws {@link FlowFailedError} for every other outcome. */
export function outputOf<Output>(outcome: Outcome<Output>, flow?: string): Output {
  if (outcome.state === 'SUCCESS') return outcome.output
  throw new FlowFailedError({ ...outcome, flow })
}
