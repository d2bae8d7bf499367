/** `linear()`, `unordered()`, `graph()`: flows of nodes, which are nodes themselves and can be run as they are. */
import { definitionsByName, type Definition } from './definition.ts'
import { describe, type SourceFlow } from './document.ts'
import type { Duration } from './duration-option.ts'
import { definitionsOf, flowPart, once, readDocument } from './flow-part.ts'
import type { FlowKind } from './names.ts'
import type { DeciderDepth, OnChildFailure } from './resolved.ts'
import { conditionOf, type Retry, type RetryNever } from './retry.ts'
import type { Runnable } from './runnable.ts'
import { checkId, checkPriority, checkReaction, checkText } from './step.ts'
import type { Cel } from './template-of.ts'
import type {
  Asks,
  Gives,
  GuardBy,
  HasConditions,
  InPlace,
  RetryGives,
  Walk,
} from './types/composed.ts'
import type { Guard, IdOf, Node } from './types/node.ts'

/** Options of flows in flows. */
export interface CompositionOptions<
  R extends Retry = Retry,
  When extends string | Cel | undefined = string | Cel | undefined,
  OnFailure extends 'continue' | undefined = 'continue' | undefined,
> {
  /** Asked when something in it failed. @default none: the next one outwards is asked */
  readonly retry?: R | undefined
  /** Longest time of the whole flow, its retries included; then what runs is aborted, and it is a failure. @default none */
  readonly timeout?: Duration | undefined
  /** Runs only if the expression is true. */
  readonly when?: When
  /** `continue`: its failure reverts it, and what comes after it goes on without its symbols. */
  readonly onFailure?: OnFailure
  /** When a child failed, running siblings are awaited, aborted, or all others run to their end first. @default 'wait' */
  readonly onChildFailure?: OnChildFailure | undefined
  /** Free text for people, at most 500 characters. */
  readonly label?: string | undefined
  /** Bigger first among what is ready at the same time, -1,000 to 1,000. @default 0 */
  readonly priority?: number | undefined
}

/** Options of a graph: explicit edges beside those that symbols make. */
export interface GraphOptions<
  Ids extends string = string,
  R extends Retry = Retry,
  When extends string | Cel | undefined = string | Cel | undefined,
  OnFailure extends 'continue' | undefined = 'continue' | undefined,
  LinkWhen extends string | Cel | undefined = string | Cel | undefined,
> extends CompositionOptions<R, When, OnFailure> {
  readonly links?: readonly Link<Ids, LinkWhen>[] | undefined
}

/** An edge of a graph: `to` runs after `from`. */
export interface Link<
  Ids extends string = string,
  When extends string | Cel | undefined = string | Cel | undefined,
> {
  readonly from: Ids
  readonly to: Ids
  /** A decider: false kills this edge. */
  readonly when?: When
  /** How far a dead edge reaches. @default 'path' */
  readonly depth?: DeciderDepth | undefined
}

/** A flow in a flow, which can be run and posted, too. Immutable; each method gives another one. */
export interface Composition<Id extends string, Requires, Provides, G extends Guard = false>
  extends Node<Id, Requires, Provides, G>, Runnable<Requires, Provides> {
  /** Gives it another id, as siblings must differ. */
  as<const NewId extends string>(id: NewId): Composition<NewId, Requires, Provides, G>
  /** Runs only if the expression is true; else it is skipped whole, and what it provides is absent. */
  when(condition: string | Cel): Composition<Id, Requires, Partial<Provides>, 'flow'>
  /** Its failure reverts it; what comes after it goes on without its symbols. */
  onFailure(reaction: 'continue'): Composition<Id, Requires, Partial<Provides>, G>
  /** Free text for people, at most 500 characters. */
  label(text: string): Composition<Id, Requires, Provides, G>
  /** Bigger first among what is ready at the same time, -1,000 to 1,000. @default 0 */
  priority(priority: number): Composition<Id, Requires, Provides, G>
}

/**
 * A flow whose nodes run one after the other, in the order of the list; each sees the symbols of those before it. What
 * nobody before a node provides is asked of outside.
 *
 * @example
 * linear("settle", [charge.with({ currency: "EUR" }), ship], { retry: { attempts: 3, delay: "5s" } })
 */
export function linear<
  const Id extends string,
  const N extends readonly Node[],
  const R extends Retry = RetryNever,
  const When extends string | Cel | undefined = undefined,
  const OnFailure extends 'continue' | undefined = undefined,
>(
  id: Id,
  nodes: InPlace<N, Walk<'linear', N, RetryGives<R>, 'open'>>,
  options?: CompositionOptions<R, When, OnFailure>,
): Composition<
  Id,
  Asks<Walk<'linear', N, RetryGives<R>, 'open'>, R, N>,
  Gives<Walk<'linear', N, RetryGives<R>, 'open'>, R, When, OnFailure>,
  GuardBy<When>
