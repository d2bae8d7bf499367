/** What the model of `doubt.ts` consists of, its variants, and the faults that its searches allow. */

export type DoubtVariant =
  | 'rule'
  /** Whoever adopts waits for the copy that must be somewhere (no D2). */
  | 'never again'
  /** Marked and redelivered copies are started at once (no D3). */
  | 'not asked'
  /** A holder that is not known of is none (half of D4). */
  | 'go when none is known'
  /** The grace is a time alone: what waits in the reply queue when it is over was not read (part of D4). */
  | 'grace by the clock'
  /** An old copy may start at once, whatever was let start before (half of D4). */
  | 'old ones at once'
  /** Silence may end while copies of before are still young (part of D2). */
  | 'again while the first is young'
  /** The same, but no young copy lies unstarted with a worker for longer than a grace: holds as well. */
  | 'again while young, started when delivered'
  /** Only a closed connection shows that a holder is none (no D5). */
  | 'only unroutable is gone'
  /** No D6. */
  | 'copy not cleared'
  /** `copy` is cleared, but the owner still knows that it published it (half of D6). */
  | 'publication not forgotten'
  /** `copy` is noted with the present broker epoch (half of D1). */
  | 'noted with the present epoch'
  /** `running` is said while the body runs, not until its reply is confirmed (no D7). */
  | 'silent after the body'
  /** The copy of a call that has just been finished is acknowledged, and nothing said (half of D8). */
  | 'acknowledged in silence'
  /** Published again without reading the named reply queue first (part of D2): costs copies, breaks nothing. */
  | 'no barrier'

export const WORKERS = ['a', 'b'] as const
export type Name = (typeof WORKERS)[number]
/** Young: published unmarked, not yet old. What was delivered before, or is old, is never young again. */
export type Copy = 'young' | 'old' | 'again'

export interface Worker {
  /** `ended`: the body is over, its reply not confirmed. */
  at: 'idle' | 'holds' | 'asks' | 'runs' | 'ended'
  /** Copies that it has not acknowledged; after a lost channel, none. */
  copies: Copy[]
  told: 'go' | 'drop' | ''
  /** It keeps the reply that it gave last. */
  keeps: boolean
}

export interface DoubtState {
  row: { at: 'pending' | 'running' | 'done'; copy: number | null }
  epoch: number
  owner: {
    at: 'none' | 'owns'
    /** It took the call over: what was let start before, it does not know. */
    adopted: boolean
    /** Broker epoch in which it published a copy that was confirmed. */
    published: number | null
    /** It has to publish the first copy. */
    first: boolean
    barrier: boolean
    believed: Name | ''
    asked: Name[]
  }
  topic: Copy[]
  replies: string[]
  workers: Record<Name, Worker>
  runs: number
  /** Deaths of workers and wipes: what a second run may be for. */
  excuses: number
  left: DoubtFaults
}

/** What may still go wrong: deaths, wipes, channels that are lost by workers that live on, confirms that never come. */
export interface DoubtFaults {
  conductors: number
  workers: number
  wipes: number
  channels: number
  confirms: number
}

export const IDLE: Worker = { at: 'idle', copies: [], told: '', keeps: false }
export const NOTHING = {
  adopted: false,
  published: null,
  first: false,
  barrier: false,
  believed: '',
  asked: [],
} as const

const faults = (
  conductors: number,
  workers: number,
  wipes: number,
  channels: number,
  confirms: number,
): DoubtFaults => ({ conductors, workers, wipes, channels, confirms })

/** All of `ALL` at once holds too, in 293,000 states: too many for every test run, so its parts are searched. */
export const ALL = faults(2, 1, 1, 1, 0)
export const TWO_OWNERS_DIE = faults(2, 1, 0, 0, 0)
export const WIPED = faults(1, 1, 1, 0, 0)
export const WIPED_AND_CUT = faults(1, 0, 1, 1, 0)
export const CUT = faults(1, 1, 0, 1, 0)
export const UNCONFIRMED = faults(1, 0, 0, 1, 1)

export const AT_ONCE = 'again while young, started when delivered'

export const other = (name: Name): Name => (name === 'a' ? 'b' : 'a')

/** Whether that worker, if it lives, says `running` when it is asked or before the grace is over. */
export function speaks({ workers }: DoubtState, name: Name, variant: DoubtVariant): boolean {
  const { at, told } = workers[name]
  if (told === 'go' && at === 'asks') return true
  if (at === 'holds' && variant === AT_ONCE) return true
  return at === 'runs' || (at === 'ended' && variant !== 'silent after the body')
}

export function sendBarrier({ row, owner, replies }: DoubtState): void {
  if (row.at === 'running' && !owner.barrier && !replies.includes('barrier'))
    replies.push('barrier')
}

export const isYoung = ({ topic, workers }: DoubtState): boolean =>
  topic.includes('young') || WORKERS.some((name) => workers[name].at === 'holds')
