/**
 * Rule: posting under a key. Several posters post the same job, some repeat, some die half-way, one means another job.
 *
 * K1  (board, key) is unique in SQL, and the job is inserted in one transaction; a poster that finds the key reads the row.
 * K2  The same content is the same job; other content is a conflict. The answer comes after the commit.
 * K3  The board node's name follows from the job, so that creating it twice creates one; "it is there" means done.
 * K4  A job that SQL has and the board has not is posted by whoever notices.
 *
 * P and Q post content x, R posts content y, all with one key. Each insert is a transaction that may be answered, not
 * answered, or rolled back; while it is open, others that insert the same key wait for its end.
 */
import { step, type Model, type Step } from './search.ts'

export type PostKeyVariant =
  | 'rule'
  /** Looking for the key and inserting are two statements, and nothing makes the key unique (no K1). */
  | 'no unique key'
  /** Whoever uses the key gets its job (no K2). */
  | 'content not compared'
  /** Each creation makes a node with the next number (no K3). */
  | 'numbered nodes'
  /** Only its poster puts a job on the board (no K4). Posters that died do not come back. */
  | 'nobody else posts'

const NAMES = ['P', 'Q', 'R'] as const
type Name = (typeof NAMES)[number]
type Content = 'x' | 'y'
const CONTENT: Readonly<Record<Name, Content>> = { P: 'x', Q: 'x', R: 'y' }

interface Poster {
  at: 'posts' | 'saw no key' | 'waits for commit' | 'creates' | 'answered' | 'gone'
  /** Id of the job that it is told of, or `conflict`. */
  job: string
}

export interface PostKeyState {
  /** Committed rows of this key. */
  jobs: { id: string; content: Content; state: 'POSTING' | 'UNCLAIMED' | 'COMPLETE' }[]
  /** Transactions that have inserted and not ended. */
  open: Partial<Record<Name, true>>
  nodes: string[]
  numbered: number
  posters: Record<Name, Poster>
  left: { deaths: number; lostReplies: number }
}

export function postKey(variant: PostKeyVariant): Model<PostKeyState> {
  return {
    initial: {
      jobs: [],
      open: {},
      nodes: [],
      numbered: 0,
      posters: {
        P: { at: 'posts', job: '' },
        Q: { at: 'posts', job: '' },
        R: { at: 'posts', job: '' },
      },
      left: { deaths: 1, lostReplies: 2 },
    },
    *steps(state) {
      for (const name of NAMES) {
        yield* inserting(state, name, variant)
        yield* committing(state, name)
        yield* creating(state, name, variant)
        yield* dying(state, name, variant)
      }
      yield* theRest(state, variant)
    },
    broken,
    goal: ({ jobs, nodes, open, posters }) =>
      jobs.every((job) => job.state === 'COMPLETE') &&
      nodes.length + Object.keys(open).length === 0 &&
      NAMES.every((name) => posters[name].at === 'answered' || posters[name].at === 'gone'),
  }
}

function broken({ jobs, nodes, posters }: PostKeyState): string | null {
  if (jobs.length > 1) return 'two jobs for one key'
  if (nodes.length > 1) return `two nodes for one job: ${nodes.join(' and ')}`
  const [job] = jobs
  for (const name of NAMES) {
    const { at, job: told } = posters[name]
    if (at !== 'answered') continue
    if (!job) return `${name} was answered, and there is no job`
    if (told === 'conflict' && job.content === CONTENT[name])
      return `${name} was refused its own job`
    if (told !== 'conflict' && told !== job.id) return `${name} was told of a job that is not there`
    if (told === job.id && job.content !== CONTENT[name]) {
      return `${name} was given a job of other content`
    }
  }
  return null
}

function* inserting(
  state: PostKeyState,
  name: Name,
  variant: PostKeyVariant,
): Generator<Step<PostKeyState>> {
  const { at } = state.posters[name]
  const unique = variant !== 'no unique key'
  const [job] = state.jobs
  // An open insert of the same key is waited for; it may be one's own that one gave up on.
  const blocked = unique && Object.keys(state.open).length > 0
  if (at === 'posts' && !blocked) {
    if (job) {
      const same = variant === 'content not compared' || job.content === CONTENT[name]
      yield step(`${name} finds ${job.id}: ${same ? 'the same' : 'a conflict'}`, state, (draft) => {
        draft.posters[name] = same
          ? { at: 'creates', job: job.id }
          : { at: 'answered', job: 'conflict' }
      })
    } else if (unique) {
      yield step(`${name} inserts its job`, state, (draft) => insert(draft, name))
    } else {
      yield step(`${name} finds no job`, state, (draft) => {
        draft.posters[name].at = 'saw no key'
      })
    }
  }
  if (at === 'saw no key' && !state.open[name]) {
    yield step(`${name} inserts its job`, state, (draft) => insert(draft, name))
  }
}

