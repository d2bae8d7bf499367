/** What each error of Zagflow is called for programs. Every one is explained in docs/errors.md. */
export const ERROR_CODES = [
  'InvalidFlow',
  'InvalidInput',
  'FlowFailed',
  'Conflict',
  'NotFound',
  'UnknownTask',
  'Unavailable',
  'ClaimLost',
  'Timeout',
  'Closed',
  'NotSerialisable',
  'MigrationNeeded',
  'Usage',
  'Expression',
] as const
export type ErrorCode = (typeof ERROR_CODES)[number]

/**
 * Base of every error that Zagflow throws. Subclasses are named by what the caller must do, not by where it happened;
 * what they know is in fields, the message is composed from them in the subclass.
 */
export abstract class ZagflowError extends Error {
  /** The same for every error of a class; never changes between versions. */
  abstract readonly code: ErrorCode

  constructor(message: string, options?: { readonly cause?: unknown }) {
    super(message, options?.cause === undefined ? undefined : { cause: options.cause })
    this.name = new.target.name
  }
}
