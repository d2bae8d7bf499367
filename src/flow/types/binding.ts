/** What `.with()` and `.provides()` make of the symbols that a step asks for and gives. */
import type { Cel, From } from '../template-of.ts'
import type { Simplify } from './schema.ts'

/** What may be bound: each argument to a constant of its type, to a path or to an expression. */
export type Bindings<Args> = { readonly [K in keyof Args]?: Args[K] | From | Cel }

/**
 * What bindings of arguments have to be. Where one is no argument, what they have to be is something that they are not, and
 * so the compiler falls back to it and says which one, and which was probably meant.
 */
export type BindingsOf<Args, B> = [Exclude<keyof B, keyof Args>] extends [never]
  ? Bindings<Args>
  : Bindings<Args> & NothingElse

interface NothingElse {
  readonly '~nothing else': never
}

/** The symbols that are asked for when these arguments are bound. */
export type Bound<Requires, Args, B> = Simplify<
  Omit<Requires, keyof B> &
    Intersection<{ [K in keyof B & keyof Args]: Needed<B[K], Args[K]> }[keyof B & keyof Args]>
>

/** What a bound value asks for: a path asks for its symbol, with what lies on the way. */
type Needed<Value, Wanted> = Value extends From<infer Path> ? AlongPath<Path, Wanted> : unknown

export type AlongPath<Path extends string, Wanted> = Path extends `${infer Key}.${infer Rest}`
  ? { [K in Key]: AlongPath<Rest, Wanted> }
  : { [K in Path]: Exclude<Wanted, undefined> }

/** `A & B` of the union `A | B`. */
export type Intersection<Union> = (Union extends unknown ? (one: Union) => void : never) extends (
  all: infer All,
) => void
  ? All
  : never

/** The symbols of renamed results: perhaps absent where the result may be. */
export type Renamed<Result, Names> = Simplify<
  {
    [K in keyof Names as MayLack<Result, Names[K]> extends true ? never : K]: OneOf<
      Result,
      Names[K]
    >
  } & {
    [K in keyof Names as MayLack<Result, Names[K]> extends true ? K : never]?: OneOf<
      Result,
      Names[K]
    >
  }
>

type OneOf<Result, Name> = Name extends keyof Result ? Exclude<Result[Name], undefined> : Anything
type MayLack<Result, Name> = Name extends keyof Result
  ? {} extends Pick<Result, Name>
    ? true
    : false
  : false

/** The type of what only an expression knows: it fits everything. */
export type Anything = never
