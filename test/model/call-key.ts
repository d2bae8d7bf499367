/**
 * Rule: the key of a call. Replies come twice, late, and from copies of earlier calls. Does each settle its own call, once?
 *
 * K1  A reply settles the call of its whole key, (run, atom, direction, call), if that call runs; else it is a duplicate.
 * K2  `call` counts every recorded answer of that atom and direction, `again` and failures included, and never goes back, not by
 *     a flow retry either.
 * K3  The token of a reply is derived from the key: every copy carries the same, whoever published it.
 *
 * One atom: it asks to be called again, succeeds, is reverted, and is executed again when its flow is retried. Replies may be
 * delivered again at any time later, a body may run twice, the owner may change.
 */
import { step, type Model, type Step } from './search.ts'

export type CallKeyVariant =
  | 'rule'
  /** `call` is not part of the key. */
  | 'key without call'
  /** `direction` is not part of it. */
  | 'key without direction'
  /** `call` counts attempts: an answer `again` is none (half of K2). */
  | 'attempts counted'
  /** A flow retry begins to count anew (half of K2). */
  | 'counted anew'
  /** Each owner makes its own token and stores it (no K3). */
  | 'a token for each owner'

interface Call {
  readonly direction: 'execute' | 'revert'
  readonly call: number
  readonly attempt: number
  readonly answer: 'again' | 'success'
  /** Answers of this direction since the last flow retry, and this one. */
  readonly inRound: number
}

const CALLS: readonly Call[] = [
  { direction: 'execute', call: 1, attempt: 1, answer: 'again', inRound: 1 },
  { direction: 'execute', call: 2, attempt: 1, answer: 'success', inRound: 2 },
  { direction: 'revert', call: 1, attempt: 1, answer: 'success', inRound: 1 },
  { direction: 'execute', call: 3, attempt: 2, answer: 'success', inRound: 1 },
]

export interface CallKeyState {
  /** Index of the call that runs; all are settled at the end. */
  at: number
  owner: number
  /** Stored with the call. */
  token: number
  /** Tokens of copies that are queued, by the call that they are of. */
  copies: { of: number; token: number }[]
  replies: { of: number; token: number }[]
  left: { redeliveries: number; runs: number; owners: number }
  damage: string | null
}

export function callKey(variant: CallKeyVariant): Model<CallKeyState> {
  return {
    initial: {
      at: 0,
      owner: 1,
      token: 1,
      copies: [{ of: 0, token: 1 }],
      replies: [],
      left: { redeliveries: 2, runs: 1, owners: 1 },
      damage: null,
    },
    *steps(state) {
      yield* working(state)
      yield* replying(state, variant)
      if (state.left.owners > 0) {
        yield step(
          'another conductor adopts; the copy is known and not published again',
          state,
          (draft) => {
            draft.left.owners -= 1
            draft.owner += 1
            if (variant === 'a token for each owner') draft.token = draft.owner
          },
        )
      }
    },
    broken: ({ damage }) => damage,
    goal: ({ at }) => at === CALLS.length,
  }
}

const nameOf = (of: number): string => {
  const { direction, call } = callAt(of)
  return `${direction} ${call}`
}

function callAt(of: number): Call {
  const call = CALLS[of]
  if (!call) throw new RangeError(`no call ${of}`)
  return call
}

function keyOf(of: number, variant: CallKeyVariant): string {
  const { direction, call, attempt, inRound } = callAt(of)
  if (variant === 'key without call') return direction
  if (variant === 'key without direction') return String(call)
  if (variant === 'attempts counted') return `${direction} ${attempt}`
  if (variant === 'counted anew') return `${direction} ${inRound}`
  return `${direction} ${call}`
}

function* working(state: CallKeyState): Generator<Step<CallKeyState>> {
  for (const [index, { of, token }] of state.copies.entries()) {
    yield step(`a worker runs ${nameOf(of)}, replies`, state, (draft) => {
      draft.copies.splice(index, 1)
      draft.replies.push({ of, token })
    })
    if (state.left.runs > 0) {
      yield step(
        `a worker runs ${nameOf(of)}, replies, dies before it acknowledges`,
        state,
        (draft) => {
          draft.left.runs -= 1
          draft.replies.push({ of, token })
        },
      )
    }
  }
}

function* replying(state: CallKeyState, variant: CallKeyVariant): Generator<Step<CallKeyState>> {
  // In any order: what is delivered again, and what comes by mail, is late by any time.
  for (const [index, { of, token }] of state.replies.entries()) {
    const runs = state.at < CALLS.length
    const fits = runs && keyOf(of, variant) === keyOf(state.at, variant) && token === state.token
    const told = fits ? `settles ${nameOf(state.at)} by` : 'drops'
    const read = (draft: CallKeyState): void => {
      if (!fits) return
      if (of !== state.at) draft.damage = `the reply to ${nameOf(of)} settled ${nameOf(state.at)}`
      draft.at += 1
      draft.token = draft.owner
      if (draft.at < CALLS.length) draft.copies.push({ of: draft.at, token: draft.token })
    }
    yield step(`owner: ${told} the reply to ${nameOf(of)}`, state, (draft) => {
      draft.replies.splice(index, 1)
      read(draft)
    })
    if (state.left.redeliveries > 0) {
      yield step(`owner: ${told} the reply to ${nameOf(of)}, which comes again`, state, (draft) => {
        draft.left.redeliveries -= 1
        read(draft)
      })
    }
  }
}
