/**
 * The resolved document: a flow with signatures, defaults, topics and versions settled when it is posted. This is what
 * is compiled, run and resumed; the deployed code's idea of the flow is never asked again.
 *
 * Invariants
 * R1  It is complete: to compile and to bind it needs nothing but itself.
 * R2  It is JSON, stored once under the hash of its canonical form.
 * R3  Values under `with`, `provides`, `output` and in retries are templates: strings in them may hold `${{ … }}`.
 */
import type { Json } from '../base/json.ts'

/** A JSON Schema (the stated subset that documents use). */
export type JsonSchema = { readonly [key: string]: Json }

/** A JSON value whose strings may hold `${{ expression }}`; `$${{` is a literal `${{`. */
export type Template = Json

/** Version of this form. A conductor runs its own and the previous one. */
export const RESOLVED_FORMAT = 1

/** Version of the machine's semantics that a run was started under. */
export const SEMANTICS = 1

export const DECIDER_DEPTHS = ['path', 'atom', 'neighbors', 'flow', 'all'] as const
export type DeciderDepth = (typeof DECIDER_DEPTHS)[number]

export const ON_CHILD_FAILURE = ['wait', 'abort', 'finish'] as const
export type OnChildFailure = (typeof ON_CHILD_FAILURE)[number]

export interface ResolvedDocument {
  readonly format: number
  readonly flow: string
  readonly version?: number | undefined
  readonly description?: string | undefined
  /** Hash of the source document that this was resolved from. */
  readonly source: string
  /** False for a flow that was written with `linear`, `unordered` or `graph`: what it needs from outside is its input. */
  readonly closed: boolean
  readonly input: { readonly [symbol: string]: ResolvedSymbol }
  /** Absent: every symbol that the flow provides. */
  readonly output?: { readonly [name: string]: Template } | undefined
  readonly labels?: { readonly [name: string]: string } | undefined
  /** The flow itself; its id is the flow's name. */
  readonly root: ResolvedFlow
}

/** A symbol as input or result: its schema, and whether it may be absent. */
export interface ResolvedSymbol {
  readonly schema: JsonSchema
  readonly optional?: boolean | undefined
  readonly default?: Json | undefined
}

export type ResolvedNode = ResolvedTask | ResolvedFlow

interface ResolvedCommon {
  readonly id: string
  readonly label?: string | undefined
  /** CEL text without `${{ }}`; false skips the node. */
  readonly when?: string | undefined
  readonly onFailure?: 'continue' | undefined
  /** Bigger first among atoms that are ready at the same time. Default 0. */
  readonly priority?: number | undefined
}

export interface ResolvedTask extends ResolvedCommon {
  readonly kind: 'task'
  /** Name of the task in a worker's registry. */
  readonly task: string
  readonly topic?: string | undefined
  /** The task's arguments. */
  readonly requires: { readonly [argument: string]: ResolvedSymbol }
  /** Bindings by argument; an argument that is not here binds the symbol of its own name. */
  readonly with?: { readonly [argument: string]: Template } | undefined
  /** Symbols that this node provides: the result's key of that name (`value` absent), or a template over `result`. */
  readonly provides: {
    readonly [symbol: string]: ResolvedSymbol & { readonly value?: Template | undefined }
  }
  readonly retry?: ResolvedTaskRetry | undefined
  readonly revertRetry?: ResolvedTaskRetry | undefined
  readonly timeoutMs?: number | undefined
  /** Longest silence of one attempt. */
  readonly heartbeatMs?: number | undefined
  readonly repeat?: 'never' | undefined
  /** Whether the task has a `revert`; without one it reverts to nothing, at once. */
  readonly revert: boolean
}

export interface ResolvedFlow extends ResolvedCommon {
  readonly kind: 'linear' | 'unordered' | 'graph'
  readonly nodes: readonly ResolvedNode[]
  /** Graph only: explicit edges between the ids of its nodes, beside those that symbols make. */
  readonly links?: readonly ResolvedLink[] | undefined
  readonly retry?: ResolvedRetry | undefined
  readonly timeoutMs?: number | undefined
  readonly onChildFailure?: OnChildFailure | undefined
}

export interface ResolvedLink {
  readonly from: string
  readonly to: string
  /** CEL text without `${{ }}`. */
  readonly when?: string | undefined
  readonly depth?: DeciderDepth | undefined
}

/** Attempts of one task: same atom, nothing reverted. `attempts` counts all tries. */
export interface ResolvedTaskRetry {
  /** A number, or a template that gives one. */
  readonly attempts: number | string
  readonly delayMs?: number | undefined
  readonly factor?: number | undefined
  readonly maxDelayMs?: number | undefined
  /** 0 to 1: the share of the delay that is random. */
  readonly jitter?: number | undefined
  /** CEL text over `failure` and the symbols in scope: false ends the attempts. */
  readonly when?: string | undefined
}

/** Controller of a flow: asked when something in it failed. */
export type ResolvedRetry =
  | (ResolvedTaskRetry & {
      readonly kind: 'times'
      readonly provides?: string | undefined
      readonly then?: 'revertAll' | undefined
    })
  | {
      readonly kind: 'forEach'
      /** A list, or a template that gives one. */
      readonly values: Template
      readonly delayMs?: number | undefined
      readonly when?: string | undefined
      readonly provides?: string | undefined
      readonly then?: 'revertAll' | undefined
    }
  | { readonly kind: 'never'; readonly answer: 'revert' | 'revertAll' }
  | {
      readonly kind: 'strategy'
      /** Name of a retry strategy in a worker's registry; its `decide(history)` runs where tasks run. */
      readonly strategy: string
      readonly topic?: string | undefined
      readonly with?: { readonly [name: string]: Template } | undefined
      readonly provides?: string | undefined
    }

/** What a task needs and gives, as its worker announces it. */
export interface TaskSignature {
  readonly name: string
  readonly topic?: string | undefined
  readonly requires: { readonly [argument: string]: ResolvedSymbol }
  readonly provides: { readonly [symbol: string]: ResolvedSymbol }
  readonly retry?: ResolvedTaskRetry | undefined
  readonly revertRetry?: ResolvedTaskRetry | undefined
  readonly timeoutMs?: number | undefined
  /** Longest silence of one attempt. */
  readonly heartbeatMs?: number | undefined
  readonly repeat?: 'never' | undefined
  readonly priority?: number | undefined
  readonly revert: boolean
  readonly version?: string | undefined
}
