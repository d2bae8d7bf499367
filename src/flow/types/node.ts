/** What the type of a node knows: its id, the symbols that it asks for, the symbols that it gives. */
import type { Definition } from '../definition.ts'
import type { SourceNode } from '../document.ts'

/**
 * Whether a node has a condition of its own. Who has one may know that a symbol is there that is only perhaps provided; a
 * `flow` may do so for the nodes in it.
 */
export type Guard = false | 'step' | 'flow'

/**
 * Anything that flows are composed of: a step of a task, or a flow in a flow. `Requires` are the symbols that somebody
 * before or outside has to provide (optional ones are optional properties), `Provides` those that it gives (optional
 * properties: only perhaps, for it may be skipped).
 */
export interface Node<
  Id extends string = string,
  Requires = unknown,
  Provides = unknown,
  G extends Guard = Guard,
> {
  readonly '~node': NodeFacts<Id, Requires, Provides, G>
}

/** @internal Under one property, so that the names of a node's methods are free. */
export interface NodeFacts<Id extends string, Requires, Provides, G extends Guard> {
  readonly id: Id
  /** The node as the document has it. */
  readonly source: SourceNode
  /** Of all tasks and strategies in it. */
  readonly definitions: readonly Definition[]
  /** For TypeScript alone, as are the next two; absent at run time. */
  readonly requires: Requires
  readonly provides: Provides
  readonly guard: G
}

export type IdOf<N extends Node> = N['~node']['id']
export type RequiresOf<N extends Node> = N['~node']['requires']
export type ProvidesOf<N extends Node> = N['~node']['provides']
export type GuardOf<N extends Node> = N['~node']['guard']
