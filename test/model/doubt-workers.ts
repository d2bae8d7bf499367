/** The other side of `doubt.ts`: workers, and what may go wrong with them, their owners and the broker. */
import {
  IDLE,
  isYoung,
  NOTHING,
  other,
  sendBarrier,
  WORKERS,
  type DoubtState,
  type DoubtVariant,
  type Name,
} from './doubt-state.ts'
import { step, type Step } from './search.ts'

export function* working(
  state: DoubtState,
  name: Name,
  variant: DoubtVariant,
): Generator<Step<DoubtState>> {
  const { at, copies, told, keeps } = state.workers[name]
  const [next] = state.topic
  const twin = state.workers[other(name)]
  const same = name === 'b' && JSON.stringify(twin) === JSON.stringify(state.workers[name])
  // Two workers that are alike and unknown to the owner: it is enough to look at one of them.
  if (next !== undefined && !(same && state.owner.believed === '')) {
    yield step(`${name}: takes a copy: ${next}`, state, (draft) => {
      draft.topic.shift()
      const worker = draft.workers[name]
      if (at === 'idle' && keeps) {
        if (variant !== 'acknowledged in silence') draft.replies.push('result')
        return
      }
      worker.copies.push(next)
      if (at !== 'idle') return
      if (variant === 'not asked') start(draft, name)
      else worker.at = next === 'young' ? 'holds' : 'asks'
    })
  }
  if (keeps) {
    yield step(`${name}: forgets what it replied`, state, (draft) => {
      draft.workers[name].keeps = false
    })
  }
  if (at === 'holds') {
    yield step(`${name}: starts`, state, (draft) => {
      start(draft, name)
    })
  }
  if (at === 'asks' && told === '' && !isAsked(state, name)) {
    yield step(`${name}: asks`, state, (draft) => {
      draft.replies.push(`ask of ${name}`)
    })
  }
  if (told !== '') {
    yield step(`${name}: is told ${told}`, state, (draft) => {
      const worker = draft.workers[name]
      worker.told = ''
      if (at !== 'asks') return
      if (told === 'go') start(draft, name)
      else draft.workers[name] = { ...IDLE, copies: [] }
    })
  }
  if (at === 'runs') {
    yield step(`${name}: ends the body`, state, (draft) => {
      draft.workers[name].at = 'ended'
    })
  }
  if (at === 'ended') {
    yield step(`${name}: replies, acknowledges ${copies.length} copies`, state, (draft) => {
      draft.replies.push('result')
      draft.workers[name] = { ...IDLE, copies: [], keeps: true }
    })
  }
}

const isAsked = ({ replies, owner }: DoubtState, name: Name): boolean =>
  replies.includes(`ask of ${name}`) || owner.asked.includes(name)

function start(draft: DoubtState, name: Name): void {
  draft.workers[name].at = 'runs'
  draft.workers[name].told = ''
  draft.runs += 1
}

export function* failing(state: DoubtState): Generator<Step<DoubtState>> {
  const { left, workers, owner } = state
  if (isYoung(state)) {
    yield step('the first copy grows old', state, (draft) => {
      draft.topic = draft.topic.map((copy) => (copy === 'young' ? 'old' : copy))
      for (const name of WORKERS) {
        const worker = draft.workers[name]
        if (worker.at !== 'holds') continue
        worker.at = 'asks'
        worker.copies = worker.copies.map((copy) => (copy === 'young' ? 'old' : copy))
      }
    })
  }
  if (owner.at === 'owns' && left.conductors > 0) {
    yield step('the owner dies', state, (draft) => {
      draft.left.conductors -= 1
      draft.replies = draft.replies.filter((message) => message !== 'barrier')
      draft.owner = { at: 'none', ...NOTHING, asked: [] }
    })
  }
  if (owner.at === 'none') {
    yield step('another conductor adopts, sends a barrier', state, (draft) => {
      draft.owner.at = 'owns'
      draft.owner.adopted = draft.row.at === 'running'
      sendBarrier(draft)
    })
  }
  if (left.wipes > 0) {
    yield step('the broker is wiped; its epoch is raised', state, (draft) => {
      draft.left.wipes -= 1
      draft.excuses += 1
      draft.epoch += 1
      draft.topic = []
      draft.replies = []
      draft.owner.barrier = false
      if (draft.owner.at === 'owns') sendBarrier(draft)
      for (const name of WORKERS) forget(draft, name)
    })
  }
  for (const name of WORKERS) {
    const { at, copies } = workers[name]
    if (at === 'idle') continue
    if (left.workers > 0) {
      yield step(`${name} dies; its copies are delivered again`, state, (draft) => {
        draft.left.workers -= 1
        draft.excuses += 1
        draft.topic.unshift(...copies.map(() => 'again' as const))
        draft.workers[name] = { ...IDLE, copies: [] }
      })
    }
    if (left.channels > 0 && copies.length > 0) {
      yield step(`${name} loses its channel; its copies are delivered again`, state, (draft) => {
        draft.left.channels -= 1
        draft.topic.unshift(...copies.map(() => 'again' as const))
        forget(draft, name, true)
      })
    }
  }
}

/** Its copies are gone; what runs goes on. Its control queue lives on if only a channel was lost. */
function forget(draft: DoubtState, name: Name, keepsControl = false): void {
  const worker = draft.workers[name]
  worker.copies = []
  if (!keepsControl) worker.told = ''
  if (worker.at === 'holds' || worker.at === 'asks') worker.at = 'idle'
}
