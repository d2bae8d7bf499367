/**
 * SQL as text with its bindings beside it. A value can only become a binding: text comes from the literals of this folder
 * and from names that `tablePrefix` has passed.
 */

/** What a driver takes as a binding; lists are for PostgreSQL's arrays. */
export type Binding = string | number | boolean | null | readonly Cell[]

/** A value of a row that is sent to the database. */
export type Cell = string | number | boolean | null

/** A piece of SQL. Made by {@link sql}, {@link name} and {@link join} alone. */
export class Sql {
  /** With `?` for each binding. */
  readonly text: string
  readonly bindings: readonly Binding[]

  constructor(text: string, bindings: readonly Binding[]) {
    this.text = text
    this.bindings = bindings
  }
}

/** A piece of SQL: pieces in `${}` are put in, values become bindings. */
export function sql(strings: TemplateStringsArray, ...parts: readonly (Sql | Binding)[]): Sql {
  let text = strings[0] ?? ''
  const bindings: Binding[] = []
  for (const [at, part] of parts.entries()) {
    if (part instanceof Sql) {
      text += part.text
      bindings.push(...part.bindings)
    } else {
      text += '?'
      bindings.push(part)
    }
    text += strings[at + 1] ?? ''
  }
  return new Sql(text, bindings)
}

/** A name, or another text that this code knows, as a piece of SQL. */
export function name(text: string): Sql {
  return new Sql(text, [])
}

/** Pieces with a separator between them. */
export function join(parts: readonly Sql[], separator: string): Sql {
  return new Sql(
    parts.map(({ text }) => text).join(separator),
    parts.flatMap(({ bindings }) => bindings),
  )
}

/** Nothing. */
export const nothing = name('')

/** A row as a driver gives it. */
export type Row = { readonly [column: string]: unknown }

/** Runs a statement and gives its rows. */
export interface Executor {
  /** `named`: PostgreSQL keeps the statement under this name, parsed and planned, on each connection. */
  run(statement: Sql, named?: string): Promise<readonly Row[]>
}
