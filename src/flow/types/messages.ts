/** What is wrong with a node, as types that the compiler prints: sentences, or names with their arguments. */

/** The provider gives another type than the node requires. */
export type WRONG_TYPE<Node, Symbol, Provided, Required> =
  'what is provided is not what the node requires' & {
    readonly node: Node
    readonly symbol: Symbol
    readonly provided: Provided
    readonly required: Required
  }

type Text<T> = T & string

export type NothingProvides<Id, K> =
  `${Text<Id>} requires '${Text<K>}', which nothing before it provides`

export type ProvidedLater<Id, K, Later> =
  `${Text<Id>} requires '${Text<K>}', which only '${Text<Later>}' after it provides`

export type NotInGraph<Id, K> =
  `${Text<Id>} requires '${Text<K>}', which no node of this graph and no input provides`

export type ProvidedBeside<Id, K, Sibling> =
  `${Text<Id>} requires '${Text<K>}', which only its sibling '${Text<Sibling>}' provides: use linear or graph`

export type MayBeSkipped<Id, K> = `${Text<Id>} requires '${Text<K>}', whose provider may be skipped`

export type InputMayBeAbsent<Id, K> =
  `${Text<Id>} requires '${Text<K>}', an input that may be absent`

export type TwoProviders<Id, K> =
  `${Text<Id>} provides '${Text<K>}', which another node of this graph provides too`

export type IdTwice<Id> = `the id '${Text<Id>}' is used twice; give one of them another by .as()`

export type NoSuchSymbol<Name, Path> =
  `the output '${Text<Name>}' is '${Text<Path>}', which nothing in this flow provides`
