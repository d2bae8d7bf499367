/** Jobs of one no-op task, who posts them, and the processes that run them. */
import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { linear } from '../../src/flow/composition.ts'
import type { Runnable } from '../../src/flow/runnable.ts'
import type { Zagflow } from '../../src/client/zagflow.ts'
import { noop } from './durable-flows.ts'
import type { Place } from './zookeeper-place.ts'

/** A flow of one no-op task. */
export const oneNoop: Runnable = linear('one', [noop])

/** Posts so many jobs, at most `atOnce` of them at the same time. */
export async function postAll(
  zag: Pick<Zagflow, 'post'>,
  jobs: number,
  atOnce: number,
): Promise<void> {
  let left = jobs
  const line = async (): Promise<void> => {
    while (left-- > 0) await zag.post(oneNoop, {})
  }
  await Promise.all(Array.from({ length: Math.min(atOnce, jobs) }, line))
}

/** What a process says: how many jobs it has claimed, and how many it has ended, since it last said so. */
export interface Tally {
  readonly claimed: number
  readonly ended: number
}

/** What a process is told: to close its conductor, to open another one, to end. It answers when it has done so. */
export type Order = 'rest' | 'work' | 'stop'

/** When jobs were claimed and ended, in ms of this process. */
export interface Times {
  readonly firstClaim: number
  readonly lastClaim: number
  readonly firstEnd: number
  readonly lastEnd: number
}

/** Conductors, each in a process of its own with its own board and store. */
export interface Fleet {
  /** Resolves when so many jobs have ended since the last call (or the start). @throws Error where a process ends. */
  ended(jobs: number): Promise<Times>
  /** Closes the conductors; the processes stay, with all the code that they have compiled. */
  rest(): Promise<void>
  work(): Promise<void>
  stop(): Promise<void>
}

/** Starts them; resolves when all are ready. */
export async function startFleet(
  place: Place,
  { size, maxFlows }: { readonly size: number; readonly maxFlows: number },
): Promise<Fleet> {
  const program = fileURLToPath(new URL('./zookeeper-conductor.js', import.meta.url))
  const processes: ChildProcess[] = []
  let [claimed, ended] = [0, 0]
  let times = { firstClaim: 0, lastClaim: 0, firstEnd: 0, lastEnd: 0 }
  let told = (): void => {}
  let failed: Error | undefined
  const count = (tally: Tally): void => {
    const now = performance.now()
    if (claimed === 0 && tally.claimed > 0) times.firstClaim = now
    if (ended === 0 && tally.ended > 0) times.firstEnd = now
    if (tally.claimed > 0) times.lastClaim = now
    if (tally.ended > 0) times.lastEnd = now
    claimed += tally.claimed
    ended += tally.ended
    told()
  }
  for (let at = 0; at < size; at++) {
    const { persistence, board } = place
    const child = fork(program, [persistence, board, `c${at}`, String(maxFlows)])
    processes.push(child)
    await once(child, 'message')
    child.on('message', (message) => {
      if (isTally(message)) count(message)
    })
    child.on('exit', (code) => {
      if (code !== 0) failed = new Error(`a conductor ended with ${code}`)
      told()
    })
  }
  const tellAll = async (order: Order): Promise<void> => {
    await Promise.all(
      processes.map(async (child) => {
        child.send(order)
        for (;;) if ((await once(child, 'message'))[0] === 'done') return
      }),
    )
  }
  return {
    rest: () => tellAll('rest'),
    work: () => tellAll('work'),
    async ended(jobs) {
      await new Promise<void>((resolve, reject) => {
        told = () => {
          if (failed !== undefined) reject(failed)
          else if (ended >= jobs) resolve()
        }
        told()
      })
      const result = times
      times = { firstClaim: 0, lastClaim: 0, firstEnd: 0, lastEnd: 0 }
      claimed = ended = 0
      return result
    },
    async stop() {
      for (const child of processes) {
        if (child.exitCode !== null) continue
        child.send('stop')
        await once(child, 'exit')
      }
    },
  }
}

function isTally(message: unknown): message is Tally {
  return typeof message === 'object' && message !== null && 'claimed' in message
}
