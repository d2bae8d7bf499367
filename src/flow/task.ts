/** `task()`: a unit of work, and the step that runs it. */
import { composeIssue, TaskError, UsageError, type Issue } from '../base/errors.ts'
import { describe } from './document.ts'
import { didYouMean } from '../base/did-you-mean.ts'
import type { Failure } from '../base/failure.ts'
import type { JsonObject } from '../base/json.ts'
import type { RevertContext, TaskContext } from './context.ts'
import { toMs, type Duration } from './duration-option.ts'
import { nameProblem } from './names.ts'
import type { TaskSignature } from './resolved.ts'
import { resolveTaskRetry, type TaskRetry } from './retry.ts'
import { readShape, type ReadShape } from './schema.ts'
import { stepOf, type Step } from './step.ts'
import { brandTask } from './task-brand.ts'
import type { Given, Shape, Taken } from './types/schema.ts'

/** A task as workers run it. Every {@link Step} of a task has it as `definition`. */
export interface TaskDefinition {
  readonly kind: 'task'
  readonly name: string
  /** What it needs and gives, as workers announce it. */
  readonly signature: TaskSignature
  /** It computes: workers run it in a thread, beside their event loop. */
  readonly cpu: boolean
  /** URL of the module that exports it, if it said so: threads import it. */
  readonly module?: string | undefined
  /**
   * The arguments as `execute` sees them: checked, with defaults, without what it did not ask for. Throws a `TaskError`
   * with the code `InvalidArguments` that is not retryable.
   */
  validateArguments(args: JsonObject): { readonly [argument: string]: unknown }
  /**
   * The symbols of a result: checked; other keys are left out. Throws a `TaskError` with the code `InvalidResult` when a
   * declared symbol is missing or does not fit.
   */
  validateResult(result: unknown): { readonly [symbol: string]: unknown }
  execute(args: never, context: TaskContext): unknown
  readonly revert?: ((undo: never, context: RevertContext) => unknown) | undefined
}

/** What `revert` is given: the arguments, and what came of the execution, its result or its failure. */
export type Undo<Args, Result> =
  | { readonly args: Args; readonly result: Result; readonly failure?: undefined }
  | { readonly args: Args; readonly result?: undefined; readonly failure: Failure }

/** What {@link task} takes. */
export interface TaskOptions<Requires extends Shape, Provides extends Shape> {
  /** The arguments: a schema for each. What is optional or has a default may be absent in a flow. @default {} */
  readonly requires?: Requires | undefined
  /** The symbols of the result: a schema for each. @default {} */
  readonly provides?: Provides | undefined
  /** Workers of that topic (an AMQP queue) run it. @default 'default' */
  readonly topic?: string | undefined
  /** Longest time of one attempt; then its signal aborts and it is a failure. @default none */
  readonly timeout?: Duration | undefined
  /**
   * Longest silence of one attempt: without `ctx.heartbeat()` or `ctx.progress()` for so long its signal aborts and it is a
   * failure, `TimedOut`. @default none
   */
  readonly heartbeat?: Duration | undefined
  /** Attempts, in both directions. @default { attempts: 1 } */
  readonly retry?: TaskRetry | undefined
  /** Attempts of `revert`. @default those of `retry` */
  readonly revertRetry?: TaskRetry | undefined
  /** `never`: when its worker was lost nobody runs it again; it is a failure `UnknownOutcome`. @default run again */
  readonly repeat?: 'never' | undefined
  /** Bigger first among tasks that are ready at the same time, -1,000 to 1,000. @default 0 */
  readonly priority?: number | undefined
  /**
   * It computes for long: run it in a worker thread, so that others are not kept waiting. A thread imports the module that
   * exports the task: `true` where workers load modules by path (`--tasks`), `import.meta.url` also where the task is given
   * as an object. That module should only define tasks: it is run once more in each thread. @default false
   */
  readonly cpu?: boolean | string | undefined
  /** Does the work. What it throws is the task's failure. Keys of the result that `provides` does not name are left out. */
  execute(args: Given<NoInfer<Requires>>, context: TaskContext): Returned<NoInfer<Provides>>
  /** Takes the work back, or what a failed attempt left. Without one nothing is done. */
  revert?(
    undo: Undo<Given<NoInfer<Requires>>, Given<NoInfer<Provides>>>,
    context: RevertContext,
  ): void | Promise<void>
}

