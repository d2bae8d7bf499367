/** A step: the place of one task in a flow. Immutable; each method gives another step. */
import { didYouMean } from '../base/did-you-mean.ts'
import { UsageError } from '../base/errors.ts'
import { describe, type SourceTask } from './document.ts'
import { toMs, type Duration } from './duration-option.ts'
import { nameProblem, symbolProblem } from './names.ts'
import { conditionOf, resolveTaskRetry, sourceRetry, type TaskRetry } from './retry.ts'
import { brandTask } from './task-brand.ts'
import type { TaskDefinition } from './task.ts'
import { isExpression, templateOf, type Cel, type DocumentJson } from './template-of.ts'
import type { BindingsOf, Bound, Renamed } from './types/binding.ts'
import type { Guard, Node } from './types/node.ts'

/**
 * One task in a flow. `Requires` and `Provides` are the symbols it asks for and gives here; `Args` and `Result` are the
 * task's own. Methods change nothing: each gives another step.
 */
export interface Step<
  Id extends string,
  Requires,
  Provides,
  Args = Requires,
  Result = Provides,
  G extends Guard = false,
> extends Node<Id, Requires, Provides, G> {
  /** The task that the step runs. */
  readonly definition: TaskDefinition
  /** Gives it an id of its own, as siblings must differ. The default is the task's name. */
  as<const NewId extends string>(id: NewId): Step<NewId, Requires, Provides, Args, Result, G>
  /**
   * Binds arguments: to constants, to paths (`from("customer.address")`) or to expressions (`cel("total * 2")`). Others
   * are bound to the symbols of their names.
   */
  with<const B extends BindingsOf<Args, B>>(
    bindings: B,
  ): Step<Id, Bound<Requires, Args, B>, Provides, Args, Result, G>
  /** Runs only if the expression is true; else it is skipped, and what it provides is absent. */
  when(
    condition: string | Cel,
  ): Step<Id, Requires, Partial<Provides>, Args, Partial<Result>, 'step'>
  /** Renames results: `.provides({ mine: "its" })`, or computes them: `cel("result.items[0]")`. Others are left out. */
  provides<const Names extends { readonly [symbol: string]: (keyof Result & string) | Cel }>(
    names: Names,
  ): Step<Id, Requires, Renamed<Result, Names>, Args, Result, G>
  /** Free text for people, at most 500 characters. */
  label(text: string): Step<Id, Requires, Provides, Args, Result, G>
  /** Bigger first among what is ready at the same time, -1,000 to 1,000. @default 0 */
  priority(priority: number): Step<Id, Requires, Provides, Args, Result, G>
  /** Its failure is not the flow's: it is reverted, its symbols are absent, and the flow goes on. */
  onFailure(reaction: 'continue'): Step<Id, Requires, Partial<Provides>, Args, Partial<Result>, G>
  /** Attempts of the task here; nothing is reverted between them. */
  retry(retry: TaskRetry): Step<Id, Requires, Provides, Args, Result, G>
  /** Longest time of one attempt. */
  timeout(duration: Duration): Step<Id, Requires, Provides, Args, Result, G>
}

/** What the methods give; their types are those of {@link Step}. */
type AnyStep = Step<string, unknown, unknown>

