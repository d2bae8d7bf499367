import assert from 'node:assert/strict'
import { test } from 'node:test'
import { canonicalJson } from '../../src/base/codec.ts'
import type { Json } from '../../src/base/json.ts'
import { parseDocument } from '../../src/flow/parse.ts'
import { assertIssue, issuesOf } from './issues-of.ts'
import { guardPrototype } from './prototype-guard.ts'

guardPrototype()

const flow = (...nodes: unknown[]): unknown => ({ flow: 'f', linear: nodes })
const parse = (value: unknown) => () => parseDocument(value)

test('a document comes out in normal form, and again unchanged', () => {
  const document = parseDocument({
    flow: 'checkout',
    version: 1,
    labels: {},
    input: {
      sku: 'string?',
      quantity: { type: 'integer', exclusiveMinimum: 0, maximum: Number.MAX_SAFE_INTEGER },
      at: 'date-time',
      items: { type: 'array', items: 'string' },
      anything: 'any',
      plain: { type: 'string', optional: false },
    },
    onChildFailure: 'wait',
    linear: [
      { task: 'a', when: ' ${{ quantity > 1 }} ', with: {}, onFailure: 'revert', priority: 0 },
      { task: 'b', retry: { attempts: 2, when: '${{ failure.code == "x" }}' } },
    ],
  })
  assert.deepEqual(document, {
    zagflow: 1,
    flow: 'checkout',
    version: 1,
    input: {
      sku: { type: 'string', optional: true },
      quantity: { type: 'integer', minimum: 1 },
      at: { type: 'string', format: 'date-time' },
      items: { type: 'array', items: { type: 'string' } },
      anything: {},
      plain: { type: 'string' },
    },
    linear: [
      { task: 'a', when: 'quantity > 1' },
      { task: 'b', retry: { attempts: 2, when: 'failure.code == "x"' } },
    ],
  })
  const again = parseDocument(structuredClone(document))
  assert.equal(canonicalJson(again as unknown as Json), canonicalJson(document as unknown as Json))
  assert.equal(parseDocument(document), document, 'what was parsed is not parsed again')
})

test('the value that was given is not changed', () => {
  const given = Object.freeze({
    flow: 'f',
    linear: Object.freeze([Object.freeze({ task: 'a', when: '${{ x }}' })]),
  })
  parseDocument(given)
  assert.equal(given.linear[0]?.when, '${{ x }}')
})

test('a node has exactly one kind, and says which it may be', () => {
  assertIssue(
    issuesOf(parse(flow({ tsk: 'a' }))),
    'linear[0]',
    /needs one of task, linear.*did you mean "task"/,
  )
  assertIssue(
    issuesOf(parse(flow({ task: 'a', linear: [] }))),
    'linear[0]',
    /exactly one.*task and linear/,
  )
  assertIssue(issuesOf(parse(flow('a.b'))), 'linear[0]', /write \{ task: a\.b \}/)
  assertIssue(issuesOf(parse(flow(null))), 'linear[0]', /not a node.*null/)
  assertIssue(issuesOf(parse(flow([{ task: 'a' }]))), 'linear[0]', /not a node.*a list/)
  assertIssue(issuesOf(parse({ flow: 'f' })), '', /needs one of linear, unordered, graph/)
  for (const kind of ['constructor', '__proto__', 'toString', 'hasOwnProperty']) {
    assert.ok(issuesOf(parse(flow(JSON.parse(`{"${kind}": 1}`)))).length > 0, kind)
  }
})

test('reserved kinds are recognised and refused', () => {
  for (const kind of 'switch forEach while until set sleep waitFor signal subflow post fail'.split(
    ' ',
  )) {
    assertIssue(
      issuesOf(parse(flow({ [kind]: 'x', id: 'y' }))),
      `linear[0].${kind}`,
      /reserved for a later version/,
    )
  }
  assertIssue(
    issuesOf(parse({ ...Object(flow()), flows: {} })),
    'flows',
    /reserved for a later version/,
  )
  assertIssue(
    issuesOf(parse(flow({ task: 'a', limit: {} }))),
    'linear[0].limit',
    /reserved for a later version/,
  )
  assertIssue(
    issuesOf(parse(flow({ task: 'a-${{ x }}' }))),
    'linear[0].task',
    /computed task name is reserved/,
  )
})