type Returned<Provides extends Shape> = [keyof Provides] extends [never]
  ? unknown
  : Taken<Provides> | Promise<Taken<Provides>>

const KEYS = [
  'requires',
  'provides',
  'topic',
  'timeout',
  'heartbeat',
  'retry',
  'revertRetry',
  'repeat',
  'priority',
  'cpu',
  'execute',
  'revert',
]

/**
 * Defines a task: a named unit of work that requires named arguments and provides named results. What it gives is a step,
 * to be placed into flows as it is, or after `.with()`, `.as()`, `.when()` and so on. Export it from the module that
 * workers load.
 *
 * Symbols are JSON values, so schemas are those that JSON Schema can express (`z.iso.datetime()` instead of `z.date()`).
 * Throws {@link UsageError} for options that cannot be used.
 *
 * @example
 * const reserve = task("inventory.reserve", {
 *   requires: { sku: z.string(), quantity: z.int().positive() },
 *   provides: { reservationId: z.string() },
 *   retry: { attempts: 5, delay: "1s", factor: 2, maxDelay: "1m" },
 *   async execute({ sku, quantity }, { idempotencyKey }) { return { reservationId: await … } },
 *   async revert({ result }) { if (result) await … },
 * })
 */
export function task<
  const Name extends string,
  Requires extends Shape = {},
  Provides extends Shape = {},
>(
  name: Name,
  options: TaskOptions<Requires, Provides>,
): Step<Name, Taken<Requires>, Given<Provides>> {
  const definition = defineTask(name, options)
  return stepOf(definition, { task: name }) as Step<Name, Taken<Requires>, Given<Provides>> // types of the shapes just read
}

/** Options of any task: what its functions take is known to its shapes alone. */
interface AnyTaskOptions extends Omit<TaskOptions<Shape, Shape>, 'execute' | 'revert'> {
  execute(args: never, context: TaskContext): unknown
  revert?(undo: never, context: RevertContext): unknown
}

function defineTask(name: string, options: AnyTaskOptions): TaskDefinition {
  const problem = typeof name === 'string' ? nameProblem(name) : 'a name is a text'
  if (problem !== undefined) throw new UsageError(`task(${describe(name)}): ${problem}`)
  const subject = `the task "${name}"`
  checkOptions(options, subject)
  const requires = readShape(options.requires ?? {}, 'arguments', `${subject} requires`)
  const provides = readShape(options.provides ?? {}, 'result', `${subject} provides`)
  const { execute, revert } = options
  const definition: TaskDefinition = {
    kind: 'task',
    name,
    signature: signatureOf(name, options, requires, provides),
    cpu: options.cpu !== undefined && options.cpu !== false,
    ...(typeof options.cpu === 'string' ? { module: options.cpu } : {}),
    validateArguments: (args) => {
      return checked(requires, args, 'InvalidArguments', `the arguments of ${subject} do not fit`)
    },
    validateResult: (result) => validateResult(provides, result, subject),
    execute: (args, context) => execute.call(options, args, context),
    ...(revert === undefined
      ? {}
      : { revert: (undo: never, context: RevertContext) => revert.call(options, undo, context) }),
  }
  brandTask(definition, definition)
  return Object.freeze(definition)
}

