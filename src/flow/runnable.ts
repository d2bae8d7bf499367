import type { Definitions } from './definition.ts'
import type { SourceDocument } from './document.ts'

/** What can be run and posted: a flow made by `flow`, `linear`, `unordered` or `graph`. */
export interface Runnable<Input = unknown, Output = unknown> {
  /** The source document, in normal form: the same that its YAML gives. Throws `InvalidFlowError` if it cannot be used. */
  readonly document: SourceDocument
  /** All tasks and retry strategies in it, by name. Throws `InvalidFlowError` if two different ones have the same name. */
  readonly tasks: Definitions
  /** For TypeScript alone; absent at run time. */
  readonly '~flow': { readonly input: Input; readonly output: Output }
}

/** The input of a flow: `InputOf<typeof checkout>`. */
export type InputOf<F extends Runnable> = F['~flow']['input']
/** The output of a flow: `OutputOf<typeof checkout>`. */
export type OutputOf<F extends Runnable> = F['~flow']['output']