test('unknown keys are errors at the key, with what was probably meant', () => {
  const issues = issuesOf(
    parse({
      flow: 'f',
      verison: 1,
      tasks: './t.ts',
      linear: [{ unordered: [{ task: 'a', tiemout: '5s', 'x\ny': 1 }], links: [] }],
    }),
  )
  assertIssue(issues, 'verison', /did you mean "version"/)
  assertIssue(issues, 'tasks', /posted document cannot have it/)
  assertIssue(issues, 'linear[0].links', /only a graph has links/)
  const inner = issuesOf(parse(flow({ unordered: [{ task: 'a', tiemout: '5s', 'x\ny': 1 }] })))
  assertIssue(inner, 'linear[0].unordered[0].tiemout', /did you mean "timeout"/)
  assertIssue(inner, 'linear[0].unordered[0]["x\\ny"]', /unknown key/)
})

test('a retry is told by its key before it is parsed', () => {
  const bad: readonly (readonly [unknown, string, RegExp])[] = [
    [
      { attemps: 3 },
      '',
      /needs one of attempts, forEach, never, strategy.*did you mean "attempts"/,
    ],
    [3, '', /write \{ attempts: 3 \}/],
    [{ attempts: 3, never: 'revert' }, '', /attempts and never/],
    [{ never: 'maybe' }, '.never', /one of revert, revertAll/],
    [{ attempts: -1 }, '.attempts', /at least 1/],
    [{ attempts: 0 }, '.attempts', /at least 1/],
    [{ attempts: 1e9 }, '.attempts', /at most 1000000/],
    [{ attempts: 2.5 }, '.attempts', /whole number/],
    [{ attempts: '3' }, '.attempts', /counts all tries/],
    [{ attempts: 3, delay: 5 }, '.delay', /write 5s or 5ms/],
    [{ attempts: 3, delay: '-1s' }, '.delay', /negative/],
    [{ attempts: 3, delay: 'Infinity' }, '.delay', /not a duration/],
    [{ attempts: 3, delay: '400d' }, '.delay', /365 days/],
    [{ attempts: 3, delay: '5m', maxDelay: '1m' }, '.maxDelay', /shorter than `delay`/],
    [{ attempts: 3, jitter: 1.5 }, '.jitter', /at most 1/],
    [{ attempts: 3, factor: 0 }, '.factor', /at least 1/],
    [{ forEach: [] }, '.forEach', /at least 1 items/],
    [{ forEach: 5 }, '.forEach', /a list, or/],
    [{ strategy: 'a b' }, '.strategy', /only letters/],
    [{ attempts: 3, provides: 'no-symbol' }, '.provides', /a symbol has only/],
    // oxlint-disable-next-line unicorn/no-thenable -- the grammar's word
    [{ attempts: 3, then: 'revert' }, '.then', /revertAll/],
  ]
  for (const [retry, path, text] of bad) {
    assertIssue(issuesOf(parse({ flow: 'f', retry, linear: [] })), `retry${path}`, text)
  }
  assertIssue(
    issuesOf(parse(flow({ task: 'a', retry: { attempts: 2, provides: 'x' } }))),
    'linear[0].retry.provides',
    /only the retry of a flow/,
  )
  assert.throws(
    () => parseDocument({ flow: 'f', retry: { attempts: Number.NaN }, linear: [] }),
    /NaN/,
  )
})

test('durations have a unit, timeouts are longer than 0', () => {
  assertIssue(
    issuesOf(parse(flow({ task: 'a', timeout: 5 }))),
    'linear[0].timeout',
    /write 5s or 5ms/,
  )
  assertIssue(
    issuesOf(parse(flow({ task: 'a', timeout: '0s' }))),
    'linear[0].timeout',
    /longer than 0/,
  )
})

