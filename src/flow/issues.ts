import { formatPath } from '../base/codec.ts'
import { InvalidFlowError, type Issue } from '../base/errors.ts'
import type { Problem } from './choice.ts'

/** Where in a text something stands, from 1. */
export interface Position {
  readonly line: number
  readonly column: number
}

/** Finds the place in the text that a document came from. */
export type Locate = (path: readonly PropertyKey[]) => Position | undefined

/** Issues that are collected; more would only be noise, and comparing names for each costs time. */
const MAX_ISSUES = 100

/** What is wrong with one document, gathered while it is checked. */
export class Issues {
  readonly #found: Issue[] = []
  readonly #seen = new Set<string>()
  readonly #locate: Locate | undefined
  readonly #source: string | undefined

  constructor(
    options: { readonly locate?: Locate | undefined; readonly source?: string | undefined } = {},
  ) {
    this.#locate = options.locate
    this.#source = options.source
  }

  /** Whether enough was found to stop looking. */
  get isFull(): boolean {
    return this.#found.length >= MAX_ISSUES
  }

  get count(): number {
    return this.#found.length
  }

  add(path: readonly PropertyKey[], problem: Problem): void {
    if (this.isFull) return
    const where = formatPath(path)
    const key = `${where}\n${problem.message}`
    if (this.#seen.has(key)) return
    this.#seen.add(key)
    const at = this.#locate?.(path)
    this.#found.push({
      path: where,
      message: problem.message,
      ...(problem.expected === undefined ? {} : { expected: problem.expected }),
      ...(problem.got === undefined ? {} : { got: problem.got }),
      ...(at === undefined ? {} : at),
      ...(problem.hint === undefined ? {} : { hint: problem.hint }),
    })
  }

  /** Throws {@link InvalidFlowError} when anything was found. */
  throwIfAny(flow?: string): void {
    if (this.#found.length === 0) return
    throw new InvalidFlowError(this.#found, { flow, source: this.#source })
  }
}