>
export function linear(
  id: string,
  nodes: readonly Node[],
  options: CompositionOptions = {},
): unknown {
  return compose('linear', id, nodes, options)
}

/**
 * A flow whose nodes run in no order, several at once. They do not see each other's symbols: all that they require is
 * asked of outside.
 */
export function unordered<
  const Id extends string,
  const N extends readonly Node[],
  const R extends Retry = RetryNever,
  const When extends string | Cel | undefined = undefined,
  const OnFailure extends 'continue' | undefined = undefined,
>(
  id: Id,
  nodes: InPlace<N, Walk<'unordered', N, RetryGives<R>, 'open'>>,
  options?: CompositionOptions<R, When, OnFailure>,
): Composition<
  Id,
  Asks<Walk<'unordered', N, RetryGives<R>, 'open'>, R, N>,
  Gives<Walk<'unordered', N, RetryGives<R>, 'open'>, R, When, OnFailure>,
  GuardBy<When>
>
export function unordered(
  id: string,
  nodes: readonly Node[],
  options: CompositionOptions = {},
): unknown {
  return compose('unordered', id, nodes, options)
}

/**
 * A flow whose nodes run in the order that follows from what they require and provide, and from `links`; several at once
 * where that allows it. A symbol has one provider in a graph.
 *
 * @example
 * graph("report", [load, sum, chart], { links: [{ from: "load", to: "chart", when: "rows > 0" }] })
 */
export function graph<
  const Id extends string,
  const N extends readonly Node[],
  const R extends Retry = RetryNever,
  const When extends string | Cel | undefined = undefined,
  const OnFailure extends 'continue' | undefined = undefined,
  const LinkWhen extends string | Cel | undefined = undefined,
>(
  id: Id,
  nodes: InPlace<N, Walk<'graph', N, RetryGives<R>, 'open', HasConditions<LinkWhen>>>,
  options?: GraphOptions<IdOf<NoInfer<N>[number]>, R, When, OnFailure, LinkWhen>,
): Composition<
  Id,
  Asks<Walk<'graph', N, RetryGives<R>, 'open', HasConditions<LinkWhen>>, R, N>,
  Gives<Walk<'graph', N, RetryGives<R>, 'open', HasConditions<LinkWhen>>, R, When, OnFailure>,
  GuardBy<When>
>
export function graph(id: string, nodes: readonly Node[], options: GraphOptions = {}): unknown {
  return compose('graph', id, nodes, options)
}

const OPTION_KEYS = ['retry', 'timeout', 'when', 'onFailure', 'onChildFailure', 'label', 'priority']

/** @internal A flow in a flow with that piece of a document. */
function compose(
  kind: FlowKind,
  id: string,
  nodes: readonly Node[],
  options: GraphOptions,
): unknown {
  const where = `${kind}(${describe(id)})`
  checkId(id, where)
  const source = {
    id,
    ...placement(options, where),
    ...flowPart(kind, nodes, options, OPTION_KEYS, where),
  } as SourceFlow // it has the keys of its kind
  return compositionOf(source, definitionsOf(nodes, options.retry))
}

function compositionOf(source: SourceFlow, definitions: readonly Definition[]): unknown {
  const id = source.id ?? ''
  const where = `the flow "${id}"`
  const change = (more: Partial<SourceFlow>): unknown => {
    return compositionOf({ ...source, ...more }, definitions)
  }
  const read = once(() => {
    const { id: _, ...rest } = source
    return readDocument({ flow: id, ...rest })
  })
  const tasks = once(() => definitionsByName(definitions, id))
  return Object.freeze({
    '~node': Object.freeze({ id, source: Object.freeze(source), definitions }),
    get document() {
      return read()
    },
    get tasks() {
      return tasks()
    },
    as: (newId: string) => change({ id: checkId(newId, where) }),
    when: (condition: string | Cel) => change({ when: conditionOf(condition, `${where}: when`) }),
    onFailure: (reaction: 'continue') => change({ onFailure: checkReaction(reaction, where) }),
    label: (label: string) => change({ label: checkText(label, `${where}: label`) }),
    priority: (priority: number) => change({ priority: checkPriority(priority, where) }),
  })
}

function placement(options: CompositionOptions, where: string): Partial<SourceFlow> {
  const { when, onFailure, label, priority } = options
  return {
    ...(when === undefined ? {} : { when: conditionOf(when, `${where}: when`) }),
    ...(onFailure === undefined ? {} : { onFailure: checkReaction(onFailure, where) }),
    ...(label === undefined ? {} : { label: checkText(label, `${where}: label`) }),
    ...(priority === undefined ? {} : { priority: checkPriority(priority, where) }),
  }
}
