/** The walks over lists of nodes: what is wrong with each, what they ask for together, what they give together. */
import type { Intersection } from './binding.ts'
import type {
  IdTwice,
  MayBeSkipped,
  NothingProvides,
  NotInGraph,
  ProvidedBeside,
  ProvidedLater,
  TwoProviders,
  WRONG_TYPE,
} from './messages.ts'
import type { IdOf, Node, ProvidesOf, RequiresOf } from './node.ts'
import type { FindAll, Merged, Missing, Other, Perhaps, Push } from './scope.ts'

/** What a walk gives: a fault or `never` for each node, the symbols asked for, the symbols given. */
export interface Walked<
  Faults extends readonly unknown[] = readonly unknown[],
  Asks = unknown,
  Gives = unknown,
> {
  readonly faults: Faults
  readonly asks: Asks
  readonly gives: Gives
}

/** `closed`: what nobody before a node provides is a fault. `open`: it is asked of outside. */
export type Mode = 'closed' | 'open'

/** A list that the compiler cannot see into, or that is too long for it: left to the check at run time. */
export type Unwalked = Walked<readonly [], unknown, unknown>

/** One after the other: each sees what those before it provide, and `Start`. */
export type WalkLinear<N extends readonly Node[], Start, M extends Mode> = Step<
  N,
  readonly [Start],
  never,
  M,
  [],
  {},
  Start
>

type Step<
  N extends readonly Node[],
  Layers extends readonly unknown[],
  Ids,
  M extends Mode,
  Faults extends readonly unknown[],
  Asks,
  Start,
> = N extends readonly [infer Head extends Node, ...infer Tail extends readonly Node[]]
  ? IdOf<Head> extends Ids
    ? Step<
        Tail,
        Push<Layers, ProvidesOf<Head>>,
        Ids,
        M,
        [...Faults, IdTwice<IdOf<Head>>],
        Asks,
        Start
      >
    : Layers[0] extends RequiresOf<Head>
      ? Step<
          Tail,
          Push<Layers, ProvidesOf<Head>>,
          WithId<Ids, IdOf<Head>>,
          M,
          [...Faults, never],
          Asks,
          Start
        >
      : Step<
          Tail,
          Push<Layers, ProvidesOf<Head>>,
          WithId<Ids, IdOf<Head>>,
          M,
          [
            ...Faults,
            LinearFaults<Head, FindAll<RequiresOf<Head>, Layers>, M, Tail>[keyof RequiresOf<Head>],
          ],
          M extends 'open'
            ? Asks & Unmet<RequiresOf<Head>, FindAll<RequiresOf<Head>, Layers>>
            : Asks,
          Start
        >
  : Walked<Faults, Asks, Merged<Layers, Start>>

/** An id that is any text says nothing. */
type WithId<Ids, Id> = string extends Id ? Ids : Ids | Id

/** What has to be asked of outside, for nobody before provides it for sure. */
type Unmet<Requires, Finds> = {
  [
    K in keyof Requires as K extends keyof Finds
      ? Finds[K] extends Missing | Perhaps
        ? K
        : never
      : never
  ]: Requires[K]
}

/**
 * By symbol. Whoever wants them all indexes it there and then: a name for their union would be printed in their place.
 */
type LinearFaults<Head extends Node, Finds, M extends Mode, Tail extends readonly Node[]> = {
  [K in keyof Finds]: Finds[K] extends Other<infer Provided>
    ? WRONG_TYPE<IdOf<Head>, K, Provided, RequiredType<RequiresOf<Head>, K>>
    : M extends 'open'
      ? never
      : IsOptional<RequiresOf<Head>, K> extends true
        ? never
        : Finds[K] extends Perhaps
          ? MayBeSkipped<IdOf<Head>, K>
          : Finds[K] extends Missing
            ? [ProviderOf<K, Tail>] extends [never]
              ? NothingProvides<IdOf<Head>, K>
              : ProvidedLater<IdOf<Head>, K, ProviderOf<K, Tail>>
            : never
}

