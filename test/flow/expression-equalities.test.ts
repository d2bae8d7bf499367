import assert from 'node:assert/strict'
import { it } from 'node:test'
import { compileExpression } from '../../src/flow/expression.ts'

it('an expression tells what must equal a constant for it to be true, and no more than that', () => {
  const cases: readonly (readonly [string, object])[] = [
    ['a == 1', { a: 1 }],
    ['1.5 == a && input.b == "x"', { a: 1.5, b: 'x' }],
    ['a == true && (b == "y" && c > 1)', { a: true, b: 'y' }],
    ['a == 1 && a == 2', { a: 1 }],
    ['a == 1 || b == 2', {}],
    ['!(a == 1)', {}],
    ['a == b', {}],
    ['a == null', {}],
    ['a.b == 1', {}],
    ['symbols.a == 1', {}],
    ['job.id == "x" && input == 1', {}],
    ['[1, 2].exists(a, a == 1)', {}],
    ['a == 1 ? b == 2 : false', {}],
  ]
  for (const [text, expected] of cases) {
    assert.deepEqual(Object.fromEntries(compileExpression(text).equalities), expected, text)
  }
})
