/** Jobs that keep coming, for as long as somebody is interrupted by them. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { JobState, Store } from '../../persistence/store.ts'
import { postFlow } from '../conductor/fixtures.ts'
import { eventually } from '../support/eventually.ts'
import type { Random } from '../support/random.ts'
import { readLedger } from './ledger.ts'
import { randomWork, type Work } from './workload.ts'

/** Jobs that are kept open. */
const OPEN = 40
const MOST_JOBS = 1500
const OPEN_STATES: readonly JobState[] = ['POSTING', 'UNCLAIMED', 'CLAIMED', 'PARKED']

/** Jobs that have not ended, up to some. */
export async function openJobs(store: Store): Promise<number> {
  const { jobs } = await store.findJobs({ states: OPEN_STATES, limit: OPEN * 2 })
  return jobs.length
}

/** Posts work as fast as it is done, so that there is always some. */
export async function keepPosting(
  store: Store,
  random: Random,
  works: Map<string, Work>,
  isWanted: () => boolean,
): Promise<void> {
  while (isWanted() && works.size < MOST_JOBS) {
    const room = OPEN - (await openJobs(store))
    for (let i = 0; i < room; i++) await postWork(store, randomWork(random), works)
    await sleep(50)
  }
}

export async function postWork(
  store: Store,
  work: Work,
  works: Map<string, Work>,
): Promise<string> {
  const { delayMs } = work
  const { id } = await postFlow(store, work.root, delayMs === undefined ? {} : { delayMs })
  works.set(id, work)
  return id
}

/** Waits until so many more tasks have ended: moments under load, however fast the machine is. */
export async function tasksEnd(ledger: string, count: number): Promise<void> {
  const ended = () => readLedger(ledger).filter(({ what }) => what === 'end').length
  const before = ended()
  await eventually(() => ended() >= before + count, { withinMs: 60_000, everyMs: 20 })
}
