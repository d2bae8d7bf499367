/**
 * Rule: replies. A call's answers come to the queue that its row names, whoever owns the flow by then, and whoever reads that
 * queue. Is an answer ever lost, or a call let start, or given up, while its answer is under way?
 *
 * R1  All copies of a call answer to the queue in its row, also those that a later owner publishes.
 * R2  A queue is read by its conductor; when that is dead, by those whose flows name it. One reader at a time, in order.
 * R3  A reply of a flow that the reader does not own goes into the mailbox, the first one wins, and only then is it acknowledged;
 *     it is never given back.
 * R4  A barrier is passed on to its sender when everything before it was handled.
 * R5  An owner that adopted a call publishes it again only when its barrier came back and it has read its mail since.
 * R6  So with `go`, and with giving up a call that must never be repeated: after the grace a barrier is sent, when it is back the
 *     mail is read, and the commit requires `mail` as it was read then.
 * R7  An ask that reaches another is forwarded to the owner, once; if nobody owns, it is forgotten: it is repeated.
 *
 * Two conductors; claims are lost, one conductor dies. The call's first copy runs with a worker and is delivered again to the
 * other, or was never published. No worker dies, so the body must run once.
 */
import { step, type Model, type Step } from './search.ts'

export type RepliesVariant =
  | 'rule'
  /** Who reads a reply of a flow that is not its own gives it back (no R3). */
  | 'given back'
  /** It is acknowledged, then stored (half of R3). */
  | 'acknowledged, then stored'
  /** A later owner names its own queue in its copies, not in the row (no R1). */
  | 'a queue of its own'
  /** `go` after the grace, without a barrier (part of R6). */
  | 'go without a barrier'
  /** `go` when the barrier is back, whatever the mailbox has (part of R6). */
  | 'mail not read'
  /** A barrier is passed on while what stands before it is still being stored (no R4). */
  | 'barrier overtakes'
  /** Asks for others are acknowledged, not forwarded (no R7). */
  | 'not forwarded'

const WORKERS = ['a', 'b'] as const
type Worker = (typeof WORKERS)[number]
const CONDUCTORS = [1, 2] as const
type Conductor = (typeof CONDUCTORS)[number]

interface Owner {
  /** It published a copy itself. */
  published: boolean
  /** Barrier of its adoption. */
  drained: boolean
  asker: Worker | ''
  /** Of the asker: the grace is over and a barrier was sent; it is back. */
  grace: '' | 'over' | 'drained'
}

export interface RepliesState {
  row: { at: 'running' | 'done' | 'given up'; copy: boolean }
  owner: Conductor | 0
  living: Conductor[]
  /** What each conductor knows of the flow, if it owns it. */
  knows: Owner
  queues: Record<Conductor, string[]>
  /** The head of that queue was handled, but not acknowledged. */
  handled: Record<Conductor, boolean>
  /** Acknowledged, not yet stored (only where that is the rule). */
  inMemory: Conductor | 0
  mail: boolean
  /** Reply queues that the copies name. */
  topic: Conductor[]
  workers: Record<
    Worker,
    { at: 'idle' | 'asks' | 'runs'; to: Conductor; unacknowledged: boolean; told: string }
  >
  runs: number
  left: { claims: number; deaths: number; channels: number }
}

export interface RepliesSize {
  readonly first: 'runs' | 'was never published'
  /** The call must never be repeated: what the others are let start is given up. */
  readonly never: boolean
  readonly left: RepliesState['left']
}

const left = (claims: number, deaths: number, channels: number): RepliesState['left'] => ({
  claims,
  deaths,
  channels,
})
export const RUNS: RepliesSize = { first: 'runs', never: false, left: left(1, 1, 1) }
export const NEVER: RepliesSize = { ...RUNS, never: true }
export const CLAIM_LOST: RepliesSize = { ...RUNS, left: left(1, 0, 1) }
export const UNPUBLISHED: RepliesSize = {
  first: 'was never published',
  never: false,
  left: left(1, 1, 0),
}

export const CLAIM_LOST_TWICE: RepliesSize = { ...UNPUBLISHED, left: left(2, 0, 0) }

const ADOPTED: Owner = { published: false, drained: false, asker: '', grace: '' }

export function replies(variant: RepliesVariant, size: RepliesSize): Model<RepliesState> {
  const ran = size.first === 'runs'
  return {
    initial: {
      row: { at: 'running', copy: ran },
      owner: 1,
      living: [1, 2],
      knows: { ...ADOPTED, published: ran },
      queues: { 1: ran ? [] : ['barrier 1 adopted'], 2: [] },
      handled: { 1: false, 2: false },
      inMemory: 0,
      mail: false,
      topic: [],
      workers: {
        a: { at: ran ? 'runs' : 'idle', to: 1, unacknowledged: ran, told: '' },
        b: { at: 'idle', to: 1, unacknowledged: false, told: '' },
      },
      runs: ran ? 1 : 0,
      left: { ...size.left },
    },
    *steps(state) {
      for (const queue of CONDUCTORS) yield* reading(state, queue, variant)
      yield* owning(state, variant, size)
      for (const name of WORKERS) yield* working(state, name)
      yield* changing(state)
    },
    broken: ({ row, runs }) => {
      if (runs > 1) return `the body ran ${runs} times, and no worker died`
      return row.at === 'given up' && runs > 0 ? 'given up, and its answer was under way' : null
    },
    goal: ({ row }) => row.at !== 'running',
  }
}

