/**
 * The values of one flow in memory: what its atoms gave, loaded from the store when they are asked for and are not here.
 */
import { toFailure } from '../../src/base/failure.ts'
import type { Json, JsonObject } from '../../src/base/json.ts'
import {
  attemptsOf,
  bindArguments,
  evaluateCondition,
  evaluateTemplate,
  nextValue,
  symbolOf,
  whyIncomplete,
  type Lookup,
  type Surroundings,
} from '../../src/flow/bind.ts'
import {
  providers,
  providersIn,
  type AtomPlan,
  type NodePlan,
  type RetryPlan,
  type TaskPlan,
} from '../../src/flow/compile.ts'
import type { Evaluated, EvaluatePurpose } from '../../src/machine/events.ts'
import type { AtomRun, Run } from '../../src/machine/run.ts'
import type { ResultRef } from '../../persistence/store.ts'

/** Thrown when results must be loaded before the work can go on. */
export class ValuesMissing extends Error {
  override readonly name = 'ValuesMissing'
  readonly refs: readonly ResultRef[]
  constructor(refs: readonly ResultRef[]) {
    super('results must be loaded first')
    this.refs = refs
  }
}

const EMPTY_RESULT: JsonObject = Object.freeze({})

/** A result without any symbol: most tasks' when they give nothing. It is not stored; what is not stored reads as it. */
export function isEmptyResult(result: Json): boolean {
  if (result === null || typeof result !== 'object' || Array.isArray(result)) return false
  return Object.keys(result).length === 0
}

export interface ValuesOptions {
  readonly run: Run
  readonly input: JsonObject
  readonly job: JsonObject
  readonly load: (refs: readonly ResultRef[]) => Promise<readonly (Json | undefined)[]>
}

export class Values {
  readonly #run: Run
  readonly #around: Surroundings
  readonly #load: ValuesOptions['load']
  /** What atoms gave, but for empty results: 100,000 tasks that give nothing cost nothing. */
  readonly #results = new Map<string, Json>()
  /** Atoms that ran before this process took the flow up: what they gave is in the store. */
  readonly #elsewhere = new Set<string>()
  /** The flow's output, once it was evaluated. */
  output: Json = null

  constructor(options: ValuesOptions) {
    this.#run = options.run
    this.#around = { input: options.input, job: options.job }
    this.#load = options.load
    for (const atom of this.#run.atoms.values()) {
      if (atom.executeCalls > 0) this.#elsewhere.add(atom.path)
    }
  }

