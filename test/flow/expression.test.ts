import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Environment } from '@marcbachmann/cel-js'
import { ExpressionError } from '../../src/base/errors.ts'
import type { Json } from '../../src/base/json.ts'
import { compileExpression, type ExpressionScope } from '../../src/flow/expression.ts'
import { typeName, typeOfSchema } from '../../src/flow/expression-types.ts'
import { guardPrototype } from './prototype-guard.ts'

guardPrototype()

const values = new Map<string, Json>([
  ['page', 3],
  ['half', 0.5],
  ['name', 'Ada'],
  ['yes', true],
  ['nothing', null],
  ['list', [1, 2, 3]],
  ['numbers', [1, 2, 3]],
  [
    'people',
    [
      { name: 'a', age: 1 },
      { name: 'b', age: 20 },
    ],
  ],
  ['object', { a: { b: 1 }, list: [4] }],
])
const scope: ExpressionScope = {
  lookup: (symbol) => values.get(symbol),
  input: { x: 1 },
  job: { id: 'j' },
}

function value(text: string): Json {
  return compileExpression(text).evaluate(scope)
}

function refusal(text: string, within: ExpressionScope = scope): ExpressionError {
  try {
    compileExpression(text).evaluate(within)
  } catch (error) {
    assert.ok(error instanceof ExpressionError, String(error))
    return error
  }
  return assert.fail(`${text} was evaluated`)
}

test('there is one number type, and results are JSON', () => {
  const cases: readonly (readonly [string, Json])[] = [
    ['page + 1', 4],
    ['1 + page', 4],
    ['page * 2 - half / 2', 5.75],
    ['page % 2', 1],
    ['1 / 2', 0.5],
    ['page == 3', true],
    ['3.0 == 3', true],
    ['page in [1, 3]', true],
    ['1 + 2', 3],
    ['-page', -3],
    ['page > 2 && page <= 3.5', true],
    ['{"a": page, "b": "s", "c": [1, "x", null, true]}', { a: 3, b: 's', c: [1, 'x', null, true] }],
    ['size(list) + list.size() + size(name) + size(object)', 11],
    ['size("😀")', 1],
    ['int("12") + int(3.9) + double("1e2")', 115],
    ['string(page) + string(half) + string(yes)', '30.5true'],
    ['bool("true")', true],
    ['list + [page]', [1, 2, 3, 3]],
    ['-0.0', 0],
    ['[-0.0]', [0]],
  ]
  for (const [text, expected] of cases) assert.deepEqual(value(text), expected, text)
})

test('what the library evaluates, we evaluate to the same', () => {
  const context = Object.fromEntries(values)
  const library = new Environment({
    unlistedVariablesAreDyn: true,
    homogeneousAggregateLiterals: false,
  })
  const texts = [
    'page > 2 ? name : "none"',
    'yes && !false',
    'name + "!" == "Ada!"',
    'object.a.b',
    'object["a"]["b"]',
    'numbers[1]',
    'people.map(p, p.name)',
    'people.filter(p, p.age > 3.0).map(p, p.name)',
    'people.exists(p, p.age == 20.0)',
    'people.all(p, p.age > 3.0)',
    'people.exists_one(p, p.age > 3.0)',
    'numbers.map(x, x > 1.0, x + 1.0)',
    'object.map(k, k)',
    '"a" in object',
    'name in ["Ada"]',
    'has(object.a)',
    'has(object.zzz)',
    'has(object.a.b)',
    'name.startsWith("A")',
    'name.endsWith("a")',
    'name.contains("d")',
    'name.indexOf("d")',
    'name.lastIndexOf("a")',
    'name.substring(1)',
    'name.substring(0, 1)',
    '"a,b,c".split(",")',
    '"a,b,c".split(",", 2)',
    '["a", "b"].join("-")',
    '" x ".trim()',
    '"Ab".lowerAscii()',
    '"Ab".upperAscii()',
    'numbers == [1.0, 2.0, 3.0]',
    'object == {"a": {"b": 1.0}, "list": [4.0]}',
    'nothing == null',
    '"a" < "b"',
    'false && nope',
    'nope || true',
    'numbers.exists(x, x > 2.0 || nope)',
    "'it''s' == ''",
    'r"\\n" == "\\\\n"',
    '"""a"b""" + \'c\'',
    '"\\u0041\\x42"',
    'false < true',
    '[1.0, 2.0].exists(page, page == 2.0)',
    'yes ? half : page',
    'numbers != [1.0]',
    '!(page == 3.0)',
    '[[1.0], [2.0]][1][0]',
  ]
  for (const text of texts) {
    let expected: unknown
    let failed = false
    try {
      expected = library.evaluate(text, context)
    } catch {
      failed = true
    }
    if (failed) assert.throws(() => value(text), ExpressionError, text)
    else
      assert.deepEqual(
        value(text),
        typeof expected === 'bigint' ? Number(expected) : expected,
        text,
      )
  }
})