/** Who reads that queue: its conductor, or the living owner of what names it. */
function readerOf({ living, owner, row }: RepliesState, queue: Conductor): Conductor | 0 {
  if (living.includes(queue)) return queue
  return queue === 1 && row.at === 'running' && owner !== 0 ? owner : 0
}

function* reading(
  state: RepliesState,
  queue: Conductor,
  variant: RepliesVariant,
): Generator<Step<RepliesState>> {
  const reader = readerOf(state, queue)
  const messages = state.queues[queue]
  if (reader === 0) return
  const who = `${reader} reads queue ${queue}`
  if (variant === 'barrier overtakes' && messages[0] === 'result') {
    const at = messages.findIndex((message) => message.startsWith('barrier'))
    if (at > 0) {
      yield step(`${who}: passes the barrier on at once`, state, (draft) => {
        const [barrier] = draft.queues[queue].splice(at, 1)
        if (barrier !== undefined) pass(draft, reader, barrier)
      })
    }
  }
  const message = messages[0]
  if (message === undefined) return
  if (message !== 'result') {
    yield step(`${who}: ${message}`, state, (draft) => {
      draft.queues[queue].shift()
      if (message.includes('ask of')) hearAsk(draft, reader, message, variant)
      else pass(draft, reader, message)
    })
    return
  }

  if (state.handled[queue]) {
    yield step(`${who}: acknowledges the result`, state, (draft) => {
      draft.handled[queue] = false
      draft.queues[queue].shift()
    })
  } else if (state.owner === reader || state.row.at !== 'running') {
    yield step(`${who}: commits the result`, state, (draft) => {
      if (draft.row.at === 'running') draft.row.at = 'done'
      draft.handled[queue] = true
    })
  } else if (variant === 'given back') {
    yield step(`${who}: gives the result back`, state, () => undefined)
  } else if (variant === 'acknowledged, then stored') {
    yield step(`${who}: acknowledges the result of another's flow`, state, (draft) => {
      draft.queues[queue].shift()
      draft.inMemory = reader
    })
  } else {
    yield step(`${who}: puts the result into the mailbox`, state, (draft) => {
      draft.mail = true
      draft.handled[queue] = true
    })
  }
}

/** `barrier N why` is sent on to N as `passed N why`. */
function pass(draft: RepliesState, reader: Conductor, message: string): void {
  const [, to, why] = message.split(' ')
  const sender = CONDUCTORS.find((name) => String(name) === to)
  if (sender === undefined || !draft.living.includes(sender)) return
  if (reader !== sender) {
    draft.queues[sender].push(`passed ${sender} ${why}`)
  } else if (draft.owner === sender) {
    if (why === 'adopted') draft.knows.drained = true
    if (why === `asked-${draft.knows.asker}` && draft.knows.grace === 'over')
      draft.knows.grace = 'drained'
  }
}

/** `ask of w`, or `forwarded ask of w`. */
function hearAsk(
  draft: RepliesState,
  reader: Conductor,
  message: string,
  variant: RepliesVariant,
): void {
  const asker = WORKERS.find((name) => message.endsWith(` ${name}`))
  if (asker === undefined) return
  if (draft.owner === reader) {
    if (draft.knows.asker === '') draft.knows.asker = asker
  } else if (draft.row.at !== 'running') {
    tell(draft, asker, 'drop')
  } else if (draft.owner !== 0 && message.startsWith('ask') && variant !== 'not forwarded') {
    draft.queues[draft.owner].push(`forwarded ${message}`)
  }
}

function tell(draft: RepliesState, name: Worker, told: string): void {
  if (draft.workers[name].at === 'asks') draft.workers[name].told = told
}

