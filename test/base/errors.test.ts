import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import * as errors from '../../src/base/errors.ts'
import { ERROR_CODES, ZagflowError } from '../../src/base/errors.ts'

const one: readonly ZagflowError[] = [
  new errors.InvalidFlowError([{ path: 'a', message: 'm' }]),
  new errors.InvalidInputError([{ path: 'a', message: 'm' }]),
  new errors.FlowFailedError({ state: 'REVERTED', failures: [] }),
  new errors.ConflictError('job "k"', 'exists with other content'),
  new errors.NotFoundError('job', 'x'),
  new errors.UnknownTaskError('x'),
  new errors.UnavailableError('postgres://db'),
  new errors.ClaimLostError('j'),
  new errors.TimeoutError('the commit', 5),
  new errors.ClosedError('the client'),
  new errors.NotSerialisableError({ path: 'a', reason: 'a Date', instead: 'give a text' }),
  new errors.MigrationNeededError({ database: 'd', found: undefined, needed: '001' }),
  new errors.UsageError('wrong'),
  new errors.ExpressionError('a +', 'unexpected end'),
]

/** Found upwards from the compiled test, so that it works from every output folder. */
function documentation(): string {
  for (let up = '../'; up.length < 40; up += '../') {
    try {
      return readFileSync(new URL(`${up}docs/errors.md`, import.meta.url), 'utf8')
    } catch {
      // one folder further up
    }
  }
  throw new Error('docs/errors.md was not found')
}

test('each class reports its own code, and there is a class for each code', () => {
  for (const error of one) {
    assert.equal(`${error.code}Error`, error.constructor.name)
    assert.equal(error.name, error.constructor.name)
    assert.ok(error instanceof ZagflowError && error instanceof Error)
  }
  assert.deepEqual(
    one.map((error) => error.code).toSorted(),
    ERROR_CODES.toSorted(),
    'an error code without a class, or a class without a code',
  )
})

test('each code and each class is documented', () => {
  const text = documentation()
  for (const error of one) {
    assert.ok(
      text.includes(`| \`${error.code}\` | \`${error.name}\` |`),
      `${error.code} in docs/errors.md`,
    )
  }
})

test('a flow error shows every issue with file, line, column, expected, got and hint', () => {
  const error = new errors.InvalidFlowError(
    [
      {
        path: 'linear[1].timeout',
        message: 'not a duration',
        expected: 'a text with a unit',
        got: '5',
        line: 12,
        column: 5,
        hint: 'write 5s or 5ms',
      },
      { path: 'linear[2]', message: 'unknown key "tsk"' },
    ],
    { flow: 'checkout', source: 'checkout.yaml' },
  )
  assert.equal(
    error.message,
    'the flow "checkout" cannot be used, 2 problems:\n' +
      '  checkout.yaml:12:5 linear[1].timeout: not a duration; expected a text with a unit, got 5; write 5s or 5ms\n' +
      '  checkout.yaml linear[2]: unknown key "tsk"',
  )
})

test('a message stays readable with ten thousand issues, the error has them all', () => {
  const issues = Array.from({ length: 10_000 }, (_, index) => ({
    path: `a[${index}]`,
    message: 'm',
  }))
  const error = new errors.InvalidFlowError(issues)
  assert.equal(error.issues.length, 10_000)
  assert.ok(error.message.length < 5_000)
  assert.match(error.message, /and 9950 more$/)
})

test('a missing name says what was probably meant', () => {
  const error = new errors.NotFoundError('flow', 'chekcout', { candidates: ['checkout', 'refund'] })
  assert.equal(error.message, 'there is no flow "chekcout"; did you mean "checkout"?')
  assert.match(
    new errors.UnknownTaskError('a.bb', { known: ['a.b'] }).message,
    /did you mean "a\.b"/,
  )
})

test('a migration error names the command', () => {
  const details = { database: 'postgres://db/zag', found: '001', needed: '002' }
  assert.match(new errors.MigrationNeededError(details).message, /zagflow db migrate/)
})

test('a flow that failed names each atom that failed', () => {
  const error = new errors.FlowFailedError({
    state: 'REVERTED',
    flow: 'checkout',
    jobId: 'j1',
    failures: [{ atom: 'checkout/ship', code: 'TaskFailed', message: 'no trucks' }],
  })
  assert.equal(
    error.message,
    'the flow "checkout" (job j1) ended REVERTED\n  checkout/ship: no trucks',
  )
})