function signatureOf(
  name: string,
  options: AnyTaskOptions,
  requires: ReadShape,
  provides: ReadShape,
): TaskSignature {
  const { topic, timeout, heartbeat, retry, revertRetry, repeat, priority } = options
  const subject = `the task "${name}"`
  const topicProblem = topic === undefined ? undefined : nameProblem(topic)
  if (topicProblem !== undefined) throw new UsageError(`${subject}: topic: ${topicProblem}`)
  if (repeat !== undefined && repeat !== 'never') {
    throw new UsageError(`${subject}: repeat is ${describe(repeat)}, expected "never" or nothing`)
  }
  if (priority !== undefined && !(Number.isInteger(priority) && Math.abs(priority) <= 1_000)) {
    throw new UsageError(
      `${subject}: priority is ${describe(priority)}, expected a whole number from -1000 to 1000`,
    )
  }
  return {
    name,
    ...(topic === undefined ? {} : { topic }),
    requires: requires.symbols,
    provides: provides.symbols,
    ...(retry === undefined ? {} : { retry: resolveTaskRetry(retry, `${subject}: retry`) }),
    ...(revertRetry === undefined
      ? {}
      : { revertRetry: resolveTaskRetry(revertRetry, `${subject}: revertRetry`) }),
    ...(timeout === undefined ? {} : { timeoutMs: limitMs(timeout, subject, 'timeout') }),
    ...(heartbeat === undefined ? {} : { heartbeatMs: limitMs(heartbeat, subject, 'heartbeat') }),
    ...(repeat === undefined ? {} : { repeat }),
    ...(priority === undefined ? {} : { priority }),
    revert: options.revert !== undefined,
  }
}

function checkOptions(options: AnyTaskOptions, subject: string): void {
  if (typeof options !== 'object' || options === null) {
    throw new UsageError(`${subject} is given ${describe(options)}`, {
      hint: 'write task(name, { requires, provides, execute })',
    })
  }
  for (const key of Object.keys(options)) {
    if (KEYS.includes(key)) continue
    const hint = key === 'state' ? 'it is reserved for a later version' : didYouMean(key, KEYS)
    throw new UsageError(`${subject} has an unknown option "${key}"`, {
      hint: hint ?? `known are ${KEYS.join(', ')}`,
    })
  }
  if (typeof options.execute !== 'function') {
    throw new UsageError(`${subject} has no execute`, {
      hint: 'add async execute(args, ctx) { … }',
    })
  }
  if (options.revert !== undefined && typeof options.revert !== 'function') {
    throw new UsageError(`${subject}: revert is ${describe(options.revert)}, expected a function`)
  }
  const { cpu } = options
  if (cpu !== undefined && typeof cpu !== 'boolean' && !isModuleUrl(cpu)) {
    throw new UsageError(
      `${subject}: cpu is ${describe(cpu)}, expected true, false or the URL of the task's module`,
      { hint: 'write cpu: import.meta.url' },
    )
  }
}

function isModuleUrl(cpu: unknown): boolean {
  return typeof cpu === 'string' && URL.canParse(cpu)
}

function limitMs(limit: Duration, subject: string, option: 'timeout' | 'heartbeat'): number {
  const ms = toMs(limit, `${subject}: ${option}`)
  if (ms > 0) return ms
  throw new UsageError(`${subject}: a ${option} is longer than 0`)
}

const NOTHING = Object.freeze({})

function validateResult(provides: ReadShape, result: unknown, subject: string): JsonObject {
  if (provides.isEmpty) return NOTHING
  if (typeof result !== 'object' || result === null || Array.isArray(result)) {
    const names = Object.keys(provides.symbols).join(', ')
    throw new TaskError(
      `${subject} provides ${names}, but its result is ${describe(result)}; return { ${names} }`,
      { code: 'InvalidResult' },
    )
  }
  const record = result as JsonObject // an object; each value is checked
  return checked(
    provides,
    record,
    'InvalidResult',
    `the result of ${subject} does not fit`,
  ) as JsonObject // by its schemas
}

function checked(
  shape: ReadShape,
  values: JsonObject,
  code: 'InvalidArguments' | 'InvalidResult',
  subject: string,
): { readonly [symbol: string]: unknown } {
  if (shape.isEmpty) return NOTHING
  const problems: Issue[] = []
  const result = shape.check(values, problems)
  if (problems.length === 0) return result
  throw new TaskError(
    `${subject}: ${problems.map((problem) => composeIssue(problem)).join('; ')}`,
    {
      code,
      data: problems.map(({ path, message }) => ({ path, message })),
      ...(code === 'InvalidArguments' ? { retryable: false } : {}),
    },
  )
}
