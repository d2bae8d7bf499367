/** The walks over lists of nodes: what is wrong with each, what they ask for together, what they give together. */
import type { Intersection } from './binding.ts'
import type {
  IdTwice,
  InputMayBeAbsent,
  MayBeSkipped,
  NothingProvides,
  NotInGraph,
  ProvidedBeside,
  ProvidedLater,
  TwoProviders,
  WRONG_TYPE,
} from './messages.ts'
import type { Guard, GuardOf, IdOf, Node, ProvidesOf, RequiresOf } from './node.ts'
import type { FindAll, Found, Merged, Missing, Other, Perhaps, Push } from './scope.ts'

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
export type Unwalked = Walked<readonly []>

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
            LinearFaults<
              Head,
              FindAll<RequiresOf<Head>, Layers>,
              M,
              Tail,
              Start
            >[keyof RequiresOf<Head>],
          ],
          M extends 'open'
            ? Asks & Unmet<RequiresOf<Head>, FindAll<RequiresOf<Head>, Layers>, GuardOf<Head>>
            : Asks,
          Start
        >
  : Walked<Faults, Asks, Merged<Layers, Start>>

/** An id that is any text says nothing. */
type WithId<Ids, Id> = string extends Id ? Ids : Ids | Id

/** What has to be asked of outside, for nobody before provides it for sure; who has a condition may do without. */
type Unmet<Requires, Finds, G extends Guard> = G extends false
  ? Of<Requires, Finds, Missing | Perhaps>
  : G extends 'flow'
    ? Partial<Of<Requires, Finds, Missing | Perhaps>>
    : Of<Requires, Finds, Missing> & Partial<Of<Requires, Finds, Perhaps>>

type Of<Requires, Finds, Kind> = {
  [
    K in keyof Requires as K extends keyof Finds ? (Finds[K] extends Kind ? K : never) : never
  ]: Requires[K]
}

/**
 * By symbol. Whoever wants them all indexes it there and then: a name for their union would be printed in their place.
 */
type LinearFaults<Head extends Node, Finds, M extends Mode, Tail extends readonly Node[], Start> = {
  [K in keyof Finds]: Finds[K] extends Other<infer Provided>
    ? WRONG_TYPE<IdOf<Head>, K, Provided, RequiredType<RequiresOf<Head>, K>>
    : IsFree<Head, K, Finds[K], M> extends true
      ? never
      : Finds[K] extends Perhaps
        ? OnlyPerhaps<IdOf<Head>, K, Start>
        : [ProviderOf<K, Tail>] extends [never]
          ? NothingProvides<IdOf<Head>, K>
          : ProvidedLater<IdOf<Head>, K, ProviderOf<K, Tail>>
}

/** Whether what was found of a symbol is no fault. */
type IsFree<Head extends Node, K, Find, M extends Mode> = Find extends Found
  ? true
  : M extends 'open'
    ? true
    : IsOptional<RequiresOf<Head>, K> extends true
      ? true
      : GuardOf<Head> extends false
        ? false
        : GuardOf<Head> extends 'flow'
          ? true
          : Find extends Perhaps
            ? true
            : false

type OnlyPerhaps<Id, K, Start> = K extends keyof Start
  ? InputMayBeAbsent<Id, K>
  : MayBeSkipped<Id, K>

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
  M,
  Unordered<N, Start>
>

/**
 * In an order that follows: each sees what all of them provide, and `Start`. Where links have conditions, who is there
 * when is left to the check at run time.
 */
export type WalkGraph<N extends readonly Node[], Start, M extends Mode, HasConditions> = Flat<
  N,
  Push<readonly [Start], Intersection<ProvidesOf<N[number]>>>,
  M,
  Graph<N, Start, HasConditions>
>

