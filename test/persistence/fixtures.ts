import { hashJson, uuidV7 } from '../../src/base/ids.ts'
import type { Failure } from '../../src/base/failure.ts'
import type { Json } from '../../src/base/json.ts'
import type { ResolvedDocument } from '../../src/flow/resolved.ts'
import type {
  AtomRecord,
  CallRecord,
  HistoryRecord,
  ResultRecord,
} from '../../src/machine/records.ts'
import type {
  Claim,
  FlowCommit,
  Heartbeat,
  JobRecord,
  PostRequest,
  Store,
} from '../../persistence/store.ts'

/** A resolved document of one task. */
export function documentOf(flow = 'checkout'): ResolvedDocument {
  return {
    format: 1,
    flow,
    source: hashJson({ flow }),
    closed: true,
    input: {},
    root: {
      kind: 'linear',
      id: flow,
      nodes: [
        { kind: 'task', id: 'charge', task: 'charge', requires: {}, provides: {}, revert: true },
      ],
    },
  }
}

/** A post with everything that it needs; `over` wins. */
export function postOf(over: Partial<PostRequest> = {}): PostRequest {
  const document = over.document ?? documentOf()
  const source: Json = over.source ?? { flow: document.flow }
  const input = over.input ?? { sku: 'A1' }
  return {
    id: uuidV7(),
    flowId: uuidV7(),
    board: 'main',
    state: 'UNCLAIMED',
    document,
    documentHash: hashJson(JSON.parse(JSON.stringify(document)) as Json),
    source,
    sourceHash: hashJson(source),
    input,
    contentHash: hashJson([source, input]),
    ...over,
  }
}

/** Posts a job and returns it. */
export async function post(store: Store, over: Partial<PostRequest> = {}): Promise<JobRecord> {
  const { job } = await store.post(postOf(over))
  return job
}

/** Claims one job. Throws when there is none. */
export async function claim(store: Store, conductor = 'c1', board = 'main'): Promise<Claim> {
  const [first] = await store.claimJobs({ board, conductor, claimIds: [uuidV7()] })
  if (first === undefined) throw new Error('there was nothing to claim')
  return first
}

/** The job that claiming adopted. */
export function adoptedJob(claimed: Claim): JobRecord {
  if (claimed.adopted === undefined) throw new Error('the claim was not an adoption')
  return claimed.adopted
}

/** A commit of the claimed flow that changes nothing yet but its revision. */
export function changeOf(claimed: Claim, over: Partial<FlowCommit> = {}): FlowCommit {
  const job = adoptedJob(claimed)
  return {
    jobId: claimed.jobId,
    flowId: job.flowId,
    epoch: claimed.epoch,
    claimId: claimed.claimId,
    revision: job.revision,
    historySeq: job.historySeq,
    atoms: [],
    scopes: [],
    calls: [],
    results: [],
    history: [],
    ...over,
  }
}

export function atomOf(path: string, over: Partial<AtomRecord> = {}): AtomRecord {
  return {
    path,
    kind: 'task',
    state: 'RUNNING',
    attempt: 1,
    executeCalls: 0,
    revertCalls: 0,
    dueAt: null,
    outcome: null,
    ignored: null,
    failure: null,
    revertFailure: null,
    rounds: null,
    replyTo: null,
    copy: null,
    starts: 0,
    ...over,
  }
}

export function callOf(atom: string, call = 1, over: Partial<CallRecord> = {}): CallRecord {
  return {
    atom,
    direction: 'execute',
    call,
    attempt: 1,
    outcome: 'success',
    startedAt: 1_700_000_000_000,
    endedAt: 1_700_000_000_005,
    failure: null,
    ...over,
  }
}

export function resultOf(atom: string, value: Json, call = 1): ResultRecord {
  return { atom, direction: 'execute', call, value }
}

export function historyOf(seq: number, over: Partial<HistoryRecord> = {}): HistoryRecord {
  return {
    seq,
    at: 1_700_000_000_000 + seq,
    kind: 'task',
    name: 'checkout/charge',
    from: 'PENDING',
    state: 'RUNNING',
    attempt: 1,
    call: null,
    failure: null,
    ...over,
  }
}

export function beatOf(id: string, leaseMs: number, over: Partial<Heartbeat> = {}): Heartbeat {
  return {
    id,
    kind: 'conductor',
    name: id,
    host: 'here',
    pid: 1,
    board: 'main',
    topics: [],
    tasks: ['charge'],
    load: { flows: 0 },
    leaseMs,
    ...over,
  }
}

/** A failure with all that one can have. */
export const failure: Failure = {
  code: 'TaskFailed',
  message: 'no money',
  name: 'PaymentError',
  stack: 'PaymentError: no money\n    at charge',
  data: { balance: 0.1, list: [1, null, true, 'x'] },
  retryable: false,
  cause: { code: 'Http', message: '402' },
}

/** Rows by path, for stores give them in any order. */
export function sorted<T extends { readonly path: string }>(rows: readonly T[]): readonly T[] {
  return rows.toSorted((a, b) => (a.path < b.path ? -1 : 1))
}

/** The atoms of a claimed flow, as its next owner would load them. */
export async function atomsOf(store: Store, claimed: Claim) {
  const [flow] = await store.load([claimed.jobId])
  return sorted(flow?.atoms ?? [])
}
