/**
 * Symbols in scope, while the type checker walks a list of nodes.
 *
 * Invariants
 * S1  A scope is a stack of layers, the newest first. Symbols are never merged by a mapped type while walking: that nests a
 *     level for each node and ends in TS2589 after 30 to 50 of them. A layer grows by intersection as long as keys differ.
 * S2  An optional property of a layer is a symbol that is only perhaps there; the search goes on below it.
 * S3  Each guard is a conditional type of its own, for the arguments of a type are evaluated before its condition.
 */
import type { Anything } from './binding.ts'

/** A layer in which every symbol is found: what nodes of unknown types provide. */
export type Everything = { readonly [symbol: string]: Anything }

/** The stack with what a node provides on top. */
export type Push<Layers extends readonly unknown[], Provides> = unknown extends Provides
  ? readonly [Everything, ...Layers]
  : Layers extends readonly [infer Top, ...infer Rest]
    ? [keyof Top & keyof Provides] extends [never]
      ? readonly [Top & Provides, ...Rest]
      : readonly [Provides, ...Layers]
    : readonly [Provides]

/** What the search for a symbol finds. */
export type Found = 'found'
export type Missing = 'missing'
export type Perhaps = 'perhaps'
export interface Other<Type> {
  readonly provided: Type
}

/** Looks for each required symbol. */
export type FindAll<Requires, Layers extends readonly unknown[]> = {
  [K in keyof Requires]-?: Find<Layers, K, Exclude<Requires[K], undefined>, Missing>
}

type Find<Layers extends readonly unknown[], K, Wanted, SoFar> = Layers extends readonly [
  infer Top,
  ...infer Rest,
]
  ? K extends keyof Top
    ? [Exclude<Top[K], undefined>] extends [Wanted]
      ? {} extends Pick<Top, K>
        ? Find<Rest, K, Wanted, Perhaps>
        : Found
      : Other<Exclude<Top[K], undefined>>
    : Find<Rest, K, Wanted, SoFar>
  : SoFar

/** The symbols of a stack as one type, newer layers first; without those of the bottom that `Start` has. */
export type Merged<Layers extends readonly unknown[], Start> = MergeLayers<Layers, Start, {}>

type MergeLayers<Layers extends readonly unknown[], Start, Merge> = Layers extends readonly [
  infer Bottom,
]
  ? Add<Merge, Omit<Bottom, keyof Start>>
  : Layers extends readonly [infer Top, ...infer Rest]
    ? MergeLayers<Rest, Start, [keyof Merge] extends [never] ? Top : Add<Merge, Top>>
    : Merge

/** Newer symbols and older ones; one that is only perhaps there falls back to the older one of its name. */
type Add<Newer, Older> = Newer &
  Omit<Older, keyof Newer> &
  FallBack<Pick<Older, keyof Older & Unsure<Newer>>, Newer>

type FallBack<Older, Newer> = {
  [K in keyof Older]: Older[K] | (K extends keyof Newer ? Exclude<Newer[K], undefined> : never)
}

/** The symbols that are only perhaps there. */
type Unsure<Provides> =
  Provides extends Required<Provides>
    ? never
    : { [K in keyof Provides]-?: {} extends Pick<Provides, K> ? K : never }[keyof Provides]