test('names are an allow-list; labels are free', () => {
  const bad = [
    '',
    'a/b',
    '..',
    'a b',
    'a\u0001',
    'a\n',
    'a%2f/',
    '#',
    '*',
    'é',
    'e\u0301',
    '😀',
    '\u202Ex',
    'x'.repeat(201),
    'x'.repeat(65_536),
    '__proto__',
    'constructor',
    'prototype',
  ]
  for (const name of bad) {
    assert.ok(
      issuesOf(parse({ flow: name, linear: [] })).length > 0,
      JSON.stringify(name.slice(0, 20)),
    )
    assert.ok(
      issuesOf(parse(flow({ task: 'a', id: name }))).length > 0,
      JSON.stringify(name.slice(0, 20)),
    )
    assert.ok(issuesOf(parse(flow({ task: name }))).length > 0, JSON.stringify(name.slice(0, 20)))
  }
  assert.throws(() => parseDocument(flow({ task: 'a', id: 'a\u0000' })), /u0000/)
  assert.doesNotThrow(() =>
    parseDocument(flow({ task: 'a', id: 'toString', label: '😀 any \u202E text' })),
  )
})

test('symbols are identifiers of expressions, and not their variables', () => {
  for (const symbol of [
    'a-b',
    '1a',
    '',
    'é',
    'result',
    'failure',
    'symbols',
    'job',
    'input',
    'in',
    'true',
    'constructor',
  ]) {
    assert.ok(
      issuesOf(parse({ flow: 'f', input: { [symbol]: 'string' }, linear: [] })).length > 0,
      symbol,
    )
    assert.ok(issuesOf(parse(flow({ task: 'a', provides: [symbol] }))).length > 0, symbol)
    assert.ok(issuesOf(parse(flow({ task: 'a', provides: { [symbol]: 1 } }))).length > 0, symbol)
  }
})

test('ids differ among siblings, and default to the task or to the kind and position', () => {
  const issues = issuesOf(
    parse(
      flow(
        { task: 'a' },
        { linear: [{ task: 'a' }] },
        { task: 'a' },
        { task: 'x', id: 'linear-2' },
      ),
    ),
  )
  assertIssue(issues, 'linear[2]', /the id "a" is that of the first node too.*give this node an id/)
  assertIssue(issues, 'linear[3].id', /"linear-2" is that of the second/)
})

test('links name ids of their graph', () => {
  const graph = [{ task: 'reserve' }, { task: 'charge' }]
  const links = [
    { from: 'reserve', to: 'chrage' },
    { from: 'charge', to: 'charge' },
  ]
  const issues = issuesOf(parse({ flow: 'f', graph, links }))
  assertIssue(issues, 'links[0].to', /did you mean "charge"/)
  assertIssue(issues, 'links[1]', /linked to itself/)
})

test('input is a bare type or a subset of JSON Schema', () => {
  const bad: readonly (readonly [unknown, string, RegExp])[] = [
    ['strng', '', /did you mean "string"/],
    [null, '', /write "null" or any/],
    [5, '', /not a type/],
    [{ type: 'string', pattern: '^(a+)+$' }, '.pattern', /can take forever/],
    [{ $ref: 'file:///etc/passwd' }, '.$ref', /references are not followed/],
    [{ $ref: 'https://example.com/s.json' }, '.$ref', /references are not followed/],
    [{ type: 'array', items: { typ: 'string' } }, '.items.typ', /did you mean "type"/],
    [{ type: 'object', properties: { a: 'string?' } }, '.properties.a', /use `required`/],
    [{ type: 'strin' }, '.type', /did you mean "string"/],
    [{ format: 'datetime' }, '.format', /date-time/],
    [{ type: 'string', enum: [] }, '.enum', /at least 1/],
    [{ minLength: -1 }, '.minLength', /at least 0/],
  ]
  for (const [schema, path, text] of bad) {
    assertIssue(
      issuesOf(parse({ flow: 'f', input: { x: schema }, linear: [] })),
      `input.x${path}`,
      text,
    )
  }
})

