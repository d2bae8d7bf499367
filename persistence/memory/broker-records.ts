/** Brokers and reply queues in this process's memory, by the rules B1–B3 of `../brokers.ts`. */
import { newMarker, newSecret, NO_JOB } from '../brokers.ts'
import type { Job, Run } from './job.ts'
import type { BrokerRecord, CallPlace, CallStanding, ReplyQueueRecord } from '../store.ts'

export class BrokerRecords {
  readonly #brokers = new Map<string, BrokerRecord>()
  /** Makers by queue. */
  readonly #queues = new Map<string, string>()
  readonly #lives: (conductor: string) => boolean

  constructor(lives: (conductor: string) => boolean) {
    this.#lives = lives
  }

  find(name: string): BrokerRecord {
    const there = this.#brokers.get(name)
    if (there !== undefined) return there
    const made = { name, epoch: 1, marker: newMarker(), secret: newSecret() }
    this.#brokers.set(name, made)
    return made
  }

  /** What now stands, and whether this call raised it. */
  raise(name: string, from: number): { readonly broker: BrokerRecord; readonly raised: boolean } {
    const there = this.find(name)
    if (there.epoch !== from) return { broker: there, raised: false }
    const broker = { ...there, epoch: from + 1, marker: newMarker() }
    this.#brokers.set(name, broker)
    return { broker, raised: true }
  }

  keepQueue(queue: string, conductor: string): void {
    const maker = this.#queues.get(queue)
    if (maker === undefined || !this.#lives(maker)) this.#queues.set(queue, conductor)
  }

  queues(): readonly ReplyQueueRecord[] {
    return [...this.#queues]
      .map(([queue, conductor]) => ({ queue, conductor, orphaned: !this.#lives(conductor) }))
      .sort((a, b) => (a.queue < b.queue ? -1 : 1))
  }

  forgetQueue(queue: string, jobs: Iterable<Job>): boolean {
    const maker = this.#queues.get(queue)
    if (maker === undefined) return true
    if (this.#lives(maker)) return false
    for (const { record, runs } of jobs) {
      if (record.state === 'COMPLETE') continue
      if (record.state === 'CLAIMED' && record.conductor === maker) return false
      if (runs.at(-1)?.rows.replyQueues().includes(queue) === true) return false
    }
    return this.#queues.delete(queue)
  }
}

/** How a call of a job stands. */
export function standingOf(job: Job | undefined, call: CallPlace): CallStanding {
  if (job === undefined) return NO_JOB
  const { state, conductor, flowId } = job.record
  const hasEnded = state === 'COMPLETE' || state === 'TRASHED' || flowId !== call.flowId
  return {
    job: state,
    conductor,
    settled: hasEnded || answersOf(job.runs.at(-1), call) >= call.call,
  }
}

function answersOf(run: Run | undefined, { atom, direction }: CallPlace): number {
  const record = run?.rows.atom(atom)
  if (record === undefined) return 0
  return direction === 'execute' ? record.executeCalls : record.revertCalls
}