function insert(draft: PostKeyState, name: Name): void {
  draft.open[name] = true
  draft.posters[name] = { at: 'waits for commit', job: '' }
}

function* committing(state: PostKeyState, name: Name): Generator<Step<PostKeyState>> {
  const { at } = state.posters[name]
  const id = `job-${name}`
  if (state.open[name]) {
    yield step(`SQL commits the job of ${name}`, state, (draft) => {
      delete draft.open[name]
      draft.jobs.push({ id, content: CONTENT[name], state: 'POSTING' })
    })
    yield step(`SQL rolls back the job of ${name}`, state, (draft) => {
      delete draft.open[name]
      if (at === 'waits for commit') draft.posters[name] = { at: 'posts', job: '' }
    })
  }
  if (at === 'waits for commit' && state.jobs.some((job) => job.id === id)) {
    yield step(`${name} hears of its commit`, state, (draft) => {
      draft.posters[name] = { at: 'creates', job: id }
    })
  }
  if (at === 'waits for commit' && state.left.lostReplies > 0) {
    yield step(`${name} hears nothing of its commit and posts again`, state, (draft) => {
      draft.left.lostReplies -= 1
      draft.posters[name] = { at: 'posts', job: '' }
    })
  }
}

function* creating(
  state: PostKeyState,
  name: Name,
  variant: PostKeyVariant,
): Generator<Step<PostKeyState>> {
  const { at, job } = state.posters[name]
  if (at !== 'creates') return
  yield step(`${name} creates the node and is answered`, state, (draft) => {
    create(draft, job, variant)
    draft.posters[name].at = 'answered'
  })
  if (state.left.lostReplies > 0) {
    yield step(`${name} creates the node, hears nothing, will do it again`, state, (draft) => {
      draft.left.lostReplies -= 1
      create(draft, job, variant)
    })
  }
}

function create(draft: PostKeyState, id: string, variant: PostKeyVariant): void {
  const numbered = variant === 'numbered nodes'
  if (numbered) draft.numbered += 1
  const node = numbered ? `${id}-${draft.numbered}` : `${id}.1`
  if (!draft.nodes.includes(node)) draft.nodes.push(node)
  const job = draft.jobs.find((row) => row.id === id)
  if (job?.state === 'POSTING') job.state = 'UNCLAIMED'
}

/** A poster dies; its caller posts again, or never does. A transaction that it left open ends by itself. */
function* dying(
  state: PostKeyState,
  name: Name,
  variant: PostKeyVariant,
): Generator<Step<PostKeyState>> {
  const { at } = state.posters[name]
  if (at === 'answered' || at === 'gone' || state.left.deaths === 0) return
  const die = (becomes: 'posts' | 'gone') => (draft: PostKeyState) => {
    draft.left.deaths -= 1
    draft.posters[name] = { at: becomes, job: '' }
  }
  yield step(`${name} dies for good`, state, die('gone'))
  if (variant !== 'nobody else posts') {
    yield step(`${name} dies, and its caller posts again`, state, die('posts'))
  }
}

/** The promoter notices what is missing on the board; conductors work on what is there and clean up what has ended. */
function* theRest(state: PostKeyState, variant: PostKeyVariant): Generator<Step<PostKeyState>> {
  for (const { id, state: jobState } of state.jobs) {
    if (jobState === 'POSTING' && variant !== 'nobody else posts') {
      yield step(`the promoter creates the node of ${id}`, state, (draft) => {
        create(draft, id, variant)
      })
    }
  }
  for (const node of state.nodes) {
    const job = state.jobs.find(({ id }) => node.startsWith(id))
    const over = job?.state === 'COMPLETE'
    const told = over ? `finds ${node} ended and removes it` : `works on ${node} to its end`
    yield step(`a conductor ${told}`, state, (draft) => {
      draft.nodes = draft.nodes.filter((other) => other !== node)
      for (const row of draft.jobs) if (row.id === job?.id) row.state = 'COMPLETE'
    })
  }
}