test('versions are whole numbers; another grammar is refused', () => {
  for (const version of [0, -1, 1.5, '1', 2 ** 31]) {
    assert.ok(
      issuesOf(parse({ flow: 'f', version, linear: [] }))[0]?.path === 'version',
      String(version),
    )
  }
  assertIssue(
    issuesOf(parse({ zagflow: 2, flow: 'f', linear: [] })),
    'zagflow',
    /expected|unknown value/,
  )
})

test('keys that reach a prototype are refused at every level', () => {
  for (const key of ['__proto__', 'constructor', 'prototype']) {
    for (const text of [
      `{"flow":"f","linear":[],"${key}":{"polluted":1}}`,
      `{"flow":"f","linear":[{"task":"a","with":{"x":{"${key}":{"polluted":1}}}}]}`,
      `{"flow":"f","input":{"x":{"properties":{"${key}":{}}}},"linear":[]}`,
    ]) {
      assert.match(
        issuesOf(() => parseDocument(JSON.parse(text)))[0]?.message ?? '',
        new RegExp(key),
      )
    }
  }
})

test('depth, number and size are limited', () => {
  let nested: unknown = { task: 'a' }
  for (let level = 0; level < 63; level++) nested = { linear: [nested] }
  assert.doesNotThrow(() => parseDocument(flow(nested)))
  assert.match(
    issuesOf(() => parseDocument(flow({ linear: [nested] })))[0]?.message ?? '',
    /64 levels/,
  )
  let deep: unknown = 1
  for (let level = 0; level < 100_000; level++) deep = [deep]
  assert.match(issuesOf(parse(deep))[0]?.message ?? '', /levels/)
  assert.match(issuesOf(parse(flow({ task: 'a', with: { x: deep } })))[0]?.message ?? '', /levels/)
  const nodes = Array.from({ length: 101 }, (_, index) => ({ task: 'a', id: `t${index}` }))
  assert.match(
    issuesOf(() => parseDocument({ flow: 'f', unordered: nodes }, { maxNodes: 100 }))[0]?.message ??
      '',
    /more than 100 nodes/,
  )
  assert.match(
    issuesOf(parse(flow({ task: 'a', with: { x: 'x'.repeat(2_100_000) } })))[0]?.message ?? '',
    /2097152 bytes/,
  )
  assert.doesNotThrow(() =>
    parseDocument(flow({ task: 'a', with: { x: 'x'.repeat(2_100_000) } }), { maxBytes: 3_000_000 }),
  )
})

test('0, 1 and 10,000 tasks are flows, parsed in time linear in their number', () => {
  parseDocument(flow())
  parseDocument(flow({ task: 'a' }))
  const many = (count: number) => ({
    flow: 'f',
    unordered: Array.from({ length: count }, (_, index) => ({
      id: `t${index}`,
      task: 'a',
      with: { x: `\${{ s${index} }}` },
      provides: ['y'],
    })),
  })
  const cpu = (count: number): number => {
    const document = many(count)
    const before = process.cpuUsage()
    parseDocument(document, { maxBytes: 10_000_000 })
    const { user, system } = process.cpuUsage(before)
    return user + system
  }
  cpu(1_000)
  const small = Math.min(cpu(1_000), cpu(1_000), cpu(1_000))
  const large = Math.min(cpu(10_000), cpu(10_000))
  assert.ok(large < small * 40, `10,000 tasks took ${large / small} times as long as 1,000`)
})

test('every issue is told, at most a hundred', () => {
  const nodes = Array.from({ length: 5_000 }, (_, index) => ({
    task: 'a',
    id: `t${index}`,
    tiemout: '5s',
  }))
  assert.equal(issuesOf(parse({ flow: 'f', linear: nodes })).length, 100)
})

test('values that are no documents are refused', () => {
  for (const value of [
    null,
    undefined,
    5,
    'text',
    [],
    () => 1,
    new Date(),
    new Map(),
    Symbol('s'),
    10n,
  ]) {
    assert.ok(issuesOf(parse(value)).length > 0)
  }
})
