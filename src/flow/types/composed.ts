/** What the builders' signatures use: the types of nodes in their place, and of what is composed of them. */
import type { FlowKind } from '../names.ts'
import type { Cel, From } from '../template-of.ts'
import type { AlongPath, Anything, Intersection } from './binding.ts'
import type { NoSuchSymbol } from './messages.ts'
import type { Node, RequiresOf } from './node.ts'
import type { Simplify } from './schema.ts'
import type { Mode, Unwalked, Walked, WalkGraph, WalkLinear, WalkUnordered } from './walk.ts'

type Ten = readonly [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]
type Fifty = readonly [...Ten, ...Ten, ...Ten, ...Ten, ...Ten]
/** 0 to 150: lists that are longer are left to the check at run time. */
type Walkable = Partial<readonly [...Fifty, ...Fifty, ...Fifty]>['length']

/** The walk over a list, unless the compiler cannot see into it. */
export type Walk<
  Kind extends FlowKind,
  N extends readonly Node[],
  Start,
  M extends Mode,
  HasConditions = false,
> = number extends N['length'] ? Unwalked : WalkShort<Kind, N, Start, M, HasConditions>

type WalkShort<
  Kind extends FlowKind,
  N extends readonly Node[],
  Start,
  M extends Mode,
  HasConditions,
> = N['length'] extends Walkable ? WalkOf<Kind, N, Start, M, HasConditions> : Unwalked

type WalkOf<
  Kind extends FlowKind,
  N extends readonly Node[],
  Start,
  M extends Mode,
  HasConditions,
> = Kind extends 'linear'
  ? WalkLinear<N, Start, M>
  : Kind extends 'unordered'
    ? WalkUnordered<N, Start, M>
    : WalkGraph<N, Start, M, HasConditions>

/** Each node, or the sentence that says what is wrong with it. `N[K]` lets the compiler infer the list. */
export type InPlace<N extends readonly Node[], W extends Walked> = {
  readonly [K in keyof N]: K extends keyof W['faults']
    ? [W['faults'][K]] extends [never]
      ? N[K]
      : W['faults'][K]
    : N[K]
}

/** What a composition asks for: what its nodes and its retry do. */
export type Asks<W extends Walked, Retry, N extends readonly Node[]> = unknown extends W['asks']
  ? unknown
  : Simplify<W['asks'] & RetryAsks<Retry, N>>

/** What a composition gives, its retry included: only perhaps, if it may be skipped. */
export type Gives<W extends Walked, Retry, When, OnFailure> = unknown extends W['gives']
  ? unknown
  : [When, OnFailure] extends [undefined, undefined]
    ? Simplify<WithRetry<W['gives'], Retry>>
    : Partial<WithRetry<W['gives'], Retry>>

type WithRetry<Provides, Retry> = [keyof RetryGives<Retry>] extends [never]
  ? Provides
  : Provides & Omit<RetryGives<Retry>, keyof Provides>

/** Whether a composition has a condition of its own. */
export type GuardBy<When> = [When] extends [undefined] ? false : 'flow'

/** Whether links have conditions, by the type of those. */
export type HasConditions<When> = [When] extends [undefined] ? false : true

/** The symbol that a retry provides to its flow. */
export type RetryGives<Retry> = Retry extends { readonly provides: infer S extends string }
  ? Retry extends { readonly attempts: unknown }
    ? { [K in S]: number }
    : Retry extends { readonly forEach: readonly (infer Value)[] }
      ? { [K in S]: Value }
      : Retry extends { readonly strategy: { readonly '~value'?: infer Value } }
        ? { [K in S]: unknown extends Value ? Anything : Exclude<Value, undefined> }
        : { [K in S]: Anything }
  : {}

/** What a retry asks for: the list at the path of its `forEach`, of what the nodes require of its values. */
type RetryAsks<Retry, N extends readonly Node[]> = Retry extends {
  readonly forEach: From<infer Path>
}
  ? Retry extends { readonly provides: infer S }
    ? AlongPath<Path, readonly Wanted<S, RequiresOf<N[number]>>[]>
    : AlongPath<Path, readonly unknown[]>
  : {}

type Wanted<S, Requires> = Intersection<
  Requires extends unknown ? (S extends keyof Requires ? Requires[S] : unknown) : never
>

/** The output as it is written, or what is wrong with an entry. */
export type OutputInPlace<Output, Scope> = {
  readonly [K in keyof Output]: Output[K] extends From<infer Path>
    ? AtPath<Scope, Path> extends NotThere
      ? NoSuchSymbol<K, Path>
      : Output[K]
    : Output[K]
}

/** The values of an output. What an expression gives is not known. */
export type OutputValues<Output, Scope> = {
  -readonly [K in keyof Output]: Output[K] extends From<infer Path>
    ? AtPath<Scope, Path>
    : Output[K] extends Cel
      ? unknown
      : Output[K] extends object
        ? OutputValues<Output[K], Scope>
        : Output[K]
}

export interface NotThere {
  readonly 'nothing is there': true
}

type AtPath<Scope, Path extends string> = Path extends `${infer Key}.${infer Rest}`
  ? Key extends keyof Scope
    ? AtPath<Scope[Key], Rest>
    : NotThere
  : Path extends keyof Scope
    ? Scope[Path]
    : NotThere
