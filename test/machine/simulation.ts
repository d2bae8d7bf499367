/**
 * Runs a plan in a world of its own: calls answer in any order, time jumps, and the process may crash after any step, so
 * that only rows are left. Checks on the way what must always hold.
 */
import assert from 'node:assert/strict'
import type { FlowPlan, NodePlan, Plan, RetryPlan, TaskPlan } from '../../src/flow/compile.ts'
import { nextValue } from '../../src/flow/bind.ts'
import { advance } from '../../src/machine/advance.ts'
import type {
  Command,
  Evaluated,
  EvaluatePurpose,
  MachineEvent,
  StrategyAnswer,
} from '../../src/machine/events.ts'
import type { AtomRecord, Direction, ScopeRecord } from '../../src/machine/records.ts'
import { restoreRun } from '../../src/machine/resume.ts'
import { atomRecord, createRun, takeChanges, type Run } from '../../src/machine/run.ts'
import { isFinal, type FlowState } from '../../src/machine/states.ts'
import { Random } from '../support/random.ts'

/** What the world does with a call: it succeeds, fails, or fails for good (not retryable). */
export type Behaviour = (call: {
  readonly path: string
  readonly direction: Direction
  readonly call: number
}) => 'ok' | 'fail' | 'fatal'

export interface SimulationOptions {
  readonly plan: Plan
  /** Calls in flight at once; default: many. */
  readonly window?: number | undefined
  readonly random: Random
  readonly behave: Behaviour
  /** Values of conditions by their text; default true. */
  readonly conditions?: ReadonlyMap<string, boolean>
  /** Chance of a crash after each step, 0 to 1. */
  readonly crashChance: number
  /** Step at which the flow is cancelled or suspended (and resumed at once). */
  readonly cancelAt?: number
  readonly suspendAt?: number
  /** A new run begins with these rows of a former one. */
  readonly from?: { readonly atoms: readonly AtomRecord[]; readonly scopes: readonly ScopeRecord[] }
  /** First in, first out instead of any order. */
  readonly inOrder?: boolean
}

export interface SimulationResult {
  readonly state: FlowState
  readonly atoms: ReadonlyMap<string, AtomRecord>
  readonly scopes: ReadonlyMap<string, ScopeRecord>
  /** `path STATE` in the order of the machine, flow events under the flow's name. */
  readonly events: readonly string[]
  readonly steps: number
  readonly crashes: number
  /** Calls that were answered and recorded. */
  readonly answered: ReadonlySet<string>
}

interface Pending {
  readonly path: string
  readonly direction: Direction
  readonly call: number
}

/** Runs to the end. Throws when something that must hold does not. */
export function simulate(options: SimulationOptions): SimulationResult {
  const world = new World(options)
  return world.run()
}

class World {
  readonly #options: SimulationOptions
  readonly #atoms = new Map<string, AtomRecord>()
  readonly #scopes = new Map<string, ScopeRecord>()
  readonly #events: string[] = []
  readonly #answered = new Set<string>()
  readonly #states = new Map<string, string>()
  #run: Run
  #flow: FlowState = 'PENDING'
  #pending: Pending[] = []
  #timers: { readonly path: string; readonly dueAt: number }[] = []
  #now = 1000
  #steps = 0
  #crashes = 0

  constructor(options: SimulationOptions) {
    this.#options = options
    this.#run = createRun(options.plan, options.window)
    if (options.from !== undefined) this.#carryOn(options.from)
  }