  /** Remembers what an atom gave. */
  keep(atom: string, result: Json): void {
    if (this.#elsewhere.size > 0) this.#elsewhere.delete(atom)
    if (!isEmptyResult(result)) this.#results.set(atom, result)
    else if (this.#results.size > 0) this.#results.delete(atom)
  }

  /** What an atom gave that has run; undefined: it is in the store. */
  kept(atom: string): Json | undefined {
    return this.#results.get(atom) ?? (this.#elsewhere.has(atom) ? undefined : EMPTY_RESULT)
  }

  async load(missing: ValuesMissing): Promise<void> {
    const values = await this.#load(missing.refs)
    for (const [at, ref] of missing.refs.entries()) this.keep(ref.atom, values[at] ?? EMPTY_RESULT)
  }

  /** The result of an atom's last execution. Throws `ValuesMissing`. */
  resultOf(atom: AtomRun): Json {
    const kept = this.kept(atom.path)
    if (kept !== undefined) return kept
    throw new ValuesMissing([{ atom: atom.path, direction: 'execute', call: atom.executeCalls }])
  }

  arguments(plan: TaskPlan): JsonObject {
    return bindArguments(plan, this.#lookup(plan), this.#around)
  }

  whyIncomplete(plan: TaskPlan, result: Json): string | null {
    return whyIncomplete(plan, result, this.#around)
  }

  strategyArguments(plan: RetryPlan): JsonObject {
    if (plan.retry.kind !== 'strategy') return {}
    const args: { [name: string]: Json } = {}
    for (const [name, template] of Object.entries(plan.retry.with ?? {})) {
      args[name] = evaluateTemplate(template, this.#lookup(plan), this.#around)
    }
    return args
  }

  /** Answers the machine. Throws `ValuesMissing`; every other error is the answer. */
  evaluate(purpose: EvaluatePurpose): Evaluated {
    try {
      return this.#evaluate(purpose)
    } catch (error) {
      if (error instanceof ValuesMissing) throw error
      return { failure: { ...toFailure(error), code: 'InvalidArguments', retryable: false } }
    }
  }

  #evaluate(purpose: EvaluatePurpose): Evaluated {
    switch (purpose.kind) {
      case 'conditions': {
        const plan = purpose.scope.plan.children[purpose.index] as NodePlan
        const lookup = this.#lookup(plan)
        const links = purpose.links.map((when) => evaluateCondition(when, lookup, this.#around))
        const alive = plan.incoming.length - purpose.dead - links.filter((holds) => !holds).length
        const isReached = plan.incoming.length === 0 || alive > 0
        const when =
          purpose.when === null ||
          !isReached ||
          evaluateCondition(purpose.when, lookup, this.#around)
        return { value: { when, links } }
      }
      case 'round':
        return this.#round(purpose.retry)
      case 'again':
      case 'decide': {
        const atom = purpose.kind === 'again' ? purpose.atom : purpose.retry
        const { failure } = purpose
        const around = { ...this.#around, failure }
        const lookup = this.#lookup(atom.plan)
        const retry =
          atom.plan.kind === 'retry'
            ? atom.plan.retry
            : purpose.kind === 'again' && purpose.direction === 'revert'
              ? (atom.plan.task.revertRetry ?? atom.plan.task.retry)
              : atom.plan.task.retry
        const when = retry !== undefined && 'when' in retry ? retry.when : undefined
        const again = when === undefined || evaluateCondition(when, lookup, around)
        const attempts =
          retry !== undefined && 'attempts' in retry && typeof retry.attempts === 'string'
            ? attemptsOf(retry, lookup, around)
            : null
        return { value: { again, attempts } }
      }
      case 'output':
        this.output = this.#output()
        return { value: { output: true } }
    }
  }

  #round(retry: AtomRun): Evaluated {
    const plan = retry.plan as RetryPlan
    const lookup = this.#lookup(plan)
    const data = plan.retry
    if (data.kind === 'times') {
      return {
        value: { round: retry.attempt, left: 0, attempts: attemptsOf(data, lookup, this.#around) },
      }
    }
    if (data.kind !== 'forEach') return { value: { round: null, left: 0, attempts: null } }
    const tried = (retry.rounds ?? []).map((round) => round.value)
    const { value, left } = nextValue(data, tried, lookup, this.#around)
    return { value: { round: value, left, attempts: null } }
  }

  #output(): Json {
    const { root, document } = this.#run.plan
    const lookup: Lookup = (symbol) => this.#first(providersIn(root, symbol), symbol)
    const output: { [name: string]: Json } = {}
    if (document.output !== undefined) {
      for (const [name, template] of Object.entries(document.output)) {
        output[name] = evaluateTemplate(template, lookup, this.#around)
      }
      return output
    }
    const symbols = new Set([
      ...root.givers.keys(),
      ...(root.retry?.provides ? [root.retry.provides] : []),
    ])
    for (const symbol of symbols) {
      const value = this.#first(providersIn(root, symbol), symbol)
      if (value !== undefined) output[symbol] = value
    }
    return output
  }

  #lookup(plan: NodePlan | AtomPlan): Lookup {
    return (symbol) => this.#first(providers(plan, symbol), symbol)
  }

  /** The first provider that has succeeded and gives the symbol; then the flow's input. */
  #first(candidates: Iterable<AtomPlan>, symbol: string): Json | undefined {
    for (const plan of candidates) {
      const atom = this.#run.atoms.read(plan.path)
      if (atom?.state !== 'SUCCESS') continue
      if (plan.kind === 'retry') return atom.rounds?.at(-1)?.value
      const value = symbolOf(plan, symbol, this.resultOf(atom), this.#around)
      if (value !== undefined) return value
    }
    const { input } = this.#around
    return Object.hasOwn(input, symbol) ? input[symbol] : undefined
  }
}
