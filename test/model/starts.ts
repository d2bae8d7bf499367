/**
 * Rule: starts. A body that kills its worker is to end as `WorkerLost`, not to be started for ever, whoever owns it meanwhile; and no
 * innocent call is to be convicted.
 *
 * S1  Letting a redelivered copy start is charged: `starts` + 1 is committed, then `go` is sent. If that would exceed the limit, the
 *     call fails as lost instead, and the copy is dropped.
 * S2  Not charged: a copy that is merely old, and one published again because a worker did not know the task.
 * S3  An ask names the delivery that it is about, its answer names the same: asks are repeated, so answers come more than
 *     once, and one to an earlier delivery starts nothing.
 * S4  One delivery is charged once by one owner, however often it is asked about; and only when the grace is over and its worker
 *     neither said `running` nor asked for a later one: an earlier owner may have let it start.
 * S5  A worker that stops in good order releases what it has: the word comes before the copy is anybody's again. What it began, or
 *     was told to begin, is taken off `starts`, for the return is charged; a doubtful copy that it held unstarted is not.
 *
 * One worker, which runs each doubtful copy in a process of its own: that dies, the worker and its control queue live on. What
 * remains: an owner that dies between the commit and its `go`, or while `go` is on its way to a worker that stops, leaves a start
 * that never was (counted below).
 */
import { step, type Model, type Step } from './search.ts'

export type StartsVariant =
  | 'rule'
  /** `go` is sent, then the start is committed (no S1). */
  | 'sent, then committed'
  /** Starts are counted in the owner's memory (no S1). */
  | 'counted in memory'
  /** Every `go` is charged (no S2). */
  | 'every go is charged'
  /** Answers name the call alone (no S3). */
  | 'answers name no delivery'
  /** Each ask is charged (no S4). */
  | 'every ask is charged'
  /** A release takes nothing off (no S5). */
  | 'releases are not heard'
  /** Each release takes a start off (no end of S5). */
  | 'what was held is taken off'

/** Starts of one call, the first included. */
const LIMIT = 3

export interface StartsState {
  row: { at: 'running' | 'done' | 'lost'; starts: number }
  owner: {
    at: 'none' | 'owns'
    /** Starts that it knows of. */
    starts: number
    /** Deliveries that it charged. */
    charged: number
    /** The delivery that it last told to start. */
    told: number
    /** Committed, and `go` not sent; or the other way round. */
    pending: number
  }
  topic: ('young' | 'old' | 'again' | 'redelivered')[]
  worker: { at: 'idle' | 'asks' | 'runs'; copy: string; delivery: number; asked: boolean }
  /** Asks on their way, by delivery; `redelivered` copies are marked. And releases: of what began, or of what was held unstarted. */
  asks: { delivery: number; charge: boolean; released?: 'begun' | 'held' }[]
  answers: number[]
  runs: number
  /** Copies that came back from a worker. */
  losses: number
  /** Starts that were committed and never were: their owner died before its `go` arrived. */
  halves: number
  /** Bodies that a stop ended. */
  released: number
  /** The delivery that was last charged, by whomever. */
  charged: number
  left: { conductors: number; repeats: number; unknown: number; cuts: number; stops: number }
}

export interface StartsSize {
  /** Whether the body kills the process that it runs in. */
  readonly poison: boolean
  readonly left: StartsState['left']
}

export const POISON: StartsSize = {
  poison: true,
  left: { conductors: 2, repeats: 1, unknown: 0, cuts: 0, stops: 0 },
}

export const INNOCENT: StartsSize = {
  poison: false,
  left: { conductors: 1, repeats: 2, unknown: 3, cuts: 1, stops: 0 },
}

/** Workers are stopped in good order, as often as would convict the call. */
export const RESTARTED: StartsSize = {
  poison: false,
  left: { conductors: 1, repeats: 0, unknown: 0, cuts: 1, stops: 3 },
}

export const POISON_RESTARTED: StartsSize = {
  poison: true,
  left: { conductors: 1, repeats: 1, unknown: 0, cuts: 0, stops: 2 },
}

export function starts(variant: StartsVariant, size: StartsSize): Model<StartsState> {
  return {
    initial: {
      row: { at: 'running', starts: 0 },
      owner: { at: 'owns', starts: 0, charged: 0, told: 0, pending: 0 },
      topic: ['young'],
      worker: { at: 'idle', copy: '', delivery: 0, asked: false },
      asks: [],
      answers: [],
      runs: 0,
      losses: 0,
      halves: 0,
      released: 0,
      charged: 0,
      left: { ...size.left },
    },
    *steps(state) {
      if (state.row.at !== 'running') return
      yield* working(state, variant, size)
      if (state.owner.at === 'owns') yield* answering(state, variant)
      yield* changing(state)
    },
    broken: ({ row, runs, losses, halves, released }) => {
      const counted = runs - released
      if (counted > LIMIT) return `started ${counted} times, and ${LIMIT} are allowed`
      const excused = losses + halves >= LIMIT
      return row.at === 'lost' && !excused ? `convicted, and ${losses} starts were lost` : null
    },
    goal: ({ row }) => row.at !== 'running',
  }
}

