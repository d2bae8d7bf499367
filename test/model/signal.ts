/**
 * Rule: signals. A signal is published while its waiter parks, at READ COMMITTED. Is anybody left waiting for a signal that is
 * there?
 *
 * W1  Who publishes a signal inserts it, then looks for waiters and wakes them by mail, in one transaction.
 * W2  Who waits for one inserts the wait, then looks for signals, in the transaction that parks; if it finds one it does not
 *     park.
 * W3  Both first take the same lock on (board, name, key) and keep it until they commit.
 * W4  They look in a statement of its own after the one that took the lock: a statement sees what was committed when it
 *     began, and one that waited for a lock began before it had it.
 *
 * One waiter and two publishers of the same signal; the waiter needs one of the two. Each may be rolled back and begin again.
 */
import { step, type Model, type Step } from './search.ts'

export type SignalVariant =
  | 'rule'
  /** No lock, or each its own: the waiter its job, the publisher its signal (no W3). */
  | 'no common lock'
  /** One statement takes the lock and looks (no W4). */
  | 'locked and looked in one statement'
  /** Both look first and insert then, under the lock until the look is done (no W3: it is not kept). */
  | 'lock let go before the commit'

const PROCESSES = ['waiter', 'P', 'Q'] as const
type Process = (typeof PROCESSES)[number]

interface Transaction {
  at: 'outside' | 'begun' | 'locked' | 'looked' | 'done'
  /** What its look finds: committed signals for the waiter, the committed wait for publishers. */
  found: boolean
}

export interface SignalState {
  /** Committed. */
  signals: number
  waits: boolean
  woken: boolean
  lockedBy: Process | null
  transactions: Record<Process, Transaction>
  rollbacks: number
}

export function signal(variant: SignalVariant): Model<SignalState> {
  const outside: Transaction = { at: 'outside', found: false }
  return {
    initial: {
      signals: 0,
      waits: false,
      woken: false,
      lockedBy: null,
      transactions: { waiter: { ...outside }, P: { ...outside }, Q: { ...outside } },
      rollbacks: 1,
    },
    *steps(state) {
      for (const name of PROCESSES) yield* transaction(state, name, variant)
    },
    broken: ({ signals, waits, woken, lockedBy }) =>
      signals > 0 && waits && !woken && lockedBy === null
        ? 'the signal is there, and its waiter sleeps'
        : null,
    goal: ({ woken, transactions }) =>
      woken && PROCESSES.every((name) => transactions[name].at === 'done'),
  }
}

function* transaction(
  state: SignalState,
  name: Process,
  variant: SignalVariant,
): Generator<Step<SignalState>> {
  const { at, found } = state.transactions[name]
  const locks = variant !== 'no common lock'
  const early = variant === 'locked and looked in one statement'
  const what = name === 'waiter' ? 'signals' : 'waiters'
  const sees = name === 'waiter' ? state.signals > 0 : state.waits && !state.woken

  if (at === 'outside') {
    yield step(
      `${name}: begins${early ? `, to see ${told(sees)} ${what}` : ''}`,
      state,
      (draft) => {
        draft.transactions[name] = { at: 'begun', found: early && sees }
      },
    )
  }
  if (at === 'begun' && !(locks && state.lockedBy)) {
    const inserts = name === 'waiter' ? 'inserts its wait' : 'inserts its signal'
    yield step(`${name}: ${locks ? 'takes the lock, ' : ''}${inserts}`, state, (draft) => {
      draft.transactions[name].at = 'locked'
      if (locks) draft.lockedBy = name
    })
  }
  if (at === 'locked') {
    const finds = early ? found : sees
    yield step(`${name}: looks and sees ${told(finds)} ${what}`, state, (draft) => {
      draft.transactions[name] = { at: 'looked', found: finds }
      if (variant === 'lock let go before the commit') draft.lockedBy = null
    })
  }
  if (at === 'looked') {
    const commits =
      name === 'waiter' ? (found ? 'goes on' : 'parks') : found ? 'wakes it' : 'is done'
    yield step(`${name}: commits and ${commits}`, state, (draft) => {
      draft.transactions[name] = { at: 'done', found: false }
      if (draft.lockedBy === name) draft.lockedBy = null
      if (name === 'waiter') draft.waits = !found
      else draft.signals += 1
      if (found) draft.woken = true
    })
  }
  if (at !== 'outside' && at !== 'done' && state.rollbacks > 0) {
    yield step(`${name}: is rolled back and begins again`, state, (draft) => {
      draft.rollbacks -= 1
      draft.transactions[name] = { at: 'outside', found: false }
      if (draft.lockedBy === name) draft.lockedBy = null
    })
  }
}

const told = (found: boolean): string => (found ? 'some' : 'no')
