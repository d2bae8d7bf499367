import assert from 'node:assert/strict'
import { InvalidFlowError, type Issue } from '../../src/base/errors.ts'

/** The issues that a call throws as an InvalidFlowError. */
export function issuesOf(call: () => unknown): readonly Issue[] {
  return flowError(call).issues
}

/** The InvalidFlowError that a call throws. */
export function flowError(call: () => unknown): InvalidFlowError {
  try {
    call()
  } catch (error) {
    assert.ok(
      error instanceof InvalidFlowError,
      `expected an InvalidFlowError, got ${String(error)}`,
    )
    return error
  }
  return assert.fail('the document was accepted')
}

/** Asserts one issue at a path whose message, expectation, value and hint together match. */
export function assertIssue(issues: readonly Issue[], path: string, text: RegExp): void {
  const at = issues.filter((issue) => issue.path === path)
  const shown = issues.map((issue) => `${issue.path}: ${issue.message}`).join('\n')
  assert.ok(at.length > 0, `no issue at ${path}; there are:\n${shown}`)
  const found = at.some((issue) =>
    text.test([issue.message, issue.expected, issue.got, issue.hint].join(' | ')),
  )
  assert.ok(
    found,
    `no issue at ${path} matches ${text}; there are:\n${JSON.stringify(at, null, 1)}`,
  )
}
