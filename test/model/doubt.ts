/**
 * Rule: dispatch and doubt. One call, its copies, and who may start one. Conductors and workers die, the broker is wiped, a
 * channel or a confirm is lost: is the body run again only for a worker that died or a broker that was wiped, and never stuck?
 *
 * D1  A row notes `copy`: the broker epoch in which a confirmed copy was published; null if none is known. What was published
 *     is noted with the epoch in which it was published, not with the one in which it is noted.
 * D2  The owner publishes a call again (marked) only if it did not publish it itself in this broker epoch, `copy` is null or of an
 *     older one, its barrier came back, and silence is over: no worker said `running` for it for so long that every copy that
 *     was published before is old, and every worker that runs it would have said so.
 * D3  A doubtful copy (redelivered, marked, or old) is not started: its worker asks, and again until it is answered.
 * D4  Before a `go`, the owner waits for a grace in which whoever runs the call would say so, whether it knows of a holder or not,
 *     then for a barrier: what was said meanwhile is read. At once it says `go` only for a copy that is merely old, of a
 *     call that it dispatched itself: of one that it took over it does not know who was let start.
 * D5  A holder that answers neither `running` nor anything is none, also if its connection lives.
 * D6  A `drop` in favour of a holder first makes `copy` null, and the owner forgets that it published; before it
 *     publishes again, its barrier must come back, also if it sent none until then.
 * D7  A worker holds a call until its reply is confirmed, and says `running` so long.
 * D8  A copy that reaches a worker that runs the call is its own from then on. One that has just finished it replies again.
 * D9  A call that must never be repeated is settled as unknown where another would be let start a doubtful copy.
 *
 * Time is left out: silence and grace end when no living worker holds the call and nothing is on its way to one; what is old is
 * one event for all copies. The reply queue is read by the owner alone; `replies.ts` has the others.
 */
import {
  AT_ONCE,
  IDLE,
  isYoung,
  NOTHING,
  other,
  sendBarrier,
  speaks,
  WORKERS,
  type DoubtFaults,
  type DoubtState,
  type DoubtVariant,
  type Name,
} from './doubt-state.ts'
import { failing, working } from './doubt-workers.ts'
import { step, type Model, type Step } from './search.ts'

/** A call that must `never` be repeated is settled as unknown where another would be let start again. */
export function doubt(
  variant: DoubtVariant,
  left: DoubtFaults,
  repeat: 'always' | 'never' = 'always',
): Model<DoubtState> {
  return {
    initial: {
      row: { at: 'pending', copy: null },
      epoch: 1,
      owner: { at: 'owns', ...NOTHING, asked: [] },
      topic: [],
      replies: [],
      workers: { a: { ...IDLE, copies: [] }, b: { ...IDLE, copies: [] } },
      runs: 0,
      excuses: 0,
      left: { ...left },
    },
    *steps(state) {
      if (isOver(state) && variant !== 'not asked') return
      if (state.owner.at === 'owns') {
        yield* publishing(state, variant)
        yield* reading(state)
        for (const name of WORKERS) yield* answering(state, name, variant, repeat)
      }
      for (const name of WORKERS) yield* working(state, name, variant)
      yield* failing(state)
    },
    broken: ({ runs, excuses }) =>
      runs > 1 + (repeat === 'never' ? 0 : excuses)
        ? `the body ran ${runs} times for ${excuses} deaths and wipes`
        : null,
    goal: ({ row }) => row.at === 'done',
  }
}

/** The call is settled and nobody may start it without asking: what is left asks and is told to drop. */
const isOver = (state: DoubtState): boolean =>
  state.row.at === 'done' &&
  !isYoung(state) &&
  WORKERS.every((name) => state.workers[name].told !== 'go')