function* owning(
  state: RepliesState,
  variant: RepliesVariant,
  size: RepliesSize,
): Generator<Step<RepliesState>> {
  const { owner, knows, row, mail, workers } = state
  if (state.inMemory !== 0) {
    yield step(`${state.inMemory} stores what it acknowledged`, state, (draft) => {
      draft.mail = true
      draft.inMemory = 0
    })
  }
  if (owner === 0) return
  if (mail) {
    yield step(`${owner} reads its mail`, state, (draft) => {
      draft.mail = false
      if (draft.row.at === 'running') draft.row.at = 'done'
    })
  }
  if (row.at !== 'running') {
    const { asker } = knows
    if (asker !== '') {
      yield step(`${owner} tells ${asker} to drop what is settled`, state, (draft) => {
        tell(draft, asker, 'drop')
        draft.knows.asker = ''
      })
    }
    return
  }

  const read = variant === 'mail not read' || !mail
  const busy = WORKERS.filter((name) => workers[name].at === 'runs' || workers[name].told === 'go')
  if (!knows.published && !row.copy && busy.length === 0 && knows.drained && read) {
    yield step(`${owner} publishes it again`, state, (draft) => {
      draft.topic.push(variant === 'a queue of its own' ? owner : 1)
      draft.knows.published = true
    })
  }
  if (knows.published && !row.copy) {
    yield step(`${owner} notes the copy`, state, (draft) => {
      draft.row.copy = true
    })
  }

  const { asker, grace } = knows
  if (asker === '') return
  if (busy.some((name) => name !== asker)) {
    yield step(`${owner} hears the holder, tells ${asker} to drop`, state, (draft) => {
      draft.row.copy = false
      draft.knows = { ...draft.knows, published: false, asker: '', grace: '' }
      if (!draft.knows.drained) draft.queues[1].push(`barrier ${owner} adopted`)
      tell(draft, asker, 'drop')
    })
    return
  }
  if (grace === '') {
    yield step(`${owner} heard of no holder; sends a barrier`, state, (draft) => {
      draft.knows.grace = 'over'
      draft.queues[1].push(`barrier ${owner} asked-${asker}`)
    })
  }
  if (grace === 'drained' || (grace === 'over' && variant === 'go without a barrier')) {
    if (!read) return
    const what = size.never ? 'gives the call up' : `lets ${asker} start`
    yield step(`${owner} ${what}`, state, (draft) => {
      draft.knows.asker = ''
      draft.knows.grace = ''
      if (size.never) draft.row.at = 'given up'
      tell(draft, asker, size.never ? 'drop' : 'go')
    })
  }
}

function* working(state: RepliesState, name: Worker): Generator<Step<RepliesState>> {
  const { at, to, told } = state.workers[name]
  const [copy] = state.topic
  if (at === 'idle' && copy !== undefined) {
    yield step(`${name} takes a doubtful copy`, state, (draft) => {
      draft.topic.shift()
      draft.workers[name] = { at: 'asks', to: copy, unacknowledged: true, told: '' }
    })
  }
  // What was forwarded to one who died is not waited for: it is asked again.
  const waits = (queue: Conductor): boolean =>
    (queue === 1 || state.living.includes(queue)) &&
    state.queues[queue].some((message) => message.endsWith(`ask of ${name}`))
  const asked = state.knows.asker === name || CONDUCTORS.some(waits)
  if (at === 'asks' && told === '' && !asked) {
    yield step(`${name} asks`, state, (draft) => {
      draft.queues[to].push(`ask of ${name}`)
    })
  }
  if (told !== '') {
    yield step(`${name} is told ${told}`, state, (draft) => {
      const worker = draft.workers[name]
      worker.told = ''
      worker.at = told === 'go' ? 'runs' : 'idle'
      if (told === 'go') draft.runs += 1
      else worker.unacknowledged = false
    })
  }
  if (at === 'runs') {
    yield step(`${name} ends, replies`, state, (draft) => {
      draft.queues[to].push('result')
      draft.workers[name] = { at: 'idle', to: 1, unacknowledged: false, told: '' }
    })
    if (state.left.channels > 0 && state.workers[name].unacknowledged) {
      yield step(`${name} loses its channel and runs on`, state, (draft) => {
        draft.left.channels -= 1
        draft.workers[name].unacknowledged = false
        draft.topic.unshift(to)
      })
    }
  }
}

function* changing(state: RepliesState): Generator<Step<RepliesState>> {
  const { owner, living, left } = state
  if (owner !== 0 && left.claims > 0) {
    yield step(`${owner} loses its claim and lives on`, state, (draft) => {
      draft.left.claims -= 1
      disown(draft)
    })
  }
  if (left.deaths > 0) {
    for (const name of living) {
      yield step(`${name} dies`, state, (draft) => {
        draft.left.deaths -= 1
        draft.living = living.filter((other) => other !== name)
        for (const queue of CONDUCTORS) {
          if (readerOf(state, queue) === name) draft.handled[queue] = false
        }
        if (draft.inMemory === name) draft.inMemory = 0
        if (owner === name) disown(draft)
      })
    }
  }
  if (owner === 0 && state.row.at === 'running') {
    for (const name of living) {
      yield step(`${name} adopts, sends a barrier`, state, (draft) => {
        draft.owner = name
        draft.queues[1].push(`barrier ${name} adopted`)
      })
    }
  }
}

function disown(draft: RepliesState): void {
  draft.owner = 0
  draft.knows = { ...ADOPTED }
}
