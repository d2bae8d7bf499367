/**
 * Rule: the lease (boards in SQL). One lease a conductor, renewed; who sleeps past it is taken for dead, and may wake.
 *
 * L1  A lease belongs to one incarnation of a conductor: who starts again goes on under a new id. So does who finds that its
 *     lease ran out; or it renews it, and keeps what it held until a commit is refused, or gives all of it back.
 * L2  The reaper takes jobs whose owner has no lease that stands, be it run out or gone: claimable again, posting + 1, owner
 *     cleared.
 * L3  A claim raises the epoch, in the statement that claims.
 * L4  The statement that commits checks (epoch, owner). Nothing that a conductor knows of its own lease stands for that.
 * L5  A conductor begins no commit when its lease may be over by its own clock. That saves work; L4 is the safety.
 *
 * One job that needs two commits, conductors A and B. Any of them may stand still at any point for any time, which is simply
 * that it takes no step while others do. A lease stands, renewed now and then, until it runs out.
 */
import { step, type Model, type Step } from './search.ts'

export type LeaseVariant =
  | 'rule'
  /** A lease that ran out is renewed, what is held is kept, and the commit tells. */
  | 'renewed and kept'
  /** A lease that ran out is renewed, what was held is dropped and given back in SQL, tried until it is done. */
  | 'renewed and given back'
  /** Claiming what was reaped leaves the epoch as it is, and only the epoch is checked (no L3). */
  | 'same epoch'
  /** The conductor looks at its own clock; the commit checks nothing (no L4). */
  | 'own clock alone'
  /** The lease is the host's: whoever starts again under its name renews it (no L1). */
  | 'lease by name'
  /** The reaper goes by the leases that ran out, and removes them; it does not look for jobs without one (no L2). */
  | 'leases reaped, not jobs'
  /** A lease that ran out is renewed, and what was claimed under it is dropped, not given back (no L1). */
  | 'renewed and forgotten'

const NAMES = ['A', 'B'] as const
type Name = (typeof NAMES)[number]
const COMMITS = 2

interface Conductor {
  /** Counts its incarnations. */
  incarnation: number
  at: 'idle' | 'claims' | 'owner' | 'sends'
  epoch: number
  known: number
  /** Epoch of the claim that it is giving back; 0: none. */
  givesBack: number
}

export interface LeaseState {
  job: {
    state: 'UNCLAIMED' | 'CLAIMED' | 'COMPLETE'
    posting: number
    epoch: number
    /** Lease under which it is claimed. */
    owner: string | null
    commits: number
  }
  leases: Record<string, 'stands' | 'ran out'>
  conductors: Record<Name, Conductor>
  /** A lease that the reaper saw run out, and has not acted on yet. */
  reaperSaw: string | null
  left: { expiries: number; deaths: number }
  damage: string | null
}

export function lease(
  variant: LeaseVariant,
  left: LeaseState['left'] = { expiries: 2, deaths: 1 },
): Model<LeaseState> {
  const idle: Conductor = { incarnation: 1, at: 'idle', epoch: 0, known: 0, givesBack: 0 }
  const initial: LeaseState = {
    job: { state: 'UNCLAIMED', posting: 1, epoch: 0, owner: null, commits: 0 },
    leases: {},
    conductors: { A: { ...idle }, B: { ...idle } },
    reaperSaw: null,
    left: { ...left },
    damage: null,
  }
  for (const name of NAMES) initial.leases[leaseOf(initial, name, variant)] = 'stands'
  return {
    initial,
    *steps(state) {
      for (const name of NAMES) {
        yield* living(state, name, variant)
        yield* working(state, name, variant)
      }
      yield* timePassing(state, variant)
      yield* reaping(state, variant)
    },
    broken: (state) => {
      const { job, conductors, leases } = state
      for (const name of NAMES) {
        const own = leaseOf(state, name, variant)
        const { at, givesBack } = conductors[name]
        const forgot = at === 'idle' && job.owner === own && givesBack !== job.epoch
        if (forgot && leases[own] === 'stands') return `${own} renews the lease of a job it forgot`
      }
      return state.damage
    },
    goal: ({ job }) => job.state === 'COMPLETE',
  }
}

function leaseOf({ conductors }: LeaseState, name: Name, variant: LeaseVariant): string {
  return variant === 'lease by name' ? name : `${name}${conductors[name].incarnation}`
}

/** Finding, when it should be renewed, that a lease ran out; dying and starting again. */
function* living(
  state: LeaseState,
  name: Name,
  variant: LeaseVariant,
): Generator<Step<LeaseState>> {
  const own = leaseOf(state, name, variant)
  const stands = state.leases[own]
  if (stands === undefined || stands === 'ran out') {
    if (variant.startsWith('renewed')) {
      const forgets = variant !== 'renewed and kept'
      yield step(
        `${own} finds its lease run out, renews it${forgets ? ', drops what it held' : ''}`,
        state,
        (draft) => {
          const { at, epoch } = draft.conductors[name]
          draft.leases[own] = 'stands'
          if (!forgets) return
          forget(draft, name)
          const gives = variant === 'renewed and given back' && at !== 'idle' && at !== 'claims'
          if (gives) draft.conductors[name].givesBack = epoch
        },
      )
    } else {
      yield step(`${own} finds its lease run out`, state, (draft) =>
        startAgain(draft, name, variant),
      )
    }
  }
  if (state.left.deaths > 0) {
    yield step(`${own} dies and starts again`, state, (draft) => {
      draft.left.deaths -= 1
      startAgain(draft, name, variant)
    })
  }
}

