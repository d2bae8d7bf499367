/**
 * An exhaustive search over all interleavings of a few processes, breadth first, so that the first bad state it meets has
 * the shortest trace.
 *
 * 1. A state is plain JSON; two states are the same if their JSON is, or what the model takes for their identity. Nothing else
 *    is remembered.
 * 2. Steps never change the state that they start from (checked).
 * 3. Too many states is an error, never a verdict.
 */

/** One thing that one process can do now, and the state after it. */
export interface Step<State> {
  readonly label: string
  readonly next: State
  /** Something goes wrong, or somebody dies: no way to the goal may need it. */
  readonly isFault?: boolean
}

/** A rule of the protocol, small enough to look at every state. */
export interface Model<State> {
  readonly initial: State
  /** Everything that can happen next. */
  readonly steps: (state: State) => Iterable<Step<State>>
  /** A sentence that says what is wrong with this state, or null. */
  readonly broken: (state: State) => string | null
  /** What must stay reachable from every state: whatever happened, there is a way to a good end without a further fault. */
  readonly goal?: (state: State) => boolean
  /**
   * The same text for states that differ in nothing but which of several equal processes is which. It must hold all of the
   * state. @default its JSON
   */
  readonly identity?: (state: State) => string
  /** @default 300_000 */
  readonly maxStates?: number
}

/** `steps` holds every label that was met, so that a test can tell a rule that holds from one that was never tried. */
export type Verdict<State> =
  | { readonly holds: true; readonly states: number; readonly steps: ReadonlySet<string> }
  | {
      readonly holds: false
      readonly states: number
      readonly problem: string
      /**
       * The labels of the steps from the initial state to the bad one; no other way there is shorter. Of a stuck state: to
       * where nothing more can happen after it, if there is such a place.
       */
      readonly trace: readonly string[]
      readonly last: State
    }

/** What `explore` says of a state from which the goal cannot be reached any more. */
export const STUCK = 'stuck: no way leads from here to the goal'

const MAX_STATES = 300_000

/**
 * Looks at every state that can be reached. Holds if none is broken and the goal, if there is one, can be reached from each.
 * Throws when there are more than `maxStates` states, or when a step changes the state that it starts from.
 */
export function explore<State>(model: Model<State>): Verdict<State> {
  const maxStates = model.maxStates ?? MAX_STATES
  const identity = model.identity ?? ((state: State) => JSON.stringify(state))
  const initialKey = identity(model.initial)
  const found: Found<State>[] = [{ state: model.initial, key: initialKey, from: -1, label: '' }]
  const indexOf = new Map([[initialKey, 0]])
  const arrows: [from: number, to: number][] = []
  const labels = new Set<string>()

  for (const [index, at] of found.entries()) {
    const problem = model.broken(at.state)
    if (problem !== null) return badState(found, index, problem)
    for (const { label, next, isFault } of model.steps(at.state)) {
      labels.add(label)
      const key = identity(next)
      let to = indexOf.get(key)
      if (to === undefined) {
        to = found.length
        if (to >= maxStates)
          throw new Error(`more than ${maxStates} states: make the model smaller`)
        indexOf.set(key, to)
        found.push({ state: next, key, from: index, label })
      }
      if (isFault !== true) arrows.push([index, to])
    }
    if (identity(at.state) !== at.key) {
      throw new Error(`a step changed the state that it started from: ${at.key}`)
    }
  }

  const stuck = model.goal ? firstWithoutWay(found, arrows, model.goal) : -1
  if (stuck >= 0) return badState(found, deadEndAfter(found, arrows, stuck), STUCK)
  return { holds: true, states: found.length, steps: labels }
}

/** A step: a copy of `state` with `change` made to it. */
export function step<State>(
  label: string,
  state: State,
  change: (draft: State) => void,
): Step<State> {
  const next = copy(state)
  change(next)
  return { label, next }
}

/** A step by which something goes wrong. */
export function fault<State>(
  label: string,
  state: State,
  change: (draft: State) => void,
): Step<State> {
  return { ...step(label, state, change), isFault: true }
}

/** A trace as people read it: one numbered step a line, then what is wrong and where it ended. */
export function tell<State>(verdict: Verdict<State>): string {
  if (verdict.holds) return `holds in ${verdict.states} states`
  const lines = verdict.trace.map((label, index) => `${String(index + 1).padStart(3)}. ${label}`)
  return [...lines, `  => ${verdict.problem}`, `     ${JSON.stringify(verdict.last)}`].join('\n')
}

interface Found<State> {
  readonly state: State
  readonly key: string
  readonly from: number
  readonly label: string
}

function badState<State>(
  found: readonly Found<State>[],
  index: number,
  problem: string,
): Verdict<State> {
  const trace: string[] = []
  const last = found[index]
  if (!last) throw new RangeError(`no state ${index}`)
  for (let at: Found<State> | undefined = last; at && at.from >= 0; at = found[at.from]) {
    trace.unshift(at.label)
  }
  return { holds: false, states: found.length, problem, trace, last: last.state }
}

/** The first state found from which no way leads to a state that satisfies `goal`, or -1. */
function firstWithoutWay<State>(
  found: readonly Found<State>[],
  arrows: readonly (readonly [from: number, to: number])[],
  goal: (state: State) => boolean,
): number {
  const sources: number[][] = found.map(() => [])
  for (const [from, to] of arrows) sources[to]?.push(from)
  const hasWay = found.map(({ state }) => goal(state))
  const open = [...hasWay.keys()].filter((index) => hasWay[index])
  for (let to = open.pop(); to !== undefined; to = open.pop()) {
    for (const from of sources[to] ?? []) {
      if (hasWay[from]) continue
      hasWay[from] = true
      open.push(from)
    }
  }
  return hasWay.indexOf(false)
}

/**
 * Of the states that can be reached from `start`, the first found where nothing more happens; `start` if there is none. It
 * shows what being stuck comes to.
 */
function deadEndAfter<State>(
  found: readonly Found<State>[],
  arrows: readonly (readonly [from: number, to: number])[],
  start: number,
): number {
  const targets: number[][] = found.map(() => [])
  for (const [from, to] of arrows) if (from !== to) targets[from]?.push(to)
  const reached = new Set([start])
  for (const index of reached) {
    const next = targets[index] ?? []
    if (next.length === 0) return index
    for (const to of next) reached.add(to)
  }
  return start
}

/** A deep copy of plain JSON; several times faster than `structuredClone`. */
function copy<Value>(value: Value): Value {
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map(copy) as Value
  const twin = { ...value }
  for (const name in twin) twin[name] = copy(twin[name])
  return twin
}