function* publishing(state: DoubtState, variant: DoubtVariant): Generator<Step<DoubtState>> {
  const { row, owner, epoch } = state
  if (row.at === 'pending') {
    yield step('owner: commits RUNNING', state, (draft) => {
      draft.row.at = 'running'
      draft.owner.first = true
    })
  }
  if (row.at !== 'running') return
  if (owner.first) {
    yield step('owner: publishes the first copy, confirmed', state, (draft) => {
      draft.topic.push('young')
      draft.owner.first = false
      draft.owner.published = epoch
    })
    if (state.left.confirms > 0) {
      for (const arrives of [true, false]) {
        const told = arrives ? 'arrives' : 'does not arrive'
        yield step(`owner: loses its connection: the first copy ${told}`, state, (draft) => {
          draft.left.confirms -= 1
          sendBarrier(draft)
          if (arrives) draft.topic.push('young')
          draft.owner.first = false
        })
      }
    }
    return
  }
  if (owner.published !== null && row.copy !== owner.published) {
    const noted = variant === 'noted with the present epoch' ? epoch : owner.published
    if (row.copy !== noted) {
      yield step(`owner: notes copy ${noted}`, state, (draft) => {
        draft.row.copy = noted
      })
    }
  }

  const known = owner.published === epoch || row.copy === epoch
  if (known || variant === 'never again') return
  const silent = WORKERS.every(
    (name) => !speaks(state, name, variant) && state.workers[name].told === '',
  )
  const waits = variant !== 'again while the first is young' && variant !== AT_ONCE
  const young = waits && isYoung(state)
  if (silent && !young && (owner.barrier || variant === 'no barrier')) {
    yield step('owner: publishes it again after the silence', state, (draft) => {
      draft.topic.push('again')
      draft.owner.published = epoch
    })
  }
}

function* reading(state: DoubtState): Generator<Step<DoubtState>> {
  const [message] = state.replies
  if (message === undefined) return
  yield step(`owner: reads ${message}`, state, (draft) => {
    draft.replies.shift()
    if (message === 'barrier') draft.owner.barrier = true
    if (message === 'result') settle(draft)
    for (const name of WORKERS) {
      if (message === `ask of ${name}` && !draft.owner.asked.includes(name))
        draft.owner.asked = [...draft.owner.asked, name].sort()
    }
  })
}

function settle(draft: DoubtState): void {
  draft.row = { at: 'done', copy: null }
  draft.owner = { at: 'owns', ...NOTHING, asked: draft.owner.asked }
}

function* answering(
  state: DoubtState,
  name: Name,
  variant: DoubtVariant,
  repeat: 'always' | 'never',
): Generator<Step<DoubtState>> {
  const { row, owner, workers } = state
  if (owner.believed !== name && speaks(state, name, variant) && workers[name].told === '') {
    yield step(`owner: hears that ${name} runs it`, state, (draft) => {
      draft.owner.believed = name
    })
  }
  if (!owner.asked.includes(name)) return
  const answer = (draft: DoubtState, told: 'go' | 'drop'): void => {
    draft.owner.asked = draft.owner.asked.filter((asked) => asked !== name)
    if (draft.workers[name].at === 'asks') draft.workers[name].told = told
  }
  if (row.at !== 'running') {
    yield step(`owner: tells ${name} to drop what is settled`, state, (draft) => {
      answer(draft, 'drop')
    })
    return
  }
  const holder = other(name)
  const believed = owner.believed === holder
  if (believed && speaks(state, holder, variant)) {
    yield step(
      `owner: ${holder} says running; clears copy, tells ${name} to drop`,
      state,
      (draft) => {
        if (variant !== 'copy not cleared') {
          draft.row.copy = null
          if (variant !== 'publication not forgotten') draft.owner.published = null
          sendBarrier(draft)
        }
        answer(draft, 'drop')
      },
    )
  }

  const old = workers[name].copies.every((copy) => copy === 'old')
  const merely = old && (!owner.adopted || variant === 'old ones at once')
  const allRead = variant === 'grace by the clock' || !state.replies.includes('result')
  const silent = !speaks(state, holder, variant) && workers[holder].told === '' && allRead
  const isGone = workers[holder].at === 'idle' && state.excuses > 0
  const mayWait = variant !== 'only unroutable is gone' || !believed || isGone
  const atOnce = !believed && (merely || variant === 'go when none is known')
  if (repeat === 'never' && silent && mayWait && !old) {
    yield step('owner: settles it as unknown after the grace', state, (draft) => {
      settle(draft)
      answer(draft, 'drop')
    })
  } else if (atOnce || (silent && mayWait)) {
    const how = merely ? 'an old copy' : 'a doubtful copy'
    const when = atOnce ? 'at once' : 'after the grace'
    yield step(`owner: lets ${name} start ${how} ${when}`, state, (draft) => {
      draft.owner.believed = name
      answer(draft, 'go')
    })
  }
}
