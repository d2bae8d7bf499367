/**
 * Rule: probation. One flow kills each conductor that loads it; the innocent ones beside it must not pay for it.
 *
 * Q1  A claim that ends in disorder marks its job (`disorder`). A marked job is on probation the next time: `probation` is
 *     committed before anything of it is loaded. It has passed with its first commit (with its first answer, where its calls
 *     run in the conductor's process); that clears both marks.
 * Q2  It is alone meanwhile: no other flow of that conductor moves, none is loaded, takes a step or runs in its process.
 * Q3  Only a death in probation counts, and only for the flow that is on probation.
 * Q4  A job with N deaths in probation is trashed.
 *
 * Three jobs: P is the poison, X and Y are innocent. Two conductors; each death marks what its conductor had claimed. Conductors
 * are also killed from outside.
 */
import { step, type Model, type Step } from './search.ts'

export type ProbationVariant =
  | 'rule'
  /** Every disorderly end of a claim counts (no Q3). */
  | 'every death counts'
  /** Other flows go on while one is on probation (no Q2). */
  | 'not alone'
  /** Other flows may not be loaded meanwhile, but those that are loaded go on (half of Q2). */
  | 'loaded alone, beside running ones'
  /** Probation is marked after the load (no Q1). */
  | 'marked after the load'
  /** Faster: flows with equally many deaths are on probation together, but for the death that would trash them. */
  | 'in groups, the last time alone'
  /** Milder: who has passed begins at no deaths again. */
  | 'forgotten when passed'

export interface ProbationOptions {
  /** When the poison kills: before it has passed its probation, or only after that. */
  readonly poison: 'early' | 'late'
  /** Conductors killed from outside. */
  readonly kills: number
  /** N of Q4. */
  readonly maxDeaths: number
}

const JOBS = ['P', 'X', 'Y'] as const
type JobName = (typeof JOBS)[number]
const CONDUCTORS = ['A', 'B'] as const
type Conductor = (typeof CONDUCTORS)[number]

interface Job {
  state: 'UNCLAIMED' | 'CLAIMED' | 'COMPLETE' | 'TRASHED'
  owner: Conductor | null
  loaded: 'no' | 'loading' | 'yes'
  disorder: boolean
  probation: boolean
  deaths: number
  /** Whether it has passed a probation since the first of these deaths. */
  passed: boolean
}

export interface ProbationState {
  jobs: Record<JobName, Job>
  dead: Record<Conductor, boolean>
  /** Conductors that an early poison killed. */
  killed: number
  left: { kills: number }
}

export function probation(
  variant: ProbationVariant,
  options: ProbationOptions,
): Model<ProbationState> {
  const { poison, maxDeaths } = options
  const job: Job = {
    state: 'UNCLAIMED',
    owner: null,
    loaded: 'no',
    disorder: false,
    probation: false,
    deaths: 0,
    passed: false,
  }
  return {
    initial: {
      jobs: { P: { ...job }, X: { ...job }, Y: { ...job } },
      dead: { A: false, B: false },
      killed: 0,
      left: { kills: options.kills },
    },
    *steps(state) {
      for (const conductor of CONDUCTORS) {
        if (state.dead[conductor]) yield reaping(state, conductor, variant, maxDeaths)
        else {
          for (const name of JOBS) yield* working(state, conductor, name, variant, options)
          yield* beingKilled(state, conductor)
        }
      }
    },
    broken: ({ jobs, killed }) => {
      for (const name of ['X', 'Y'] as const) {
        const { state, passed } = jobs[name]
        const told = passed ? 'has passed a probation' : 'is innocent'
        if (state === 'TRASHED') return `${name} was trashed, and it ${told}`
      }
      // Once unmarked, then in probation.
      if (killed > maxDeaths + 1) return `the poison has killed ${killed} conductors`
      return null
    },
    goal: ({ jobs }) =>
      jobs.X.state === 'COMPLETE' &&
      jobs.Y.state === 'COMPLETE' &&
      (jobs.P.state === 'TRASHED' || poison === 'late'),
  }
}