  /** What is kept stands in its order from the first. */
  #carryOn({ atoms, scopes }: NonNullable<SimulationOptions['from']>): void {
    if (atoms.length === 0) return
    for (const atom of atoms) this.#atoms.set(atom.path, structuredClone(atom))
    for (const scope of scopes) this.#scopes.set(scope.path, structuredClone(scope))
    for (const atom of atoms) this.#states.set(atom.path, atom.state)
    this.#flow = 'RESUMING'
    this.#run = restoreRun(
      this.#options.plan,
      { state: 'RESUMING', atoms, scopes },
      this.#options.window,
    )
    for (const { plan, state } of this.#run.atoms.values()) {
      if (plan.kind === 'task' && state === 'SUCCESS') this.#checkBefore(plan)
    }
  }

  run(): SimulationResult {
    const { random, crashChance } = this.#options
    this.#feed({ kind: 'begin' })
    for (let idle = 0; !isFinal(this.#run.state);) {
      if (++this.#steps > 100_000) throw new Error('no end after 100,000 steps')
      if (this.#run.state === 'SUSPENDED') {
        this.#crash()
        continue
      }
      if (this.#steps === this.#options.cancelAt) this.#feed({ kind: 'cancel', reason: 'test' })
      else if (this.#steps === this.#options.suspendAt)
        this.#feed({ kind: 'suspend', reason: 'test' })
      else if (this.#pending.length > 0) {
        idle = 0
        if (this.#timers.length > 0 && random.chance(0.2)) {
          this.#fire()
          continue
        }
        const at = this.#options.inOrder ? 0 : random.below(this.#pending.length)
        const [call] = this.#pending.splice(at, 1)
        if (call !== undefined) this.#answer(call)
      } else if (this.#timers.length > 0) {
        idle = 0
        this.#fire()
      } else if (++idle > 3) {
        throw new Error(`nothing is under way, but the flow is ${this.#run.state}`)
      } else {
        this.#crash()
      }
      if (!isFinal(this.#run.state) && random.chance(crashChance)) this.#crash()
    }
    this.#checkEnd()
    return {
      state: this.#run.state,
      atoms: this.#atoms,
      scopes: this.#scopes,
      events: this.#events,
      steps: this.#steps,
      crashes: this.#crashes,
      answered: this.#answered,
    }
  }

  /** All that was in memory is gone. */
  #crash(): void {
    this.#crashes++
    this.#pending = []
    this.#timers = []
    const stored = {
      state: this.#flow,
      atoms: [...this.#atoms.values()],
      scopes: [...this.#scopes.values()],
    }
    this.#run = restoreRun(this.#options.plan, stored, this.#options.window)
    this.#feed({ kind: 'begin' })
  }

  /** The next timer fires, at its time. */
  #fire(): void {
    this.#timers.sort((a, b) => a.dueAt - b.dueAt)
    const timer = this.#timers.shift()
    if (timer === undefined) return
    this.#now = Math.max(this.#now, timer.dueAt)
    this.#feed({ kind: 'due', path: timer.path })
  }

  #answer(call: Pending): void {
    const how = this.#options.behave(call)
    const key = `${call.path} ${call.direction} ${call.call}`
    const ref = { atom: call.path, direction: call.direction, call: call.call }
    const failure = {
      code: 'TaskFailed',
      message: `${call.path} failed`,
      retryable: how !== 'fatal',
    }
    const isStale = this.#feed(
      how === 'ok'
        ? { kind: 'succeeded', call: ref, decision: this.#decision(call) }
        : { kind: 'failed', call: ref, failure, outcome: 'failure' },
    )
    if (isStale) return
    if (this.#answered.has(key)) throw new Error(`${key} was answered twice`)
    this.#answered.add(key)
  }

  /** A strategy's decision, the same each time it is asked about the same call. */
  #decision(call: Pending): StrategyAnswer | undefined {
    if (call.direction !== 'decide') return undefined
    const chance = new Random(call.call * 31 + call.path.length).below(4)
    if (call.call > 3) return { decision: 'REVERT' }
    return { decision: (['RETRY', 'RETRY', 'REVERT', 'REVERT_ALL'] as const)[chance] ?? 'REVERT' }
  }

  /** One event, its evaluations, and a commit. True: it no longer applied. */
  #feed(event: MachineEvent): boolean {
    const queue: MachineEvent[] = [event]
    const commands: Command[] = []
    let isStale = false
    for (let at = 0; at < queue.length; at++) {
      const step = advance(this.#run, queue[at] as MachineEvent, this.#now)
      if (at === 0) isStale = step.isStale
      for (const transition of step.transitions) {
        this.#events.push(`${transition.name} ${transition.state}`)
        this.#check(transition.atom?.plan ?? null, transition.name, transition.state)
      }
      for (const command of step.commands) {
        if (command.kind === 'evaluate') {
          queue.push({ kind: 'evaluated', id: command.id, ...this.#evaluate(command.purpose) })
        } else commands.push(command)
      }
    }
    const { atoms, scopes } = takeChanges(this.#run)
    for (const atom of atoms) this.#atoms.set(atom.path, structuredClone(atom))
    for (const scope of scopes) this.#scopes.set(scope.path, structuredClone(scope))
    this.#flow = this.#run.state
    for (const command of commands) this.#perform(command)
    return isStale
  }

  #perform(command: Command): void {
    switch (command.kind) {
      case 'call': {
        const key = `${command.atom.path} ${command.direction} ${command.call}`
        if (this.#answered.has(key)) throw new Error(`${key} is called again after its answer`)
        this.#pending.push({
          path: command.atom.path,
          direction: command.direction,
          call: command.call,
        })
        return
      }
      case 'wait':
        this.#timers.push({ path: command.path, dueAt: command.dueAt })
        return
      case 'abort':
      case 'finish':
      case 'evaluate':
        return
    }
  }

  #evaluate(purpose: EvaluatePurpose): Evaluated {
    const holds = (text: string) => this.#options.conditions?.get(text) ?? true
    switch (purpose.kind) {
      case 'conditions':
        return {
          value: {
            when: purpose.when === null || holds(purpose.when),
            links: purpose.links.map(holds),
          },
        }
      case 'round': {
        const { retry } = purpose.retry.plan as RetryPlan
        if (retry.kind !== 'forEach')
          return { value: { round: purpose.retry.attempt, left: 0, attempts: 2 } }
        const tried = (purpose.retry.rounds ?? []).map((round) => round.value)
        try {
          const { value, left } = nextValue(retry, tried, () => undefined, { input: {}, job: {} })
          return { value: { round: value, left, attempts: null } }
        } catch (error) {
          return { failure: { code: 'InvalidArguments', message: String(error) } }
        }
      }
      case 'again':
      case 'decide':
        return { value: { again: true, attempts: null } }
      case 'output':
        return { value: { output: true } }
    }
  }

  /** Order: what starts has all before it done; what is reverted has nothing after it that stands. */
  #check(plan: TaskPlan | RetryPlan | null, name: string, state: string): void {
    this.#states.set(name, state)
    if (plan === null || plan.kind === 'retry') return
    if (state === 'RUNNING') this.#checkBefore(plan)
    if (state === 'REVERTING') this.#checkAfter(plan)
  }

  #checkBefore(plan: TaskPlan): void {
    for (let node: NodePlan = plan; node.parent !== null; node = node.parent) {
      for (const before of predecessors(node.parent, node)) {
        for (const atom of atomsIn(before)) {
          const state = this.#states.get(atom.path) ?? 'PENDING'
          const isFine =
            state === 'SUCCESS' ||
            state === 'IGNORE' ||
            (state === 'REVERTED' && isInContinue(atom, node.parent))
          const wasSkipped = state === 'PENDING' && isInContinue(atom, node.parent)
          if (!isFine && !wasSkipped)
            throw new Error(`${plan.path} starts while ${atom.path} before it is ${state}`)
        }
      }
    }
  }

  #checkAfter(plan: TaskPlan): void {
    for (let node: NodePlan = plan; node.parent !== null; node = node.parent) {
      for (const after of successors(node.parent, node)) {
        for (const atom of atomsIn(after)) {
          const state = this.#states.get(atom.path) ?? 'PENDING'
          if (state !== 'PENDING' && state !== 'IGNORE' && state !== 'REVERTED') {
            throw new Error(`${plan.path} is reverted while ${atom.path} after it is ${state}`)
          }
        }
      }
    }
  }

  #checkEnd(): void {
    const { state } = this.#run
    for (const record of this.#atoms.values()) {
      const live = this.#run.atoms.get(record.path)
      if (live === undefined || live.state !== record.state) {
        throw new Error(`${record.path}: the row says ${record.state}, the run ${live?.state}`)
      }
      assert.deepEqual(atomRecord(live), record, 'the run knows of an atom what its row says')
      if (['RUNNING', 'REVERTING', 'RETRYING'].includes(record.state)) {
        throw new Error(`${record.path} is ${record.state} though the flow has ended ${state}`)
      }
      if (state === 'REVERTED' && !['REVERTED', 'PENDING', 'IGNORE'].includes(record.state)) {
        throw new Error(`${record.path} is ${record.state} though the flow is REVERTED`)
      }
      if (state === 'SUCCESS' && record.state !== 'SUCCESS' && record.state !== 'IGNORE') {
        const { plan } = live
        const inside = plan.kind === 'retry' ? plan.flow : plan
        if (!isInContinue(inside, null)) {
          throw new Error(`${record.path} is ${record.state} though the flow is SUCCESS`)
        }
      }
    }
    if (state === 'SUCCESS') this.#checkAllDone()
    if (
      state === 'FAILURE' &&
      ![...this.#atoms.values()].some((atom) => atom.state === 'REVERT_FAILURE')
    ) {
      throw new Error('the flow is FAILURE, but no revert failed')
    }
  }

  #checkAllDone(): void {
    for (const atom of atomsIn(this.#options.plan.root)) {
      const state = this.#atoms.get(atom.path)?.state ?? 'PENDING'
      if (state === 'PENDING' && !isInContinue(atom, null)) {
        throw new Error(`${atom.path} never ran though the flow is SUCCESS`)
      }
    }
  }
}

/** Whether a node between `plan` and `scope` (exclusive) ends failures (`onFailure: continue`). */
function isInContinue(plan: NodePlan, scope: FlowPlan | null): boolean {
  for (let node: NodePlan | null = plan; node !== null && node !== scope; node = node.parent) {
    if (node.continues) return true
  }
  return false
}

function* atomsIn(node: NodePlan): Generator<TaskPlan> {
  if (node.kind === 'task') yield node
  else for (const child of node.children) yield* atomsIn(child)
}

function predecessors(flow: FlowPlan, node: NodePlan): readonly NodePlan[] {
  if (flow.pattern === 'linear') return flow.children.slice(0, node.index)
  if (flow.pattern === 'unordered') return []
  return node.incoming.map((edge) => flow.children[edge.from] as NodePlan)
}

function successors(flow: FlowPlan, node: NodePlan): readonly NodePlan[] {
  if (flow.pattern === 'linear') return flow.children.slice(node.index + 1)
  if (flow.pattern === 'unordered') return []
  return (flow.successors[node.index] ?? []).map((index) => flow.children[index] as NodePlan)
}