test('values that do not go together are errors that say what to write', () => {
  const cases: readonly (readonly [string, RegExp])[] = [
    ['"a" + 1', /a text \+ a number; write string\(x\)/],
    ['name * 2', /a text \* a number/],
    ['page ? 1 : 2', /needs true or false, got a number/],
    ['page && true', /needs true or false/],
    ['list["a"]', /a list has numbers from 0/],
    ['list[9]', /no item 9 in a list of 3/],
    ['list[0.5]', /no item 0\.5/],
    ['list[-1]', /no item -1/],
    ['object.lisst', /no key "lisst"; did you mean "list"/],
    ['name.x', /only an object has members/],
    ['name[0]', /of a text/],
    ['1 / 0', /division by zero/],
    ['page % 0', /division by zero/],
    ['1e308 * 10', /too big/],
    ['9007199254740991 + 1', /not exact/],
    ['int("x")', /text of digits/],
    ['int(1e300)', /9007199254740991/],
    ['double("0x10")', /expected a number/],
    ['double("inf")', /expected a number/],
    ['string(list)', /expected a text/],
    ['nope', /the symbol "nope" has no value here/],
    ['result.x', /"result" is not known here/],
    ['[1].join()', /list of texts/],
    ['name.substring(9)', /position from 0 to 3/],
    ['"x" in name', /write text\.contains/],
    ['page.map(x, x)', /only lists and objects/],
  ]
  for (const [text, message] of cases) assert.match(refusal(text).message, message, text)
})

test('what is no expression is refused when it is compiled', () => {
  const cases: readonly (readonly [string, RegExp])[] = [
    ['', /empty/],
    ['a +', /unexpected token/],
    ['a and b', /write &&/],
    ['a = 1', /equality is ==/],
    ['${{ a }} > 1', /without \$\{\{ \}\}/],
    ['"unterminated', /unterminated/],
    ['{page: 1, 2: 3}', /a key is a text/],
    ['{1: 2}', /a key is a text/],
    ['{"__proto__": 1}', /cannot be a key/],
    ['b"x"', /literal/],
    ['1u', /literal/],
    ['9007199254740993', /unsafe/],
    ['name.matches("a")', /regular expressions can take forever/],
    ['timestamp("2020-01-01T00:00:00Z")', /no dates/],
    ['now()', /no clock/],
    ['random()', /no randomness/],
    ['secret("A")', /later version/],
    ['cel.bind(x, 1, x)', /no function bind/],
    ['siz(list)', /did you mean "size"/],
    ['size()', /has 0 arguments/],
    ['symbols', /name one: symbols\.x/],
    ['symbols[name]', /named by a literal/],
    ['has(page)', /write has\(symbols\.page\)/],
    ['has(1)', /key of an object/],
    ['list.map(x)', /write list\.map/],
    ['list.map(1, 2)', /written wrongly|invalid predicate/],
    ['list.all(x, list.all(y, true))', /do not nest/],
    ['list.map(x, [x].map(y, y))', /do not nest/],
    ['constructor', /no symbol/],
    ['__proto__', /no symbol|reserved/i],
    ['schedule.time', /no symbol/],
    ['x'.repeat(5_000), /longer than 4096/],
    [`1${' + 1'.repeat(250)}`, /200 nodes/],
    [`${'('.repeat(40)}1${')'.repeat(40)}`, /32 levels/],
    ['!'.repeat(4_000) + 'true', /nodes|deep|levels/],
    ['[' + '1,'.repeat(300) + '1]', /nodes|items/],
  ]
  for (const [text, message] of cases) {
    assert.throws(
      () => compileExpression(text),
      (error) => error instanceof ExpressionError && message.test(error.message),
      text.slice(0, 60),
    )
  }
})