function* working(
  state: ProbationState,
  conductor: Conductor,
  name: JobName,
  variant: ProbationVariant,
  { poison, maxDeaths }: ProbationOptions,
): Generator<Step<ProbationState>> {
  const job = state.jobs[name]
  if (heldStill(state, conductor, name, variant, maxDeaths)) return
  if (job.state === 'UNCLAIMED') {
    const marked = job.disorder && variant !== 'marked after the load'
    yield step(`${conductor} claims ${name}${marked ? ' on probation' : ''}`, state, (draft) => {
      Object.assign(draft.jobs[name], {
        state: 'CLAIMED',
        owner: conductor,
        loaded: 'loading',
        probation: marked,
      })
    })
  }
  if (job.state !== 'CLAIMED' || job.owner !== conductor) return

  const kills = name === 'P' && job.loaded === (poison === 'early' ? 'loading' : 'yes')
  if (kills) {
    const when = poison === 'early' ? 'before it has passed' : 'later'
    yield step(`P kills ${conductor} ${when}`, state, (draft) => {
      draft.dead[conductor] = true
      if (poison === 'early') draft.killed += 1
    })
  } else if (job.loaded === 'loading') {
    if (variant === 'marked after the load' && job.disorder && !job.probation) {
      yield step(`${conductor} has loaded ${name} and marks its probation`, state, (draft) => {
        draft.jobs[name].probation = true
      })
    } else {
      const passes = job.disorder ? 'passes its probation' : 'is loaded'
      yield step(`${name} ${passes} in ${conductor}`, state, (draft) => {
        Object.assign(draft.jobs[name], {
          loaded: 'yes',
          probation: false,
          disorder: false,
          passed: job.deaths > 0,
          deaths: variant === 'forgotten when passed' ? 0 : job.deaths,
        })
      })
    }
  } else {
    yield step(`${name} ends in ${conductor}`, state, (draft) => {
      Object.assign(draft.jobs[name], { state: 'COMPLETE', owner: null, loaded: 'no' })
    })
  }
}

/** Whether another flow is on probation in this conductor, so that this one may not move. */
function heldStill(
  { jobs }: ProbationState,
  conductor: Conductor,
  name: JobName,
  variant: ProbationVariant,
  maxDeaths: number,
): boolean {
  const job = jobs[name]
  if (variant === 'not alone') return false
  if (variant === 'loaded alone, beside running ones' && job.loaded === 'yes') return false
  return JOBS.some((other) => {
    const { owner, probation: isOnProbation, deaths } = jobs[other]
    if (other === name || owner !== conductor || !isOnProbation) return false
    const inGroup = variant === 'in groups, the last time alone' && job.disorder
    return !(inGroup && deaths === job.deaths && deaths < maxDeaths - 1)
  })
}

function* beingKilled(
  state: ProbationState,
  conductor: Conductor,
): Generator<Step<ProbationState>> {
  if (state.left.kills === 0) return
  yield step(`${conductor} is killed from outside`, state, (draft) => {
    draft.left.kills -= 1
    draft.dead[conductor] = true
  })
}

/** Releases what a dead conductor had claimed; it starts again. */
function reaping(
  state: ProbationState,
  conductor: Conductor,
  variant: ProbationVariant,
  maxDeaths: number,
): Step<ProbationState> {
  const released = JOBS.filter((name) => state.jobs[name].owner === conductor)
  return step(`the reaper releases ${released.join(' ') || 'nothing'}`, state, (draft) => {
    draft.dead[conductor] = false
    for (const name of released) {
      const job = draft.jobs[name]
      if (job.probation || variant === 'every death counts') {
        if (job.deaths === 0) job.passed = false
        job.deaths += 1
      }
      job.state = job.deaths >= maxDeaths ? 'TRASHED' : 'UNCLAIMED'
      Object.assign(job, { owner: null, loaded: 'no', disorder: true, probation: false })
    }
  })
}