function startAgain(draft: LeaseState, name: Name, variant: LeaseVariant): void {
  forget(draft, name)
  draft.conductors[name].incarnation += 1
  draft.conductors[name].givesBack = 0
  draft.leases[leaseOf(draft, name, variant)] = 'stands'
}

function forget(draft: LeaseState, name: Name): void {
  Object.assign(draft.conductors[name], { at: 'idle', epoch: 0, known: 0 })
}

function* working(
  state: LeaseState,
  name: Name,
  variant: LeaseVariant,
): Generator<Step<LeaseState>> {
  const { job } = state
  const { at, epoch, known, givesBack } = state.conductors[name]
  const own = leaseOf(state, name, variant)
  if (givesBack > 0) {
    const fits = job.epoch === givesBack && job.owner === own
    yield step(`${own} gives epoch ${givesBack} back${fits ? '' : ': fenced'}`, state, (draft) => {
      draft.conductors[name].givesBack = 0
      if (!fits) return
      Object.assign(draft.job, { state: 'UNCLAIMED', posting: job.posting + 1, owner: null })
    })
  }
  // It looks at its own clock here, and may stand still between this step and the next; so it does when it commits.
  if (at === 'idle' && job.state === 'UNCLAIMED' && state.leases[own] === 'stands') {
    yield step(`${own} sends a claim`, state, (draft) => {
      draft.conductors[name].at = 'claims'
    })
  }
  if (at === 'claims' && job.state !== 'UNCLAIMED') {
    yield step(`${own} claims nothing`, state, (draft) => forget(draft, name))
  }
  if (at === 'claims' && job.state === 'UNCLAIMED') {
    const raises = variant !== 'same epoch' || job.epoch === 0
    const next = job.epoch + (raises ? 1 : 0)
    yield step(`${own} claims posting ${job.posting} with epoch ${next}`, state, (draft) => {
      Object.assign(draft.job, { state: 'CLAIMED', epoch: next, owner: own })
      Object.assign(draft.conductors[name], { at: 'owner', epoch: next, known: job.commits })
    })
  }
  if (at === 'owner' && state.leases[own] === 'stands') {
    yield step(`${own} sends commit ${known + 1}`, state, (draft) => {
      draft.conductors[name].at = 'sends'
    })
  }
  if (at !== 'sends') return
  if (passes(state, own, epoch, variant)) {
    yield step(`SQL stores commit ${known + 1} of ${own}`, state, (draft) => {
      if (job.owner && job.owner !== own) draft.damage = `${own} wrote to a job of ${job.owner}`
      else if (job.commits !== known) draft.damage = `${own} wrote over a commit it did not know`
      draft.job.commits = known + 1
      const ends = draft.job.commits === COMMITS
      if (ends) Object.assign(draft.job, { state: 'COMPLETE', owner: null })
      if (ends) forget(draft, name)
      else Object.assign(draft.conductors[name], { at: 'owner', known: known + 1 })
    })
  } else {
    yield step(`SQL refuses ${own}: fenced`, state, (draft) => forget(draft, name))
  }
}

function passes({ job }: LeaseState, own: string, epoch: number, variant: LeaseVariant): boolean {
  if (variant === 'own clock alone') return true
  if (variant === 'same epoch') return job.epoch === epoch
  return job.epoch === epoch && job.owner === own
}

function* timePassing(state: LeaseState, variant: LeaseVariant): Generator<Step<LeaseState>> {
  const living = NAMES.map((name) => leaseOf(state, name, variant))
  for (const [id, stands] of Object.entries(state.leases)) {
    // A lease that nobody renews runs out, always; that of a living conductor only so often.
    const alive = living.includes(id)
    if (stands !== 'stands' || (alive && state.left.expiries === 0)) continue
    yield step(`the lease of ${id} runs out`, state, (draft) => {
      draft.leases[id] = 'ran out'
      if (alive) draft.left.expiries -= 1
    })
  }
}

/** Looks, then acts: what it saw may be renewed meanwhile, where leases that ran out are renewed. */
function* reaping(state: LeaseState, variant: LeaseVariant): Generator<Step<LeaseState>> {
  const { reaperSaw, job, leases } = state
  const byLease = variant === 'leases reaped, not jobs'
  if (reaperSaw === null) {
    const owners = byLease ? Object.keys(leases) : job.owner ? [job.owner] : []
    for (const id of owners) {
      const gone = leases[id] !== 'stands'
      if (gone) {
        yield step(`the reaper sees that the lease of ${id} ran out`, state, (draft) => {
          draft.reaperSaw = id
        })
      }
    }
    return
  }
  const takes = job.state === 'CLAIMED' && job.owner === reaperSaw
  const told = takes ? `makes the job of ${reaperSaw} claimable` : `finds no job of ${reaperSaw}`
  yield step(`the reaper ${told}`, state, (draft) => {
    draft.reaperSaw = null
    if (draft.leases[reaperSaw] === 'ran out') delete draft.leases[reaperSaw]
    if (!takes) return
    Object.assign(draft.job, { state: 'UNCLAIMED', posting: job.posting + 1, owner: null })
  })
}
