import assert from 'node:assert/strict'
import test from 'node:test'
import { InvalidInputError } from '../../src/base/errors.ts'
import { readValue } from '../../src/flow/read-value.ts'

const json = (text: string) => readValue(text, { format: 'json', subject: 'it' })
const yaml = (text: string) => readValue(text, { format: 'yaml', subject: 'it' })

test('values are read as JSON or YAML', () => {
  assert.deepEqual(json('\ufeff{"a": [1, 2.5e3, "x", null, true]}'), {
    a: [1, 2500, 'x', null, true],
  })
  assert.deepEqual(yaml('a:\n  - 1\n  - no\n'), { a: [1, 'no'] })
})

test('what JSON.parse would take silently, or YAML would grow, is refused with its place', () => {
  const cases: readonly (readonly [
    read: (text: string) => unknown,
    text: string,
    expected: RegExp,
  ])[] = [
    [json, '{"a": 1, "a": 2}', /line:1:10 this key was there already/],
    [json, '{"a": 9007199254740993}', /9007199254740993 is no number that JSON carries/],
    [json, '{"a": 1e999}', /1e999 is no number/],
    [json, '{"a": {"__proto__": 1}}', /line:1:8 the key "__proto__" is not allowed/],
    [json, '{a: 1}', /it does not fit/],
    [json, '', /it is empty/],
    [json, '['.repeat(100), /more than 64 levels/],
    [json, `"${'x'.repeat(3_000_000)}"`, /more than 2 MB/],
    [yaml, 'a: &x 1\nb: *x\n', /aliases are not allowed/],
    [yaml, 'a: !!js/function x\n', /tag/i],
    [yaml, 'constructor: 1\n', /the key "constructor" is not allowed/],
  ]
  for (const [read, text, expected] of cases) {
    assert.throws(
      () => read(text),
      (error) => error instanceof InvalidInputError && expected.test(error.message),
      text.slice(0, 40),
    )
  }
  assert.equal(Object.hasOwn(Object.prototype, 'x'), false)
})
