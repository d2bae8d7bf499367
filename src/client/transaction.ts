import { UsageError } from '../base/errors.ts'

/** What posting needs to know of a knex transaction. */
export interface Transaction {
  /** Settles with the transaction. */
  readonly executionPromise: Promise<unknown>
}

/** Refuses what is no knex transaction. Throws {@link UsageError}. */
export function checkTransaction(transaction: unknown): Transaction {
  // A knex transaction is a function with members.
  const isObject = typeof transaction === 'function' || typeof transaction === 'object'
  if (isObject && transaction !== null && 'executionPromise' in transaction) {
    const { executionPromise } = transaction
    if (executionPromise instanceof Promise) return { executionPromise }
  }
  throw new UsageError('transaction: expected a knex transaction', {
    hint: 'knex.transaction(async (trx) => zag.post(flow, input, { transaction: trx }))',
  })
}

/**
 * Whether a transaction was committed, told once it has settled. `exists` looks for what it wrote: knex can be told to
 * resolve after a rollback too. Never throws: a store that is away is asked again every `everyMs` until `isOver`.
 */
export async function wasCommitted(
  { executionPromise }: Transaction,
  exists: () => Promise<boolean>,
  options: { readonly everyMs: number; readonly isOver: () => boolean },
): Promise<boolean> {
  try {
    await executionPromise
  } catch {
    return false // rolled back, with an error that is its owner's to see
  }
  while (!options.isOver()) {
    try {
      return await exists()
    } catch {
      await new Promise((resolve) => setTimeout(resolve, options.everyMs))
    }
  }
  return true
}