function* working(
  state: StartsState,
  variant: StartsVariant,
  { poison }: StartsSize,
): Generator<Step<StartsState>> {
  const { worker, left, answers } = state
  const [copy] = state.topic
  if (worker.at === 'idle' && copy !== undefined) {
    yield step(`worker: takes a ${copy} copy`, state, (draft) => {
      draft.topic.shift()
      const delivery = worker.delivery + 1
      draft.worker = { at: 'asks', copy, delivery, asked: false }
      if (copy === 'young') run(draft)
    })
    if (left.unknown > 0) {
      yield step('worker: does not know the task; it is published again', state, (draft) => {
        draft.left.unknown -= 1
        draft.topic[0] = 'again'
      })
    }
  }
  if (copy === 'young') {
    yield step('the copy grows old', state, (draft) => {
      draft.topic[0] = 'old'
    })
  }
  if (worker.at === 'asks' && (!worker.asked || left.repeats > 0)) {
    yield step(worker.asked ? 'worker: asks once more' : 'worker: asks', state, (draft) => {
      if (worker.asked) draft.left.repeats -= 1
      draft.worker.asked = true
      draft.asks.push({ delivery: worker.delivery, charge: worker.copy === 'redelivered' })
    })
  }
  const [answer] = answers
  if (answer !== undefined) {
    const means = answer === worker.delivery || variant === 'answers name no delivery'
    const starts = worker.at === 'asks' && means
    yield step(`worker: is told go, and ${starts ? 'starts' : 'ignores it'}`, state, (draft) => {
      draft.answers.shift()
      if (starts) run(draft)
    })
  }
  if (worker.at === 'runs') {
    yield step(poison ? 'the body kills its process' : 'the body ends', state, (draft) => {
      if (poison) giveBack(draft)
      else draft.row.at = 'done'
    })
  }
  if (worker.at !== 'idle' && left.cuts > 0) {
    yield step('the process of the worker is lost', state, (draft) => {
      draft.left.cuts -= 1
      giveBack(draft)
    })
  }
  if (worker.at !== 'idle' && left.stops > 0) {
    const begun = worker.at === 'runs' || worker.copy !== 'redelivered'
    yield step('the worker stops, and releases what it has', state, (draft) => {
      draft.left.stops -= 1
      if (worker.at === 'runs') draft.released += 1
      const released = begun ? 'begun' : 'held'
      draft.asks.push({ delivery: worker.delivery, charge: false, released })
      giveBack(draft)
      draft.losses -= 1
    })
  }
}

function run(draft: StartsState): void {
  draft.worker.at = 'runs'
  draft.runs += 1
}

function giveBack(draft: StartsState): void {
  draft.topic.unshift('redelivered')
  draft.losses += 1
  draft.worker = { at: 'idle', copy: '', delivery: draft.worker.delivery, asked: false }
}

function* answering(state: StartsState, variant: StartsVariant): Generator<Step<StartsState>> {
  const { owner, row } = state
  const [ask] = state.asks
  if (owner.pending !== 0) {
    const late = variant === 'sent, then committed'
    yield step(late ? 'owner: commits the start' : 'owner: sends go', state, (draft) => {
      if (late) draft.row.starts += 1
      else draft.answers.push(owner.pending)
      draft.owner.pending = 0
    })
    return
  }
  // The grace: what is on its way to the worker arrives before more is charged.
  if (ask === undefined) return
  if (ask.released !== undefined) {
    const isTold = owner.told === ask.delivery
    const isOff =
      (ask.released === 'begun' || isTold || variant === 'what was held is taken off') &&
      variant !== 'releases are not heard'
    yield step(`owner: ${isOff ? 'takes a start off' : 'leaves it charged'}`, state, (draft) => {
      draft.asks.shift()
      if (isOff) {
        draft.row.starts = Math.max(-1, row.starts - 1)
        draft.owner.starts = Math.max(-1, owner.starts - 1)
      } else if (state.charged === ask.delivery && variant === 'rule') draft.halves += 1
    })
    return
  }
  const before = owner.charged === ask.delivery && variant !== 'every ask is charged'
  const charge = (ask.charge || variant === 'every go is charged') && !before
  const known = variant === 'counted in memory' ? owner.starts : row.starts
  const over = ask.delivery !== state.worker.delivery || state.worker.at !== 'asks'
  if (over && variant !== 'every ask is charged') {
    yield step('owner: forgets an ask that is over', state, (draft) => {
      draft.asks.shift()
    })
    if (charge) return
  }
  const underWay = state.answers.includes(ask.delivery) && variant !== 'every ask is charged'
  if (charge && underWay) return
  if (!charge) {
    yield step('owner: sends go, charges nothing', state, (draft) => {
      draft.asks.shift()
      draft.owner.told = ask.delivery
      draft.answers.push(ask.delivery)
    })
  } else if (1 + known + 1 > LIMIT) {
    yield step('owner: commits that its worker is lost', state, (draft) => {
      draft.row.at = 'lost'
    })
  } else {
    const late = variant === 'sent, then committed'
    yield step(late ? 'owner: sends go' : 'owner: commits the start', state, (draft) => {
      draft.asks.shift()
      draft.owner.charged = ask.delivery
      draft.owner.told = ask.delivery
      draft.charged = ask.delivery
      draft.owner.pending = ask.delivery
      draft.owner.starts += 1
      if (late) draft.answers.push(ask.delivery)
      else draft.row.starts += 1
    })
  }
}

function* changing(state: StartsState): Generator<Step<StartsState>> {
  const { owner, left } = state
  if (owner.at === 'owns' && left.conductors > 0) {
    yield step('the owner dies', state, (draft) => {
      draft.left.conductors -= 1
      if (owner.pending !== 0) draft.halves += 1
      draft.owner = { at: 'none', starts: 0, charged: 0, told: 0, pending: 0 }
      // What was asked of it is asked again; what was said of a release is read by the next.
      draft.asks = state.asks.filter(({ released }) => released !== undefined)
      draft.worker.asked = false
    })
  }
  if (owner.at === 'none') {
    yield step('another conductor adopts', state, (draft) => {
      draft.owner.at = 'owns'
    })
  }
}
