import assert from 'node:assert/strict'
import { test } from 'node:test'
import { InvalidInputError } from '../../src/base/errors.ts'
import type { Json } from '../../src/base/json.ts'
import { parseDocument } from '../../src/flow/parse.ts'
import { completeInput, resolve } from '../../src/flow/resolve.ts'
import { guardPrototype } from './prototype-guard.ts'
import { signature } from './signatures.ts'

guardPrototype()

const inputOf = (input: { readonly [symbol: string]: Json }) => {
  const document = resolve(parseDocument({ flow: 'checkout', input, linear: [] }), {
    signatures: [],
  })
  return (given: unknown) => completeInput(document, given)
}

function refusal(call: () => unknown): InvalidInputError {
  try {
    call()
  } catch (error) {
    assert.ok(error instanceof InvalidInputError, String(error))
    return error
  }
  return assert.fail('the input was accepted')
}

const complete = inputOf({
  sku: 'string',
  quantity: { type: 'integer', minimum: 1, default: 2 },
  note: 'string?',
  address: {
    type: 'object',
    properties: { city: 'string', country: { type: 'string', default: 'DE' } },
    required: ['city'],
    additionalProperties: false,
    optional: true,
  },
})

test('defaults are filled in, also inside, and what is given is not changed', () => {
  const given = { sku: 'A1', address: { city: 'Ulm' } }
  assert.deepEqual(complete(given), {
    sku: 'A1',
    quantity: 2,
    address: { city: 'Ulm', country: 'DE' },
  })
  assert.deepEqual(given, { sku: 'A1', address: { city: 'Ulm' } })
  assert.deepEqual(complete({ sku: 'A1', quantity: undefined }), { sku: 'A1', quantity: 2 })
})

test('everything that does not fit is told with its path', () => {
  const error = refusal(() => complete({ skuu: 'A1', quantity: '3', address: { ctiy: 'Ulm' } }))
  assert.deepEqual(error.issues.map(({ path }) => path).toSorted(), [
    'address.city',
    'address.ctiy',
    'quantity',
    'sku',
    'skuu',
  ])
  assert.match(error.message, /input of the flow "checkout" does not fit, 5 problems/)
  assert.match(
    error.message,
    /quantity: wrong type; expected a whole number, got "3"; a text is not converted/,
  )
  assert.match(error.message, /sku: missing; expected a text; is it "skuu", which was given\?/)
  assert.match(error.message, /skuu: the flow has no input "skuu"; did you mean "sku"\?/)
  assert.match(error.message, /address\.ctiy: unknown key; did you mean "city"\?/)
})

test('what is no input is refused', () => {
  for (const given of [5, 'text', [], false, () => 1]) assert.ok(refusal(() => complete(given)))
  assert.equal(refusal(() => complete({ sku: new Date() })).issues[0]?.path, 'sku')
  assert.ok(refusal(() => complete(JSON.parse('{"sku":"a","__proto__":{"polluted":1}}'))))
  assert.ok(refusal(() => complete({ sku: 'x'.repeat(3_000_000) })))
  assert.deepEqual(inputOf({})(undefined), {})
  assert.deepEqual(inputOf({})(null), {})
  assert.match(refusal(() => inputOf({})({ a: 1 })).message, /it takes none/)
})

test('a flow that is not closed takes more than it needs, but not less', () => {
  const open = resolve(parseDocument({ flow: 'f', linear: [{ task: 'say' }] }), {
    signatures: [signature('say', { m: 'string' })],
  })
  assert.deepEqual(completeInput(open, { m: 'a', more: 1 }), { m: 'a', more: 1 })
  assert.match(
    refusal(() => completeInput(open, { n: 'a' })).message,
    /m: missing; expected a text; is it "n"/,
  )
  assert.match(refusal(() => completeInput(open, { m: 5 })).message, /m: wrong type/)
})

test('each keyword of the subset is checked', () => {
  const cases: readonly (readonly [Json, readonly Json[], readonly Json[]])[] = [
    ['string', ['', 'a'], [1, null, []]],
    ['integer', [0, -5, 1e15], [0.5, '1', 2 ** 53]],
    ['number', [0.5], ['0.5', null]],
    ['boolean', [false], ['false', 0]],
    ['null', [null], [0]],
    ['array', [[]], [{}]],
    ['object', [{}], [[]]],
    ['any', [1, null, 'a', []], []],
    [{ type: ['string', 'null'] }, ['a', null], [1]],
    [{ enum: ['a', 1, { b: [1] }] }, ['a', 1, { b: [1] }], ['b', 2, { b: [2] }]],
    [{ const: { a: 1 } }, [{ a: 1 }], [{ a: 2 }]],
    [{ type: 'string', minLength: 2, maxLength: 3 }, ['ab', '😀😀😀'], ['a', 'abcd']],
    [{ type: 'number', minimum: 1, maximum: 2 }, [1, 2], [0.9, 2.1]],
    [{ type: 'number', exclusiveMinimum: 1, exclusiveMaximum: 2 }, [1.5], [1, 2]],
    [{ type: 'number', multipleOf: 0.1 }, [0.3, 5], [0.35]],
    [
      { type: 'array', items: 'string', minItems: 1, maxItems: 2 },
      [['a']],
      [[], ['a', 'b', 'c'], [1]],
    ],
    [
      { type: 'array', prefixItems: ['string', 'integer'], items: false },
      [['a', 1], ['a']],
      [
        ['a', 'b'],
        ['a', 1, 2],
      ],
    ],
    [
      { type: 'object', additionalProperties: 'integer', propertyNames: { maxLength: 2 } },
      [{ a: 1 }],
      [{ a: 'x' }, { abc: 1 }],
    ],
    [{ type: 'object', required: ['a'], properties: { a: 'any' } }, [{ a: null }], [{}]],
    [
      { anyOf: ['string', { type: 'object', required: ['a'], properties: { a: 'integer' } }] },
      ['x', { a: 1 }],
      [5, { a: 'x' }],
    ],
    [{ allOf: [{ minimum: 1 }, { maximum: 2 }] }, [1], [3]],
    [
      'date-time',
      ['2026-01-31T12:00:00Z', '2026-01-31T12:00:00.123+02:00'],
      ['2026-02-30T12:00:00Z', '2026-01-31', '2026-01-31T25:00:00Z', 'x'],
    ],
    ['date', ['2024-02-29'], ['2025-02-29', '2026-1-1']],
    ['time', ['12:00', '12:00:00.5'], ['24:00', 'x']],
    ['uuid', ['2ed6657d-e927-568b-95e1-2665a8aea6a2'], ['2ed6657d']],
    [
      'email',
      ['a.b+c@example.com'],
      ['a@b', '@example.com', 'a b@example.com', `${'a'.repeat(400)}@example.com`],
    ],
    ['uri', ['https://example.com/a?b', 'urn:x:y'], ['example.com', '//x']],
  ]
  for (const [schema, good, bad] of cases) {
    const check = inputOf({ x: schema })
    for (const value of good)
      assert.deepEqual(check({ x: value }), { x: value }, JSON.stringify([schema, value]))
    for (const value of bad)
      assert.match(
        refusal(() => check({ x: value })).issues[0]?.path ?? '',
        /^x/,
        JSON.stringify([schema, value]),
      )
  }
})
