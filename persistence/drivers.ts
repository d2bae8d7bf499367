import { UsageError } from '../src/base/errors.ts'
import { propertyOf } from './property.ts'

/** Loads a database's driver, which only those who use that database need to have. Throws {@link UsageError} when it cannot be loaded. */
export async function loadDriver(driver: string): Promise<void> {
  try {
    await import(driver)
  } catch (error) {
    const isMissing = propertyOf(error, 'code') === 'ERR_MODULE_NOT_FOUND'
    const what = isMissing ? 'is not installed' : 'cannot be loaded'
    throw new UsageError(`the driver "${driver}" ${what}`, {
      hint: isMissing ? `run: npm install ${driver}` : `run: npm rebuild ${driver}`,
      cause: error,
    })
  }
}

/** knex's own words would go to stdout, which belongs to data; what they tell is in the errors that it throws. */
export const SILENT = Object.freeze({ warn() {}, error() {}, deprecate() {}, debug() {} })