/** What stays the same on a walk in no order. */
interface Unordered<N extends readonly Node[], Start> {
  readonly kind: 'unordered'
  readonly all: N
  readonly start: Start
  readonly gives: Intersection<ProvidesOf<N[number]>>
}
interface Graph<N extends readonly Node[], Start, HasConditions> {
  readonly kind: HasConditions extends true ? 'conditional' : 'graph'
  readonly all: N
  readonly start: Start
  readonly gives: Intersection<ProvidesOf<N[number]>>
}
interface Around {
  readonly kind: 'unordered' | 'graph' | 'conditional'
  readonly all: readonly Node[]
  readonly start: unknown
  readonly gives: unknown
}

type Flat<
  N extends readonly Node[],
  Layers extends readonly unknown[],
  M extends Mode,
  A extends Around,
  Ids = never,
  Faults extends readonly unknown[] = [],
  Asks = {},
  Taken = never,
> = N extends readonly [infer Head extends Node, ...infer Tail extends readonly Node[]]
  ? Flat<
      Tail,
      Layers,
      M,
      A,
      WithId<Ids, IdOf<Head>>,
      [
        ...Faults,
        IdOf<Head> extends Ids
          ? IdTwice<IdOf<Head>>
          : A['kind'] extends 'graph'
            ? [Taken & Sure<ProvidesOf<Head>>] extends [never]
              ? FlatFault<Head, SeenBy<Head, Layers, A>, M, A>
              : TwoProviders<IdOf<Head>, Taken & Sure<ProvidesOf<Head>>>
            : FlatFault<Head, SeenBy<Head, Layers, A>, M, A>,
      ],
      M extends 'open'
        ? SeenBy<Head, Layers, A>[0] extends RequiresOf<Head>
          ? Asks
          : Asks &
              Unmet<
                RequiresOf<Head>,
                FindAll<RequiresOf<Head>, SeenBy<Head, Layers, A>>,
                FlatGuard<Head, A>
              >
        : Asks,
      A['kind'] extends 'graph' ? Taken | Sure<ProvidesOf<Head>> : never
    >
  : Walked<Faults, Asks, A['gives']>

/** The symbols that are provided for sure. */
type Sure<Provides> = unknown extends Provides
  ? never
  : Provides extends Required<Provides>
    ? keyof Provides
    : { [K in keyof Provides]-?: {} extends Pick<Provides, K> ? never : K }[keyof Provides]

/** What a node sees: not what it gives itself, where it requires a symbol of that name. */
type SeenBy<
  Head extends Node,
  Layers extends readonly unknown[],
  A extends Around,
> = A['kind'] extends 'graph'
  ? [keyof RequiresOf<Head> & keyof ProvidesOf<Head>] extends [never]
    ? Layers
    : readonly [Omit<A['gives'], keyof RequiresOf<Head> & keyof ProvidesOf<Head>>, A['start']]
  : Layers

/** Where links have conditions, whoever is skipped is so by the same link, or knows. */
type FlatGuard<Head extends Node, A extends Around> = A['kind'] extends 'conditional'
  ? GuardOf<Head> extends false
    ? 'step'
    : GuardOf<Head>
  : GuardOf<Head>

type FlatFault<
  Head extends Node,
  Layers extends readonly unknown[],
  M extends Mode,
  A extends Around,
> =
  Layers[0] extends RequiresOf<Head>
    ? never
    : FlatFaults<Head, FindAll<RequiresOf<Head>, Layers>, M, A>[keyof RequiresOf<Head>]

type FlatFaults<Head extends Node, Finds, M extends Mode, A extends Around> = {
  [K in keyof Finds]: Finds[K] extends Other<infer Provided>
    ? WRONG_TYPE<IdOf<Head>, K, Provided, RequiredType<RequiresOf<Head>, K>>
    : IsFree<Head, K, Finds[K], M> extends true
      ? never
      : Finds[K] extends Perhaps
        ? A['kind'] extends 'conditional'
          ? never
          : OnlyPerhaps<IdOf<Head>, K, A['start']>
        : A['kind'] extends 'unordered'
          ? [ProviderOf<K, A['all']>] extends [never]
            ? NothingProvides<IdOf<Head>, K>
            : ProvidedBeside<IdOf<Head>, K, ProviderOf<K, A['all']>>
          : NotInGraph<IdOf<Head>, K>
}
