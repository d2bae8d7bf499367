/** Schemas on the level of types: what a task takes and gives, from the schemas of its symbols. */

/** A schema of any library that speaks Standard Schema 1 (zod, valibot, arktype) and can say what it is in JSON Schema. */
export interface Schema<Input = unknown, Output = Input> {
  readonly '~standard': {
    readonly version: 1
    readonly vendor: string
    readonly validate: (value: unknown) => SchemaAnswer<Output> | Promise<SchemaAnswer<Output>>
    readonly types?: { readonly input: Input; readonly output: Output } | undefined
    readonly jsonSchema?:
      | {
          readonly input: (options: { readonly target: 'draft-2020-12' }) => Record<string, unknown>
          readonly output: (options: {
            readonly target: 'draft-2020-12'
          }) => Record<string, unknown>
        }
      | undefined
  }
}

export type SchemaAnswer<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly SchemaIssue[] }

export interface SchemaIssue {
  readonly message: string
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined
}

/** Symbols by name, each with its schema: `{ sku: z.string(), quantity: z.int() }`. */
export type Shape = { readonly [symbol: string]: Schema }

type InputOfSchema<S extends Schema> = NonNullable<S['~standard']['types']>['input']
type OutputOfSchema<S extends Schema> = NonNullable<S['~standard']['types']>['output']

/** Whether undefined is among the values of T; `unknown` and `any` do not count. */
type MayBeAbsent<T> = unknown extends T ? false : undefined extends T ? true : false

/** Prints as a plain object. */
export type Simplify<T> = { [K in keyof T]: T[K] } & {}

/** What has to be given for a shape: optional symbols and those with a default may be left out. */
export type Taken<S extends Shape> = Simplify<
  {
    [K in keyof S as MayBeAbsent<InputOfSchema<S[K]>> extends true ? never : K]: InputOfSchema<S[K]>
  } & {
    [K in keyof S as MayBeAbsent<InputOfSchema<S[K]>> extends true ? K : never]?: Exclude<
      InputOfSchema<S[K]>,
      undefined
    >
  }
>

/** What a shape gives once it was checked: defaults are filled in, optional symbols may be absent. */
export type Given<S extends Shape> = Simplify<
  {
    [K in keyof S as MayBeAbsent<OutputOfSchema<S[K]>> extends true ? never : K]: OutputOfSchema<
      S[K]
    >
  } & {
    [K in keyof S as MayBeAbsent<OutputOfSchema<S[K]>> extends true ? K : never]?: Exclude<
      OutputOfSchema<S[K]>,
      undefined
    >
  }
>