/** @internal A step of that task with that piece of a document. */
export function stepOf(definition: TaskDefinition, source: SourceTask): unknown {
  const where = `the step of "${definition.name}"`
  const change = (more: Partial<SourceTask>): AnyStep => {
    return stepOf(definition, { ...source, ...more }) as AnyStep // the types are said by Step
  }
  const step = {
    definition,
    '~node': Object.freeze({
      id: source.id ?? source.task,
      source: Object.freeze(source),
      definitions: Object.freeze([definition]),
    }),
    as: (id: string) => change({ id: checkId(id, where) }),
    with: (bindings: object) => {
      return change({ with: { ...source.with, ...templates(bindings, definition, where) } })
    },
    when: (condition: string | Cel) => change({ when: conditionOf(condition, `${where}: when`) }),
    provides: (names: object) => change({ provides: renames(names, definition, where) }),
    label: (label: string) => change({ label: checkText(label, `${where}: label`) }),
    priority: (priority: number) => change({ priority: checkPriority(priority, where) }),
    onFailure: (reaction: 'continue') => change({ onFailure: checkReaction(reaction, where) }),
    retry: (retry: TaskRetry) => {
      resolveTaskRetry(retry, `${where}: retry`)
      return change({
        retry: sourceRetry(retry, `${where}: retry`) as NonNullable<SourceTask['retry']>,
      }) // just checked
    },
    timeout: (duration: Duration) => {
      toMs(duration, `${where}: timeout`)
      return change({ timeout: duration })
    },
  }
  brandTask(step, definition)
  return Object.freeze(step)
}

/** @internal Throws {@link UsageError} for what cannot be an id. */
export function checkId(id: unknown, where: string): string {
  const problem = typeof id === 'string' ? nameProblem(id) : 'an id is a text'
  if (problem === undefined) return id as string // a text, or there was a problem
  throw new UsageError(`${where}: the id ${describe(id)} cannot be used: ${problem}`, {
    hint: 'for free text there is label',
  })
}

/** @internal */
export function checkText(text: unknown, where: string): string {
  if (typeof text === 'string') return text
  throw new UsageError(`${where} is ${describe(text)}, expected a text`)
}

/** @internal */
export function checkPriority(priority: unknown, where: string): number {
  if (Number.isInteger(priority) && Math.abs(Number(priority)) <= 1_000) return Number(priority)
  throw new UsageError(
    `${where}: priority is ${describe(priority)}, expected a whole number from -1000 to 1000`,
  )
}

/** @internal */
export function checkReaction(reaction: unknown, where: string): 'continue' {
  if (reaction === 'continue') return reaction
  throw new UsageError(`${where}: onFailure is ${describe(reaction)}, expected "continue"`, {
    hint: 'without it a failure reverts the flow',
  })
}

function templates(
  bindings: object,
  definition: TaskDefinition,
  where: string,
): Record<string, DocumentJson> {
  refuseOtherThanObject(bindings, `${where}: with`, 'with({ argument: value })')
  const known = Object.keys(definition.signature.requires)
  const bound: Record<string, DocumentJson> = {}
  for (const [argument, value] of Object.entries(bindings)) {
    if (!known.includes(argument)) {
      throw new UsageError(`${where} has no argument "${argument}"`, {
        hint: didYouMean(argument, known) ?? `its arguments are ${known.join(', ') || 'none'}`,
      })
    }
    if (value !== undefined) bound[argument] = templateOf(value, `${where}: with.${argument}`)
  }
  return bound
}

function renames(
  names: object,
  definition: TaskDefinition,
  where: string,
): Record<string, DocumentJson> {
  refuseOtherThanObject(names, `${where}: provides`, 'provides({ mine: "its" })')
  const known = Object.keys(definition.signature.provides)
  const renamed: Record<string, DocumentJson> = {}
  for (const [symbol, value] of Object.entries(names)) {
    const problem = symbolProblem(symbol)
    if (problem !== undefined) throw new UsageError(`${where}: provides "${symbol}": ${problem}`)
    if (isExpression(value)) renamed[symbol] = `\${{ ${value.cel} }}`
    else if (typeof value === 'string' && known.includes(value))
      renamed[symbol] = `\${{ result.${value} }}`
    else {
      throw new UsageError(`${where}: its result has no ${describe(value)}`, {
        hint:
          didYouMean(String(value), known) ??
          `it provides ${known.join(', ') || 'nothing'}; cel("result.…") computes one`,
      })
    }
  }
  return renamed
}

function refuseOtherThanObject(value: unknown, where: string, example: string): void {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return
  throw new UsageError(`${where} is given ${describe(value)}`, { hint: `write .${example}` })
}
