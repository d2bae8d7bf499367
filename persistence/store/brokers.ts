/** What conductors agree on about workers elsewhere: brokers, queues of replies, how calls stand. */
import type { Direction } from '../../src/machine/records.ts'
import type { JobState } from './jobs.ts'

/** A broker as the store knows it. */
export interface BrokerRecord {
  readonly name: string
  /** Grows when the broker was found to have lost what it held. From 1. */
  readonly epoch: number
  /** UUID in the name of the queue whose absence tells of that. */
  readonly marker: string
  /** Key of the tokens in requests. */
  readonly secret: string
}

/** A reply queue that is remembered. */
export interface ReplyQueueRecord {
  readonly queue: string
  readonly conductor: string
  readonly orphaned: boolean
}

/** Names one call of one flow. */
export interface CallPlace {
  readonly jobId: string
  readonly flowId: string
  readonly atom: string
  readonly direction: Direction
  readonly call: number
}

/** How a call stands, for those who do not own its flow. */
export interface CallStanding {
  /** Null: no such job. */
  readonly job: JobState | null
  /** Who has claimed it. */
  readonly conductor: string | null
  /** An answer to this very call was recorded, or its flow has ended. */
  readonly settled: boolean
}

/** What conductors with a broker agree on. */
export interface BrokerStore {
  /** What is known of a broker; made (epoch 1, a marker and a secret by chance) when it is asked for first. */
  broker(name: string): Promise<BrokerRecord>
  /**
   * The broker lost what it held: epoch + 1 and a new marker, if the epoch still is `from`; jobs parked for a task become due in
   * the same transaction. Returns what now stands. A job that is parked at the same time may miss it: who parks for a task says
   * when to look again.
   */
  raiseBroker(name: string, from: number): Promise<BrokerRecord>
  /**
   * Jobs parked for a task become due: the broker may have lost their calls. For those that were being parked while it was raised, by
   * conductors that had not heard of it.
   */
  wakeParked(): Promise<void>
  /**
   * Remembers a reply queue and the conductor (process id of its incarnation) that made it. Again is fine; a queue whose maker is
   * gone becomes that of who makes it anew.
   */
  keepReplyQueue(queue: string, conductor: string): Promise<void>
  /** Reply queues that are remembered. `orphaned`: no living conductor made it. */
  replyQueues(): Promise<readonly ReplyQueueRecord[]>
  /**
   * Forgets an orphaned queue that no atom of an unfinished job names (a trashed one may be released, so it counts), once its
   * maker has no claims either. False: it is still needed. True holds for good: a new call names the queue of its living owner,
   * and nobody else's.
   */
  forgetReplyQueue(queue: string): Promise<boolean>
  /** How calls stand, in the order asked: for whoever reads a message about a flow that is not his. */
  standing(calls: readonly CallPlace[]): Promise<readonly CallStanding[]>
}
