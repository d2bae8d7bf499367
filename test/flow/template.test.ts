import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ExpressionError } from '../../src/base/errors.ts'
import type { Json } from '../../src/base/json.ts'
import { bareExpression, compileTemplate } from '../../src/flow/template.ts'
import { guardPrototype } from './prototype-guard.ts'

guardPrototype()

const values = new Map<string, Json>([
  ['page', 3],
  ['name', 'Ada'],
  ['list', [1, 2]],
  ['evil', '${{ page }}'],
  ['nothing', null],
])
const scope = { lookup: (symbol: string) => values.get(symbol) }
const expand = (template: Json): Json => compileTemplate(template).evaluate(scope)

test('a string that is one expression keeps its type, others become text', () => {
  assert.equal(expand('${{ page }}'), 3)
  assert.deepEqual(expand('${{ list }}'), [1, 2])
  assert.equal(expand('${{page}}'), 3)
  assert.equal(expand(' ${{ page }}'), ' 3')
  assert.equal(expand('${{ page }}${{ name }}'), '3Ada')
  assert.equal(
    expand('p=${{ page }}, l=${{ list }}, o=${{ {"b": 1, "a": nothing} }}, n=${{ nothing }}'),
    'p=3, l=[1,2], o={"a":null,"b":1}, n=null',
  )
})

test('the end of an expression is found as CEL reads it', () => {
  assert.deepEqual(expand("${{ {'a': {'b': 1}} }}"), { a: { b: 1 } })
  assert.deepEqual(expand("${{ {'a': {'b': 1}}}}"), { a: { b: 1 } })
  assert.equal(expand('${{ "}}" + name + \'}}\' }}'), '}}Ada}}')
  assert.equal(expand('${{ "\\"}}" }}!'), '"}}!')
  assert.equal(expand('${{ """}}"}}""" }}'), '}}"}}')
  assert.equal(expand('${{ r"\\}}" }}'), '\\}}')
  assert.equal(expand('${{ page // }} a comment\n + 1 }}'), 4)
  for (const text of [
    '${{ page',
    '${{ page }',
    '${{ "}}',
    '${{ {"a": 1 }}',
    'a ${{',
    '${{ page // }}',
  ]) {
    assert.throws(() => compileTemplate(text), ExpressionError, text)
  }
})

test('`$${{` is a literal `${{`, and other dollars and braces are themselves', () => {
  assert.equal(expand('$${{ page }}'), '${{ page }}')
  assert.equal(expand('a $${{ x ${{ page }}'), 'a ${{ x 3')
  for (const text of [
    '$',
    '${',
    '{{ page }}',
    '${page}',
    '#{page}',
    '%{page}',
    '}}',
    '${ { page }}',
    "{{constructor.constructor('return process')()}}",
  ]) {
    assert.equal(expand(text), text)
    assert.equal(compileTemplate(text).constant, text)
  }
})

test('only strings of the document are expanded, once, and keys never', () => {
  assert.equal(expand('${{ evil }}'), '${{ page }}')
  assert.equal(expand('<${{ evil }}>'), '<${{ page }}>')
  assert.deepEqual(expand({ '${{ page }}': ['${{ page }}', { deep: '${{ name }}' }], n: 1 }), {
    '${{ page }}': [3, { deep: 'Ada' }],
    n: 1,
  })
})

test('a template without expressions is a constant', () => {
  assert.deepEqual(compileTemplate({ a: [1, '$${{'], b: null }).constant, {
    a: [1, '${{'],
    b: null,
  })
  assert.equal(compileTemplate(null).constant, null)
  assert.equal(compileTemplate('${{ page }}').constant, undefined)
})

test('symbols of all expressions are named; required ones stay required', () => {
  const template = compileTemplate({
    a: '${{ page + x }}',
    b: ['${{ has(symbols.x) }} ${{ symbols.y }}'],
  })
  assert.deepEqual(template.symbols, ['page', 'x', 'y'])
  assert.deepEqual(template.optional, ['y'])
})

test('the same template compiles once', () => {
  const template = { a: '${{ page }}' }
  assert.equal(compileTemplate(template), compileTemplate(template))
  assert.equal(compileTemplate('${{ page }}'), compileTemplate('${{ page }}'))
})

test('interpolation is bounded', () => {
  const large = { lookup: () => 'x'.repeat(1_500_000) }
  assert.throws(() => compileTemplate('${{ a }}${{ b }}').evaluate(large), /2 MB/)
})

test('conditions are written with or without the braces', () => {
  assert.equal(bareExpression(' ${{ a > 1 }} '), 'a > 1')
  assert.equal(bareExpression('a > 1'), 'a > 1')
  assert.equal(bareExpression('${{ a }} && ${{ b }}'), '${{ a }} && ${{ b }}')
  assert.equal(bareExpression('${{ a'), '${{ a')
})