type RequiredType<Requires, K> = K extends keyof Requires ? Exclude<Requires[K], undefined> : never
type IsOptional<Requires, K> = K extends keyof Requires
  ? {} extends Pick<Requires, K>
    ? true
    : false
  : false

/** The id of the first node that provides a symbol. */
type ProviderOf<K, N extends readonly Node[]> = N extends readonly [
  infer Head extends Node,
  ...infer Tail extends readonly Node[],
]
  ? K extends keyof ProvidesOf<Head>
    ? IdOf<Head>
    : ProviderOf<K, Tail>
  : never

/** In no order: each sees `Start` alone. */
export type WalkUnordered<N extends readonly Node[], Start, M extends Mode> = Flat<
  N,
  readonly [Start],
  never,
  M,
  'unordered',
  [],
  {},
  never,
  N,
  Intersection<ProvidesOf<N[number]>>
>

/** In an order that follows: each sees what all of them provide, and `Start`. */
export type WalkGraph<N extends readonly Node[], Start, M extends Mode> = Flat<
  N,
  Push<readonly [Start], Intersection<ProvidesOf<N[number]>>>,
  never,
  M,
  'graph',
  [],
  {},
  never,
  N,
  Intersection<ProvidesOf<N[number]>>
>

type Flat<
  N extends readonly Node[],
  Layers extends readonly unknown[],
  Ids,
  M extends Mode,
  Kind,
  Faults extends readonly unknown[],
  Asks,
  Taken,
  All extends readonly Node[],
  Gives,
> = N extends readonly [infer Head extends Node, ...infer Tail extends readonly Node[]]
  ? Flat<
      Tail,
      Layers,
      WithId<Ids, IdOf<Head>>,
      M,
      Kind,
      [
        ...Faults,
        IdOf<Head> extends Ids
          ? IdTwice<IdOf<Head>>
          : Kind extends 'graph'
            ? [Taken & keyof ProvidesOf<Head>] extends [never]
              ? FlatFault<Head, Layers, M, Kind, All>
              : TwoProviders<IdOf<Head>, Taken & keyof ProvidesOf<Head>>
            : FlatFault<Head, Layers, M, Kind, All>,
      ],
      M extends 'open'
        ? Layers[0] extends RequiresOf<Head>
          ? Asks
          : Asks & Unmet<RequiresOf<Head>, FindAll<RequiresOf<Head>, Layers>>
        : Asks,
      Taken | keyof ProvidesOf<Head>,
      All,
      Gives
    >
  : Walked<Faults, Asks, Gives>

type FlatFault<
  Head extends Node,
  Layers extends readonly unknown[],
  M extends Mode,
  Kind,
  All extends readonly Node[],
> =
  Layers[0] extends RequiresOf<Head>
    ? never
    : FaultsBeside<Head, FindAll<RequiresOf<Head>, Layers>, M, Kind, All>[keyof RequiresOf<Head>]

type FaultsBeside<Head extends Node, Finds, M extends Mode, Kind, All extends readonly Node[]> = {
  [K in keyof Finds]: Finds[K] extends Other<infer Provided>
    ? WRONG_TYPE<IdOf<Head>, K, Provided, RequiredType<RequiresOf<Head>, K>>
    : M extends 'open'
      ? never
      : IsOptional<RequiresOf<Head>, K> extends true
        ? never
        : Finds[K] extends Perhaps
          ? MayBeSkipped<IdOf<Head>, K>
          : Finds[K] extends Missing
            ? Kind extends 'graph'
              ? NotInGraph<IdOf<Head>, K>
              : [ProviderOf<K, All>] extends [never]
                ? NothingProvides<IdOf<Head>, K>
                : ProvidedBeside<IdOf<Head>, K, ProviderOf<K, All>>
            : never
}