test('nothing of a prototype can be seen', () => {
  for (const text of [
    'object.constructor',
    'object["constructor"]',
    'object.__proto__',
    'object["__proto__"]',
    'name.constructor',
    'list.constructor',
    'object.toString',
    'object.hasOwnProperty',
    'list["length"]',
    'list.length',
    'object.a["valueOf"]',
    '{}.constructor',
    'input.toString',
    'object.constructor.constructor("return process")()',
  ]) {
    assert.throws(() => value(text), ExpressionError, text)
  }
  for (const key of ['constructor', '__proto__', 'toString']) {
    assert.equal(value(`has(object.${key === '__proto__' ? 'proto' : key})`), false)
    assert.equal(value(`"${key}" in object`), false)
  }
})

test('an evaluation is bounded whatever the values are', () => {
  const big = Array.from({ length: 100_000 }, (_, index) => index)
  const large: ExpressionScope = {
    lookup: (name) => (name === 'text' ? 'a'.repeat(1_000_000) : big),
  }
  const cpu = process.cpuUsage()
  for (const text of [
    'l.filter(x, x == -1 || x in l)',
    'l.map(x, l + l).size()',
    'l.map(x, l).map(y, y + y).map(z, z + z) == []',
    'l.map(x, l) == l.map(x, l + [])',
    'l.all(x, text.contains("b") || x >= 0) && l.all(x, size(text) > 0)',
    'l.map(x, text.split("")).size()',
  ]) {
    assert.match(refusal(text, large).message, /too many steps/, text)
  }
  assert.match(refusal('text + text + text', large).message, /2 MB/)
  assert.match(refusal('l.map(x, text)', large).message, /2097152 bytes/)
  assert.match(
    refusal('l.map(x, string(x)).map(x, text).join("")', large).message,
    /2 MB|too many steps/,
  )
  assert.equal(
    compileExpression('l.map(x, x * 2).filter(x, x > 10).size()').evaluate(large),
    99_994,
  )
  const { user } = process.cpuUsage(cpu)
  assert.ok(user < 20_000_000, `took ${user / 1e6} s of CPU`)
})

test('steps that ran out are not swallowed by && and ||', () => {
  const big = Array.from({ length: 100_000 }, (_, index) => index)
  assert.match(
    refusal('l.all(x, !(x in l)) || l.all(x, x in l || true) || true', { lookup: () => big })
      .message,
    /too many steps/,
  )
})

test('symbols are named; those behind has() or symbols. may be absent', () => {
  const free = (text: string) => {
    const { symbols, optional, variables } = compileExpression(text)
    return { symbols, optional, variables }
  }
  assert.deepEqual(free('a + b.c[d] + input.x'), {
    symbols: ['a', 'b', 'd'],
    optional: [],
    variables: ['input'],
  })
  assert.deepEqual(free('has(symbols.a) ? a : b'), {
    symbols: ['a', 'b'],
    optional: ['a'],
    variables: [],
  })
  assert.deepEqual(free('symbols.a + b'), { symbols: ['a', 'b'], optional: ['a'], variables: [] })
  assert.deepEqual(free('symbols["a"] + a'), { symbols: ['a'], optional: [], variables: [] })
  assert.deepEqual(free('list.map(x, x + y)'), {
    symbols: ['list', 'y'],
    optional: [],
    variables: [],
  })
  assert.deepEqual(free('failure.code == "x" || result == job'), {
    symbols: [],
    optional: [],
    variables: ['job', 'result', 'failure'],
  })
  assert.deepEqual(free('customer.address.city'), {
    symbols: ['customer'],
    optional: [],
    variables: [],
  })
})

