/** `flow()`: the root, with typed input and output; nothing else is asked of outside. */
import { UsageError } from '../base/errors.ts'
import { describe } from './document.ts'
import type { Link } from './composition.ts'
import { definitionsByName } from './definition.ts'
import type { Duration } from './duration-option.ts'
import { definitionsOf, flowPart, once, readDocument } from './flow-part.ts'
import { FLOW_KINDS, nameProblem, type FlowKind } from './names.ts'
import type { OnChildFailure } from './resolved.ts'
import type { Retry, RetryNever } from './retry.ts'
import type { Runnable } from './runnable.ts'
import { readShape } from './schema.ts'
import { templateOf, type Cel } from './template-of.ts'
import type {
  HasConditions,
  InPlace,
  OutputInPlace,
  OutputValues,
  RetryGives,
  Walk,
} from './types/composed.ts'
import type { IdOf, Node } from './types/node.ts'
import type { Given, Shape, Simplify, Taken } from './types/schema.ts'

/** A closed flow: what {@link flow} makes. */
export interface Flow<Name extends string, Input, Output> extends Runnable<Input, Output> {
  readonly name: Name
}

/** What {@link flow} takes. */
export interface FlowOptions<
  Input extends Shape = Shape,
  Kind extends FlowKind = FlowKind,
  R extends Retry = Retry,
  Ids extends string = string,
  Output = unknown,
  LinkWhen extends string | Cel | undefined = string | Cel | undefined,
> {
  /** Of this flow, a whole number from 1; grows when you change it. */
  readonly version?: number | undefined
  readonly description?: string | undefined
  /** What the flow is given: a schema for each symbol. @default {} */
  readonly input?: Input | undefined
  /** What it gives: paths, expressions, constants. @default every symbol that its nodes provide */
  readonly output?: Output | undefined
  /** How its nodes are ordered: see `linear`, `unordered`, `graph`. @default 'linear' */
  readonly kind?: Kind | undefined
  /** With `kind: "graph"`: edges beside those that symbols make. */
  readonly links?: readonly Link<Ids, LinkWhen>[] | undefined
  /** Asked when something in it failed. @default none: the flow is reverted */
  readonly retry?: R | undefined
  /** Longest time of the whole flow, its retries included; then what runs is aborted and it is reverted. @default none */
  readonly timeout?: Duration | undefined
  /** For searching jobs. */
  readonly labels?: { readonly [name: string]: string } | undefined
  /** When a child failed, running siblings are awaited, aborted, or all others run to their end first. @default 'wait' */
  readonly onChildFailure?: OnChildFailure | undefined
}

const KEYS = [
  'version',
  'description',
  'input',
  'output',
  'kind',
  'retry',
  'timeout',
  'labels',
  'onChildFailure',
]

/**
 * A whole flow: typed input, typed output, closed (nothing else is asked of outside). Its nodes run one after the other,
 * or as `kind` says. Throws {@link UsageError}; its `document` throws `InvalidFlowError` for what TypeScript cannot see.
 *
 * @example
 * export const checkout = flow("checkout", {
 *   version: 1,
 *   input: { sku: z.string(), quantity: z.int().positive(), total: z.number() },
 *   output: { tracking: from("trackingNumber") },
 * }, [reserve, charge.with({ amount: from("total"), currency: "EUR" }), ship])
 */
export function flow<
  const Name extends string,
  const N extends readonly Node[],
  Input extends Shape = {},
  const Kind extends FlowKind = 'linear',
  const R extends Retry = RetryNever,
  const Output = undefined,
  const LinkWhen extends string | Cel | undefined = undefined,
>(
  name: Name,
  options: FlowOptions<Input, Kind, R, IdOf<NoInfer<N>[number]>, Output, LinkWhen> & {
    readonly output?: OutputInPlace<NoInfer<Output>, ScopeOf<Kind, NoInfer<N>, Input, R>>
  },
  nodes: InPlace<N, Walk<Kind, N, Start<Input, R>, 'closed', HasConditions<LinkWhen>>>,
): Flow<Name, Taken<Input>, OutputOfFlow<Kind, N, Input, R, Output>>
export function flow(name: string, options: FlowOptions, nodes: readonly Node[]): unknown {
  return makeFlow(name, options, nodes)
}

/** What the first node of a flow sees. */
type Start<Input extends Shape, R> = Given<Input> & RetryGives<R>

/** What the output of a flow sees. */
type ScopeOf<Kind extends FlowKind, N extends readonly Node[], Input extends Shape, R> = Visible<
  Start<Input, R>,
  Walk<Kind, N, Start<Input, R>, 'closed'>['gives']
>

type Visible<Outer, Gives> = Gives & Omit<Outer, keyof Gives>

type OutputOfFlow<
  Kind extends FlowKind,
  N extends readonly Node[],
  Input extends Shape,
  R,
  Output,
> = [Output] extends [undefined]
  ? Simplify<Walk<Kind, N, Start<Input, R>, 'closed'>['gives']>
  : Simplify<OutputValues<Output, ScopeOf<Kind, N, Input, R>>>

function makeFlow(name: string, options: FlowOptions, nodes: readonly Node[]): unknown {
  const where = `flow(${describe(name)})`
  const problem = typeof name === 'string' ? nameProblem(name) : 'a name is a text'
  if (problem !== undefined) throw new UsageError(`${where}: ${problem}`)
  const { kind = 'linear', version, description, input, output, labels } = options ?? {}
  if (!FLOW_KINDS.includes(kind)) {
    throw new UsageError(`${where}: kind is ${describe(kind)}, expected ${FLOW_KINDS.join(', ')}`)
  }
  const part = flowPart(kind, nodes, options, KEYS, where)
  const written = {
    zagflow: 1,
    flow: name,
    ...(version === undefined ? {} : { version }),
    ...(description === undefined ? {} : { description }),
    input: sourceInput(input ?? {}, where),
    ...(output === undefined ? {} : { output: templateOf(output, `${where}: output`) }),
    ...(labels === undefined ? {} : { labels }),
    ...part,
  }
  const definitions = definitionsOf(nodes, options.retry)
  const document = once(() => readDocument(written))
  const tasks = once(() => definitionsByName(definitions, name))
  return Object.freeze({
    name,
    '~flow': FOR_TYPES,
    get document() {
      return document()
    },
    get tasks() {
      return tasks()
    },
  })
}

const FOR_TYPES = Object.freeze({})

/** The input as a document has it. */
function sourceInput(input: Shape, where: string): { readonly [symbol: string]: unknown } {
  const { symbols } = readShape(input, 'input of a flow', `${where}: its input has`)
  const source: { [symbol: string]: unknown } = {}
  for (const [name, symbol] of Object.entries(symbols)) {
    source[name] = {
      ...symbol.schema,
      ...(symbol.default === undefined ? {} : { default: symbol.default }),
      ...(symbol.optional === true ? { optional: true } : {}),
    }
  }
  return source
}
