/**
 * The reporter inside a test file's process: one line of JSON for each test that ended, and one at the end.
 * Without that last line the file did not come to its end, whatever its exit code says.
 */
import { inspect } from 'node:util'

export default async function* report(events) {
  for await (const { type, data } of events) {
    if (type === 'test:diagnostic' && isWarning(data.message)) {
      yield line({ type: 'warning', message: data.message })
    }
    if (type !== 'test:pass' && type !== 'test:fail') continue
    const error = data.details.error
    // A parent that fails for its children's sake is not a failure of its own.
    if (error?.failureType === 'subtestsFailed') continue
    if (data.details.type === 'suite' && type === 'test:pass') continue
    yield line({
      type: 'test',
      name: data.name,
      line: data.line,
      outcome: outcomeOf(type, data),
      reason: typeof data.skip === 'string' && data.skip !== '' ? data.skip : undefined,
      error: error === undefined ? undefined : describe(error),
    })
  }
  yield line({ type: 'end' })
}

function outcomeOf(type, data) {
  if (data.todo !== undefined) return 'todo'
  if (type === 'test:fail') return 'fail'
  return data.skip === undefined ? 'pass' : 'skipped'
}

/** The error of the test itself: the runner wraps it. */
function describe(error) {
  const cause = error.cause ?? error
  return cause instanceof Error ? inspect(cause, { depth: 8 }) : String(cause)
}

/** Errors that came after their test's end are told as diagnostics, like the counts. */
function isWarning(message) {
  return /^(Warning|Error):/.test(message)
}

function line(value) {
  return `${JSON.stringify(value)}\n`
}
