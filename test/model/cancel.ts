/**
 * Rule: cancel. A call is given up, by an operator or because a sibling failed, while its copy lies in a queue, with a worker, or
 * runs. Does it end, and does no body start, or still run, when it has ended?
 *
 * C1  A call with no holder is settled as cancelled when an ask period and a margin have passed since this owner published or
 *     adopted it: by then every copy that was not started is old, and who started one has said `running`.
 * C2  Whether a copy is old is looked at when it is to be started, not when it is delivered. An old one is asked about.
 * C3  An ask about a call that is settled, or is to be cancelled, is answered `drop`.
 * C4  A holder, which said `running` or was told `go`, is told to abort, and its reply settles the call.
 * C5  A holder that says nothing for the silence is none, whether its connection lives or not.
 *
 * Time is one event, `an ask period passes`. Conductors and workers die, a channel is lost.
 */
import { step, type Model, type Step } from './search.ts'

export type CancelVariant =
  | 'rule'
  /** What nobody reported is cancelled at once (no C1). */
  | 'settled at once'
  /** An owner that adopted a call takes its copies for old (half of C1). */
  | 'adopted means old'
  /** Age is looked at when a copy is delivered (half of C2). */
  | 'age at delivery'
  /** Old copies are started like young ones (no C2). */
  | 'old ones are started'
  /** Only who said `running` is a holder (half of C4). */
  | 'told go is no holder'
  /** The abort is repeated until it is answered, or its worker's connection is gone (no C5). */
  | 'abort until answered'

const WORKERS = ['a', 'b'] as const
type Name = (typeof WORKERS)[number]
type Copy = 'young' | 'doubtful'

interface Worker {
  at: 'idle' | 'holds' | 'asks' | 'runs'
  /** It has not acknowledged its copy. */
  bound: boolean
  told: '' | 'go' | 'drop' | 'abort'
}

export interface CancelState {
  row: 'running' | 'done' | 'cancelled'
  wanted: boolean
  owner: { at: 'none' | 'owns'; waited: boolean; believed: Name | ''; asked: Name[] }
  topic: Copy[]
  replies: string[]
  workers: Record<Name, Worker>
  deadWorkers: Name[]
  left: { conductors: number; workers: number; channels: number }
  damage: string | null
}

const IDLE: Worker = { at: 'idle', bound: false, told: '' }

export function cancel(variant: CancelVariant): Model<CancelState> {
  return {
    initial: {
      row: 'running',
      wanted: false,
      owner: { at: 'owns', waited: false, believed: '', asked: [] },
      topic: ['young'],
      replies: [],
      workers: { a: { ...IDLE }, b: { ...IDLE } },
      deadWorkers: [],
      left: { conductors: 1, workers: 1, channels: 1 },
      damage: null,
    },
    *steps(state) {
      if (!state.wanted) {
        yield step('the call is to be cancelled', state, (draft) => {
          draft.wanted = true
        })
      }
      if (state.owner.at === 'owns') yield* owning(state, variant)
      for (const name of WORKERS) yield* working(state, name, variant)
      yield* failing(state, variant)
    },
    broken: ({ damage }) => damage,
    goal: ({ row, wanted }) => row !== 'running' || !wanted,
  }
}

/** It would say `running` before the silence is over, or will, when what is on its way reaches it. */
const speaks = ({ workers }: CancelState, name: Name): boolean =>
  workers[name].at === 'runs' || (workers[name].at === 'asks' && workers[name].told === 'go')

function* owning(state: CancelState, variant: CancelVariant): Generator<Step<CancelState>> {
  const { owner, row, wanted, workers, replies } = state
  const [message] = replies
  if (message !== undefined) {
    yield step(`owner: reads ${message}`, state, (draft) => {
      draft.replies.shift()
      if (message === 'reply' && draft.row === 'running') draft.row = 'done'
      for (const name of WORKERS) {
        if (message === `ask of ${name}`) draft.owner.asked = [name]
      }
    })
  }
  for (const name of WORKERS) {
    const { at } = workers[name]
    if (owner.believed !== name && at === 'runs') {
      yield step(`owner: hears that ${name} runs it`, state, (draft) => {
        draft.owner.believed = name
      })
    }
    if (!owner.asked.includes(name)) continue
    const drops = row !== 'running' || wanted
    const holder = WORKERS.find((other) => other !== name && speaks(state, other))
    const answer = drops || holder ? 'drop' : 'go'
    yield step(`owner: tells ${name} ${answer}`, state, (draft) => {
      draft.owner.asked = []
      if (at === 'asks') draft.workers[name].told = answer
      if (answer === 'go' && variant !== 'told go is no holder') draft.owner.believed = name
    })
  }
  if (!wanted || row !== 'running') return

  const { believed } = owner
  if (believed === '') {
    const alone = replies.length === 0 && WORKERS.every((name) => workers[name].at !== 'runs')
    if (variant === 'settled at once' || (owner.waited && alone)) {
      yield step('owner: settles it as cancelled', state, (draft) => {
        draft.row = 'cancelled'
        const runner = WORKERS.find((name) => workers[name].at === 'runs')
        if (runner !== undefined) draft.damage = `cancelled, and ${runner} runs it`
      })
    }
    return
  }
  if (speaks(state, believed) && workers[believed].told === '') {
    yield step(`owner: tells ${believed} to abort`, state, (draft) => {
      draft.workers[believed].told = 'abort'
    })
  }
  const gone = variant !== 'abort until answered' || state.deadWorkers.includes(believed)
  if (!speaks(state, believed) && replies.length === 0 && gone) {
    yield step(`owner: ${believed} says nothing: it holds no more`, state, (draft) => {
      draft.owner.believed = ''
    })
  }
}