test('only symbols that are needed are looked up, each once', () => {
  const asked: string[] = []
  const counting: ExpressionScope = {
    lookup(symbol) {
      asked.push(symbol)
      return values.get(symbol)
    },
  }
  assert.equal(compileExpression('yes || nope').evaluate(counting), true)
  assert.deepEqual(asked.splice(0), ['yes'])
  compileExpression('list.map(x, x + page)').evaluate(counting)
  assert.deepEqual(asked.splice(0), ['list', 'page'])
  assert.equal(compileExpression('has(symbols.nope) ? nope : "d"').evaluate(counting), 'd')
  assert.deepEqual(asked, ['nope'])
})

test('what the lookup throws passes through, also within && and ||', () => {
  class Later extends Error {}
  const later: ExpressionScope = {
    lookup() {
      throw new Later()
    },
  }
  for (const text of ['x', 'false || x', 'x || true', '[1].exists(y, x)', 'has(symbols.x)']) {
    assert.throws(() => compileExpression(text).evaluate(later), Later, text)
  }
})

test('the same text gives the same object', () => {
  assert.equal(compileExpression('page + 41'), compileExpression('page + 41'))
})

test('types are inferred from schemas and mismatches found before anything runs', () => {
  const schemas = new Map<string, Json>([
    ['n', { type: 'integer' }],
    ['s', { type: 'string' }],
    ['b', { type: 'boolean' }],
    ['l', { type: 'array', items: { type: 'string' } }],
    [
      'o',
      { type: 'object', properties: { city: { type: 'string' } }, additionalProperties: false },
    ],
    ['either', { anyOf: [{ type: 'string' }, { type: 'null' }] }],
  ])
  const typeOf = (name: string) => typeOfSchema(schemas.get(name))
  const inferred = (text: string) => typeName(compileExpression(text).typeWith(typeOf))
  const good: readonly (readonly [string, string])[] = [
    ['n + 1', 'a number'],
    ['n / 2', 'a number'],
    ['s + "x"', 'a text'],
    ['n > 1 && b', 'true or false'],
    ['l[0]', 'a text'],
    ['l.map(x, x.size())', 'a list of numbers'],
    ['l.filter(x, x == "a")', 'a list of texts'],
    ['o.city', 'a text'],
    ['b ? n : s', 'anything'],
    ['either', 'anything'],
    ['unknown.x.y', 'anything'],
    ['{"a": n}', 'an object'],
    ['size(l)', 'a number'],
    ['has(o.city)', 'true or false'],
    ['n in [1, 2.5]', 'true or false'],
    ['n == 1', 'true or false'],
    ['dyn(n)', 'anything'],
    ['l[n]', 'a text'],
  ]
  for (const [text, type] of good) assert.equal(inferred(text), type, text)
  const bad: readonly (readonly [string, RegExp])[] = [
    ['n + s', /a number \+ a text; write string/],
    ['s * 2', /needs a number, got a text/],
    ['n && b', /needs true or false, got a number/],
    ['s ? 1 : 2', /needs true or false, got a text/],
    ['o.ctiy', /no key "ctiy"; did you mean "city"/],
    ['s.x', /needs an object, got a text/],
    ['l["a"]', /needs an object, got a list of texts/],
    ['n < s', /a number < a text/],
    ['n.startsWith("a")', /needs a text, got a number/],
    ['l.map(x, x * 2)', /needs a number, got a text/],
    ['n in s', /needs a list or an object/],
    ['-s', /needs a number/],
    ['!n', /needs true or false/],
  ]
  for (const [text, message] of bad) assert.throws(() => inferred(text), message, text)
})
