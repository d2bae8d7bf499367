/** Jobs that keep coming, for as long as somebody is interrupted by them. */
import { setTimeout as sleep } from 'node:timers/promises'
import { UnavailableError } from '../../src/base/errors.ts'
import type { JobBoard } from '../../jobboard/jobboard.ts'
import type { Claim, JobState, Store } from '../../persistence/store.ts'
import { postFlow } from '../conductor/fixtures.ts'
import { eventually } from '../support/eventually.ts'
import type { NodeProcess } from '../support/spawn-node.ts'
import { Random } from '../support/random.ts'
import { followLedger } from './ledger.ts'
import { randomWork, type Work } from './workload.ts'

/** Jobs that are kept open. */
const OPEN = 40
const MOST_JOBS = 1500
/** Jobs that are posted at the same time. */
const TOGETHER = 10
const OPEN_STATES: readonly JobState[] = ['POSTING', 'UNCLAIMED', 'CLAIMED', 'PARKED']

/** Jobs that have not ended, up to some. */
export async function openJobs(store: Store, open = OPEN): Promise<number> {
  const { jobs } = await store.findJobs({ states: OPEN_STATES, limit: open * 2 })
  return jobs.length
}

export interface LoadOptions {
  readonly seed: number
  readonly works: Map<string, Work>
  /** Jobs that are kept open. @default 40 */
  readonly open?: number
  /** At most so many in all. @default 1,500 */
  readonly most?: number
  /** A started board outside the store, which is told of every second job at once; promoters find the others. */
  readonly board?: JobBoard<Claim> | undefined
  /** @default all shapes */
  readonly work?: ((random: Random) => Work) | undefined
}

/**
 * Does something while work of all shapes is posted, as fast as it is done, so that there is always some; ends when both have ended,
 * whichever fails. What is posted is put to `works`.
 */
export async function underLoad(
  store: Store,
  load: LoadOptions,
  strike: () => Promise<void>,
): Promise<void> {
  let isStriking = true
  const posting = keepPosting(store, load, () => isStriking)
  const striking = strike().finally(() => {
    isStriking = false
  })
  const ends = await Promise.allSettled([posting, striking])
  const reasons = ends.flatMap((end) => (end.status === 'rejected' ? [end.reason as unknown] : []))
  if (reasons.length > 1) throw new AggregateError(reasons, 'posting failed, and so did the strike')
  if (reasons.length > 0) throw reasons[0]
}

async function keepPosting(
  store: Store,
  { seed, works, open = OPEN, most = MOST_JOBS, board, work = randomWork }: LoadOptions,
  isWanted: () => boolean,
): Promise<void> {
  const random = new Random(seed)
  while (isWanted() && works.size < most) {
    const room = open - (await openJobs(store, open).catch(() => open))
    for (let left = room; left > 0; left -= TOGETHER) {
      // A database that is away, or locked by a process that stands still, is asked again.
      const some = Array.from({ length: Math.min(left, TOGETHER) }, () => work(random))
      await Promise.all(some.map((one) => postWork(store, one, works, board).catch(passOverOutage)))
    }
    await sleep(50)
  }
}

function passOverOutage(error: unknown): void {
  if (!(error instanceof UnavailableError)) throw error
}

async function postWork(
  store: Store,
  work: Work,
  works: Map<string, Work>,
  board: JobBoard<Claim> | undefined,
): Promise<string> {
  const { delayMs } = work
  const waitsForBoard = board?.outsideStore === true
  const job = await postFlow(store, work.root, {
    ...(delayMs === undefined ? {} : { delayMs }),
    waitsForBoard,
  })
  const { id, posting, priority, createdAt, epoch } = job
  works.set(id, work)
  if (waitsForBoard && job.state === 'POSTING' && works.size % 2 === 0) {
    const isThere = await board.post({ jobId: id, posting, priority, createdAt, epoch })
    if (isThere) await store.posted([{ jobId: id, posting }])
  }
  return id
}

/** Waits until so many more tasks have ended: moments under load, however fast the machine is. */
export async function tasksEnd(ledger: string, count: number): Promise<void> {
  const read = followLedger(ledger)
  const ended = () => read().filter(({ what }) => what === 'end').length
  const before = ended()
  await eventually(() => ended() >= before + count, { withinMs: 120_000, everyMs: 20 })
}

/** Waits until no job is open; says what became of those that are, and of the conductors. */
export async function allEnd(
  store: Store,
  running: readonly NodeProcess[],
  { withinMs = 120_000 }: { readonly withinMs?: number } = {},
): Promise<void> {
  try {
    await eventually(async () => (await openJobs(store)) === 0, { withinMs, everyMs: 100 })
  } catch (error) {
    const { jobs } = await store.findJobs({ states: OPEN_STATES, limit: 10 })
    const processes = await store.processes({ kind: 'conductor' })
    const rows = [...jobs.map(({ job, detail }) => ({ ...job, flow: detail.state })), ...processes]
    const said = running.map(({ pid, stderr }) => `${pid}: ${stderr().slice(-3000)}`)
    const found = [...rows.map((row) => JSON.stringify(row)), ...said].join('\n')
    throw new Error(`jobs do not end, at ${await store.now()}:\n${found}`, { cause: error })
  }
}