function* working(
  state: CancelState,
  name: Name,
  variant: CancelVariant,
): Generator<Step<CancelState>> {
  const { at, told } = state.workers[name]
  const [copy] = state.topic
  if (at === 'idle' && copy !== undefined) {
    yield step(`${name}: takes a ${copy} copy`, state, (draft) => {
      draft.topic.shift()
      const asks = copy !== 'young' && variant !== 'old ones are started'
      draft.workers[name] = { at: asks ? 'asks' : 'holds', bound: true, told: '' }
    })
  }
  if (at === 'holds') {
    yield step(`${name}: starts`, state, (draft) => {
      start(draft, name)
    })
  }
  const asked =
    state.owner.asked.includes(name) || state.replies.some((text) => text === `ask of ${name}`)
  if (at === 'asks' && told === '' && !asked) {
    yield step(`${name}: asks`, state, (draft) => {
      draft.replies.push(`ask of ${name}`)
    })
  }
  if (told !== '') {
    yield step(`${name}: is told ${told}`, state, (draft) => {
      draft.workers[name].told = ''
      if (at === 'asks' && told === 'go') start(draft, name)
      if (at === 'asks' && told === 'drop') draft.workers[name] = { ...IDLE }
      if (at === 'runs' && told === 'abort') end(draft, name)
    })
  }
  if (at === 'runs') {
    yield step(`${name}: ends, replies`, state, (draft) => {
      end(draft, name)
    })
  }
}

function start(draft: CancelState, name: Name): void {
  draft.workers[name].at = 'runs'
  draft.workers[name].told = ''
  if (draft.row === 'cancelled') draft.damage = `${name} starts what was cancelled`
}

function end(draft: CancelState, name: Name): void {
  draft.replies.push('reply')
  draft.workers[name] = { ...IDLE }
}

function* failing(state: CancelState, variant: CancelVariant): Generator<Step<CancelState>> {
  const { owner, left, workers } = state
  // Long enough for what is on its way: a worker that started has been heard by then, and what was told has arrived.
  const underWay = WORKERS.some((name) => workers[name].told !== '')
  if (!underWay) {
    yield step('an ask period passes', state, (draft) => {
      draft.topic = draft.topic.map(() => 'doubtful')
      for (const name of WORKERS) {
        const worker = draft.workers[name]
        const looks = variant !== 'age at delivery' && variant !== 'old ones are started'
        if (worker.at === 'holds' && looks) worker.at = 'asks'
      }
      if (draft.owner.at === 'owns') draft.owner.waited = true
    })
  }
  if (owner.at === 'owns' && left.conductors > 0) {
    yield step('the owner dies', state, (draft) => {
      draft.left.conductors -= 1
      draft.owner = { at: 'none', waited: false, believed: '', asked: [] }
    })
  }
  if (owner.at === 'none') {
    yield step('another conductor adopts', state, (draft) => {
      draft.owner.at = 'owns'
      if (variant === 'adopted means old') draft.owner.waited = true
    })
  }
  for (const name of WORKERS) {
    const { at, bound } = workers[name]
    if (at !== 'idle' && left.workers > 0) {
      yield step(`${name} dies`, state, (draft) => {
        draft.left.workers -= 1
        draft.deadWorkers.push(name)
        if (bound) draft.topic.unshift('doubtful')
        draft.workers[name] = { ...IDLE }
      })
    }
    if (bound && left.channels > 0) {
      yield step(`${name} loses its channel`, state, (draft) => {
        draft.left.channels -= 1
        draft.topic.unshift('doubtful')
        const worker = draft.workers[name]
        worker.bound = false
        if (worker.at !== 'runs') worker.at = 'idle'
      })
    }
  }
}
