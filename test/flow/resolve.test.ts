import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hashJson } from '../../src/base/ids.ts'
import type { Json } from '../../src/base/json.ts'
import { toJson } from '../../src/base/codec.ts'
import { compile } from '../../src/flow/compile.ts'
import { loadFlow } from '../../src/flow/load.ts'
import { parseDocument } from '../../src/flow/parse.ts'
import { resolve } from '../../src/flow/resolve.ts'
import type { ResolvedDocument } from '../../src/flow/resolved.ts'
import { assertIssue, flowError, issuesOf } from './issues-of.ts'
import { guardPrototype } from './prototype-guard.ts'
import { signature } from './signatures.ts'

guardPrototype()

const signatures = [
  signature(
    'reserve',
    { sku: 'string', quantity: 'integer' },
    { reservationId: 'string' },
    {
      topic: 'stock',
      priority: 3,
      timeoutMs: 30_000,
      retry: { attempts: 5, delayMs: 1_000 },
      revertRetry: { attempts: 9 },
      repeat: 'never',
      revert: false,
    },
  ),
  signature(
    'charge',
    { amount: 'number', currency: { type: 'string', enum: ['EUR', 'USD'] } },
    { paymentId: 'string' },
  ),
  signature('notify', { message: 'string?', times: { type: 'integer', default: 1 } }),
  signature(
    'ship',
    { reservationId: 'string', paymentId: 'string' },
    { tracking: 'string', weight: 'number?' },
  ),
  signature('one', {}, { x: 'integer' }),
  signature('two', { x: 'integer' }, { y: 'integer' }),
  signature('three', { y: 'integer' }, { x: 'integer' }),
  signature('say', { m: 'string' }),
  signature(
    'customer',
    {},
    { customer: { type: 'object', properties: { city: 'string' }, additionalProperties: false } },
  ),
]

function resolved(yaml: string): ResolvedDocument {
  const document = resolve(loadFlow(yaml).document, { signatures })
  assert.deepEqual(toJson(document), document, 'a resolved document is JSON')
  compile(document, hashJson(document as unknown as Json)) // S1: compiling it cannot fail
  return document
}

const closed = (body: string): string => `flow: f\ninput: {}\n${body}`
const issues = (yaml: string) => issuesOf(() => resolved(yaml))
const accepted = (yaml: string): void => assert.doesNotThrow(() => resolved(yaml), yaml)

test('signatures, durations and ids are settled', () => {
  const document = resolved(`flow: checkout
version: 2
description: sells
labels: { team: shop }
input: { sku: string, quantity: { type: integer, default: 1 }, total: number }
linear:
  - task: reserve
  - id: settle
    label: pay
    onChildFailure: abort
    timeout: 1h
    retry: { attempts: 3, delay: 5s, maxDelay: 1m, jitter: 0.5, provides: round, then: revertAll }
    unordered:
      - { task: charge, with: { amount: "\${{ total * 2 }}", currency: EUR }, retry: { attempts: 2, delay: 1m30s }, topic: pay }
      - { task: notify, when: "\${{ quantity > 10 }}", priority: 7, timeout: 5s }
  - unordered: []
  - task: ship
output: { tracking: "\${{ tracking }}" }
`)
  const { root, ...rest } = document
  assert.deepEqual(
    { ...rest, source: '' },
    {
      format: 1,
      flow: 'checkout',
      version: 2,
      description: 'sells',
      source: '',
      closed: true,
      input: {
        sku: { schema: { type: 'string' } },
        quantity: { schema: { type: 'integer', default: 1 }, default: 1 },
        total: { schema: { type: 'number' } },
      },
      output: { tracking: '${{ tracking }}' },
      labels: { team: 'shop' },
    },
  )
  assert.match(document.source, /^[0-9a-f]{64}$/)
  assert.equal(root.id, 'checkout')
  const [reserve, settle, empty] = root.nodes
  assert.deepEqual(reserve, {
    kind: 'task',
    id: 'reserve',
    task: 'reserve',
    topic: 'stock',
    priority: 3,
    timeoutMs: 30_000,
    retry: { attempts: 5, delayMs: 1_000 },
    revertRetry: { attempts: 9 },
    repeat: 'never',
    revert: false,
    requires: { sku: { schema: { type: 'string' } }, quantity: { schema: { type: 'integer' } } },
    provides: { reservationId: { schema: { type: 'string' } } },
  })
  assert.ok(settle?.kind === 'unordered')
  assert.deepEqual(
    { ...settle, nodes: [] },
    {
      kind: 'unordered',
      id: 'settle',
      label: 'pay',
      nodes: [],
      onChildFailure: 'abort',
      timeoutMs: 3_600_000,
      retry: {
        kind: 'times',
        attempts: 3,
        delayMs: 5_000,
        maxDelayMs: 60_000,
        jitter: 0.5,
        provides: 'round',
        then: 'revertAll',
      },
    },
  )
  const [charge, notify] = settle.nodes
  assert.ok(charge?.kind === 'task' && notify?.kind === 'task')
  assert.deepEqual(charge.retry, { attempts: 2, delayMs: 90_000 })
  assert.equal(charge.topic, 'pay')
  assert.deepEqual(charge.with, { amount: '${{ total * 2 }}', currency: 'EUR' })
  assert.equal(notify.when, 'quantity > 10')
  assert.equal(notify.priority, 7)
  assert.equal(empty?.id, 'unordered-3')
})

test('every kind of retry is resolved', () => {
  const { root } = resolved(`flow: f
linear:
  - { id: a, retry: { forEach: [1, 2], delay: 1s, provides: v, when: "failure.code != 'x'" }, linear: [] }
  - { id: b, retry: { never: revertAll }, linear: [] }
  - { id: c, retry: { strategy: s, topic: t, with: { k: 1 }, provides: w }, linear: [] }
`)
  assert.deepEqual(
    root.nodes.map((node) => node.retry),
    [
      {
        kind: 'forEach',
        values: [1, 2],
        delayMs: 1_000,
        provides: 'v',
        when: "failure.code != 'x'",
      },
      { kind: 'never', answer: 'revertAll' },
      { kind: 'strategy', strategy: 's', topic: 't', with: { k: 1 }, provides: 'w' },
    ],
  )
})

test('the source hash does not depend on how the document was written', () => {
  const yaml = resolved(
    'flow: f\ninput: { a: string? }\nlinear: [{ task: one, when: "${{ 1 < 2 }}" }]',
  )
  const json = resolve(
    parseDocument({
      linear: [{ when: '1 < 2', task: 'one', with: {} }],
      flow: 'f',
      zagflow: 1,
      input: { a: { optional: true, type: 'string' } },
    }),
    { signatures },
  )
  assert.equal(yaml.source, json.source)
  assert.deepEqual(yaml, json)
})

test('a task that nobody knows is refused unless it says what it takes and gives', () => {
  assertIssue(
    issues(closed('linear: [{ task: chrage }]')),
    'linear[0].task',
    /no task "chrage" is known.*did you mean "charge"/,
  )
  assertIssue(
    issues(closed('linear: [{ task: foreign, with: { a: 1 } }]')),
    'linear[0].task',
    /`provides`/,
  )
  const { root } = resolved(
    closed(
      'linear: [{ task: foreign, with: { a: 1 }, provides: [q] }, { task: say, with: { m: "${{ q.text }}" } }]',
    ),
  )
  const [foreign] = root.nodes
  assert.ok(foreign?.kind === 'task')
  assert.deepEqual(foreign.requires, { a: { schema: {} } })
  assert.deepEqual(foreign.provides, { q: { schema: {} } })
  assert.equal(foreign.revert, true)
})

test('arguments in `with` exist, and constants fit them', () => {
  const found = issues(
    closed(`linear:
  - task: charge
    with: { amont: 1, amount: "12", currency: EURO }
  - task: notify
    with: { times: 1.5, message: "$\${{ literal" }
`),
  )
  assertIssue(found, 'linear[0].with.amont', /no argument "amont".*did you mean "amount"/)
  assertIssue(found, 'linear[0].with.amount', /expected|a number.*"12".*not converted/)
  assertIssue(found, 'linear[0].with.currency', /one of "EUR", "USD".*did you mean "EUR"/)
  assertIssue(found, 'linear[1].with.times', /a whole number/)
  assert.equal(found.length, 4)
})

test('`provides` renames and computes results', () => {
  const { root } = resolved(
    closed(`linear:
  - { task: ship, with: { reservationId: a, paymentId: b }, provides: { mine: "\${{ result.tracking }}", both: "\${{ result.tracking + '!' }}", w: "\${{ result.weight }}" } }
  - { task: say, with: { m: "\${{ mine + both }}" } }
  - { task: one, provides: [x] }
`),
  )
  const [ship] = root.nodes
  assert.ok(ship?.kind === 'task')
  assert.deepEqual(ship.provides, {
    mine: { schema: { type: 'string' }, value: '${{ result.tracking }}' },
    both: { schema: {}, value: "${{ result.tracking + '!' }}" },
    w: { schema: { type: 'number' }, optional: true, value: '${{ result.weight }}' },
  })
  const found = issues(
    closed(`linear:
  - { task: one, provides: [xx] }
  - { id: b, task: one, provides: { a: "\${{ result.xx }}", b: "\${{ x }}", c: "\${{ failure.code }}", d: "\${{ result.x", e: "\${{ result.x + 'a' }}" } }
`),
  )
  assertIssue(found, 'linear[0].provides[0]', /provides no "xx".*did you mean "x"/)
  assertIssue(found, 'linear[1].provides.a', /no key "xx"/)
  assertIssue(found, 'linear[1].provides.b', /is it result\.x\?/)
  assertIssue(found, 'linear[1].provides.c', /"failure" is not known here/)
  assertIssue(found, 'linear[1].provides.d', /without its/)
  assertIssue(found, 'linear[1].provides.e', /a number \+ a text/)
})

test('a symbol that nothing provides is an error that names the next best', () => {
  assertIssue(
    issues(closed('linear: [{ task: two }]')),
    'linear[0]',
    /two requires "x", which nothing before it provides/,
  )
  assertIssue(
    issues('flow: f\ninput: { quantty: integer, sku: string }\nlinear: [{ task: reserve }]'),
    'linear[0]',
    /did you mean "quantty"/,
  )
  assertIssue(
    issues(closed('linear: [{ task: two }, { task: one }]')),
    'linear[0]',
    /which only one provides, after it.*or use graph/,
  )
  assertIssue(
    issues(closed('linear: [{ task: say, with: { m: "${{ nope }}" } }]')),
    'linear[0].with.m',
    /requires "nope"/,
  )
  assertIssue(
    issues(closed('linear: []\noutput: { o: "${{ nope }}" }')),
    'output.o',
    /the output requires "nope"/,
  )
  accepted(closed('linear: [{ task: notify }]'))
})

test('siblings in an unordered flow do not see each other; what comes after sees all', () => {
  assertIssue(
    issues(closed('unordered: [{ task: one }, { task: two }]')),
    'unordered[1]',
    /which one provides.*use linear or graph/,
  )
  assertIssue(
    issues(closed('unordered: [{ linear: [{ task: one }] }, { linear: [{ task: two }] }]')),
    'unordered[1].linear[0]',
    /which linear-1 provides.*use linear or graph/,
  )
  accepted(
    closed('linear: [{ unordered: [{ task: one }] }, { task: two }]\noutput: { y: "${{ y }}" }'),
  )
  accepted(closed('unordered: [{ task: one }]\noutput: { x: "${{ x }}" }'))
  accepted(closed('linear: [{ task: one }, { unordered: [{ task: two }, { id: b, task: two }] }]'))
})

test('a graph is ordered by symbols and links; its cycles are named', () => {
  accepted(closed('graph: [{ task: two }, { task: one }]'))
  accepted(closed('graph: [{ linear: [{ task: two }] }, { linear: [{ task: one }] }]'))
  assertIssue(
    issues(closed('graph: [{ task: two }, { task: three }]')),
    'graph',
    /wait for each other: (two \(provides "y"\) → three \(provides "x"\) → two|three .* → three)/,
  )
  assertIssue(
    issues(closed('graph: [{ task: one }, { task: two }]\nlinks: [{ from: two, to: one }]')),
    'graph',
    /one \(provides "x"\) → two → one|two → one/,
  )
  assertIssue(
    issues(closed('graph: [{ linear: [{ task: two }] }, { linear: [{ task: three }] }]')),
    'graph',
    /linear-1 .*linear-2/,
  )
  assertIssue(
    issues(closed('graph: [{ task: foreign, with: { a: "${{ z }}" }, provides: [z] }]')),
    'graph[0].with.a',
    /requires "z"/,
  )
  const ring = Array.from({ length: 1_000 }, (_, index) => {
    return `  - { id: n${index}, task: t, with: { a: "\${{ s${(index + 1) % 1_000} }}" }, provides: [s${index}] }`
  })
  assertIssue(issues(closed(`graph:\n${ring.join('\n')}`)), 'graph', /… 980 more/)
})

test('two providers of one symbol in a graph are ambiguous, unless one may be skipped', () => {
  assertIssue(
    issues(closed('graph: [{ task: one }, { id: again, task: one }]')),
    'graph[1]',
    /"again" provides "x", which "one" of the same graph provides too/,
  )
  accepted(closed('graph: [{ task: one, when: "1 < 2" }, { id: again, task: one, when: "1 > 2" }]'))
  accepted(closed('linear: [{ task: one }, { id: again, task: one }, { task: two }]'))
})

test('a provider that may be skipped or fail needs a fallback', () => {
  assertIssue(
    issues(closed('linear: [{ task: one, when: "1 < 2" }, { task: two }]')),
    'linear[1]',
    /two requires "x", whose provider may be skipped: one/,
  )
  assertIssue(
    issues(closed('linear: [{ task: one, onFailure: continue }, { task: two }]')),
    'linear[1]',
    /may fail without ending the flow: one/,
  )
  assertIssue(
    issues(closed('linear: [{ when: "1 < 2", linear: [{ task: one }] }, { task: two }]')),
    'linear[1]',
    /may be skipped: one/,
  )
  assertIssue(
    issues(
      closed(
        'linear: [{ task: ship, with: { reservationId: a, paymentId: b } }, { task: foreign, with: { w: "${{ weight }}" }, provides: [] }]',
      ),
    ),
    'linear[1].with.w',
    /may be absent in the result/,
  )
  assertIssue(
    issues('flow: f\ninput: { x: integer? }\nlinear: [{ task: two }]'),
    'linear[0]',
    /an input that may be absent/,
  )
  accepted(closed('linear: [{ task: one }, { id: b, task: one, when: "1 < 2" }, { task: two }]'))
  accepted('flow: f\ninput: { x: integer }\nlinear: [{ task: one, when: "1 < 2" }, { task: two }]')
  accepted(
    'flow: f\ninput: { x: { type: integer, default: 1, optional: true } }\nlinear: [{ task: two }]',
  )
  accepted(closed('linear: [{ task: one, when: "1 < 2" }, { task: two, when: "has(symbols.x)" }]'))
  accepted(
    closed(
      'linear: [{ task: one, when: "1 < 2" }, { task: notify, with: { times: "${{ has(symbols.x) ? x : 0 }}" } }]',
    ),
  )
  accepted(
    closed('linear: [{ task: one, when: "1 < 2" }, { when: "1 < 2", linear: [{ task: two }] }]'),
  )
})

test('what only follows a dead link is skipped with its provider; what comes after the graph is not', () => {
  const graph =
    'graph: [{ task: say, with: { m: a } }, { task: one }, { task: two }]\nLINKS[{ from: say, to: one, when: "1 < 2" }]'
  accepted(closed(graph.replace('LINKS', 'links: ')))
  assertIssue(
    issues(
      closed(
        'linear: [{ id: g, graph: [{ task: say, with: { m: a } }, { task: one }], links: [{ from: say, to: one, when: "1 < 2" }] }, { task: two }]',
      ),
    ),
    'linear[1]',
    /may be skipped: one/,
  )
})

test('the nearest provider counts: siblings, then the retry, then further out, then the input', () => {
  assertIssue(
    issues(
      'flow: f\ninput: { m: string }\nlinear: [{ retry: { attempts: 2, provides: m }, linear: [{ task: say }] }]',
    ),
    'linear[0].linear[0]',
    /which the retry of linear-1 gives as a number/,
  )
  accepted(
    'flow: f\ninput: { m: integer }\nlinear: [{ task: foreign, provides: [m] }, { task: say }]',
  )
  assertIssue(
    issues('flow: f\ninput: { m: integer }\nlinear: [{ task: say }]'),
    'linear[0]',
    /which the input gives as a number.*a text/,
  )
  assertIssue(
    issues(closed('linear: [{ task: one }, { task: say, with: { m: "${{ x }}" } }]')),
    'linear[1].with.m',
    /a text.*a number/,
  )
})

test('expressions are checked with the types of what they name', () => {
  const found = issues(
    closed(`linear:
  - task: customer
  - { task: say, with: { m: "\${{ customer.ctiy }}" } }
  - { id: b, task: say, with: { m: "\${{ customer.city + 1 }}" } }
  - { id: c, task: say, with: { m: "\${{ size(customer.city) }}" } }
  - { id: d, task: say, with: { m: "in text \${{ customer.city * 2 }}" } }
  - { id: e, task: say, with: { m: "\${{ a + }}" } }
  - { id: g, task: say, with: { m: x }, when: "customer.city" }
  - { id: h, task: say, with: { m: x }, retry: { attempts: "\${{ customer.city }}" } }
  - { id: i, task: say, with: { m: x }, retry: { attempts: 2, when: "failure.mesage == 'x' || result == 1" } }
  - { id: j, retry: { forEach: "\${{ customer.city }}" }, linear: [] }
`),
  )
  assertIssue(found, 'linear[1].with.m', /did you mean "city"/)
  assertIssue(found, 'linear[2].with.m', /a text \+ a number/)
  assertIssue(found, 'linear[3].with.m', /does not fit.*a text.*a number/)
  assertIssue(found, 'linear[4].with.m', /needs a number, got a text/)
  assertIssue(found, 'linear[5].with.m', /unexpected token/)
  assertIssue(found, 'linear[6].when', /a condition is true or false.*a text/)
  assertIssue(found, 'linear[7].retry.attempts', /a whole number.*a text/)
  assertIssue(found, 'linear[8].retry.when', /"result" is not known here/)
  assertIssue(found, 'linear[9].retry.forEach', /a list.*a text/)
  assertIssue(
    issues('flow: f\ninput: { a: string }\nlinear: [{ task: say, with: { m: "${{ input.b }}" } }]'),
    'linear[0].with.m',
    /no key "b"/,
  )
})

test('a flow that is not closed asks outside for what it needs', () => {
  const document = resolved(`flow: f
linear:
  - task: two
  - { task: say, with: { m: "\${{ has(symbols.greeting) ? greeting : name }}" } }
  - task: notify
`)
  assert.equal(document.closed, false)
  assert.deepEqual(document.input, {
    x: { schema: { type: 'integer' } },
    greeting: { schema: {}, optional: true },
    name: { schema: {} },
    message: { schema: { type: 'string' }, optional: true },
    times: { schema: { type: 'integer', default: 1 }, optional: true },
  })
  accepted('flow: f\nunordered: [{ task: one }, { task: two }]')
})

test('errors of later checks have the line of the source', () => {
  assert.match(
    flowError(() =>
      resolve(
        loadFlow('flow: f\ninput: {}\nlinear:\n  - task: two\n', { name: 'f.yaml' }).document,
        { signatures },
      ),
    ).message,
    /f\.yaml:4:5 linear\[0\]: two requires "x"/,
  )
})

test('a default that does not fit its own schema is refused', () => {
  assertIssue(
    issues('flow: f\ninput: { a: { type: integer, default: x } }\nlinear: []'),
    'input.a.default',
    /the default does not fit/,
  )
})

test('signatures may be given by name or asked for', () => {
  const document = parseDocument({ flow: 'f', linear: [{ task: 'one' }] })
  assert.doesNotThrow(() =>
    resolve(document, { signatures: (task) => signatures.find(({ name }) => name === task) }),
  )
  assert.throws(() => resolve(document, { signatures: () => undefined }), /no task "one" is known/)
  assert.doesNotThrow(
    () => resolve({ flow: 'g', linear: [] }, { signatures: [] }),
    'a value that was not parsed is parsed',
  )
})

test('the cost is near-linear in the number of tasks', () => {
  const increment = [signature('inc', { value: 'integer' }, { value: 'integer' })]
  const cpu = (count: number, make: (index: number) => object, kind: string): number => {
    const nodes = Array.from({ length: count }, (_, index) => ({
      id: `t${index}`,
      task: 'inc',
      ...make(index),
    }))
    const document = parseDocument(
      { flow: 'f', input: { value: 'integer' }, [kind]: nodes },
      { maxBytes: 20_000_000 },
    )
    const before = process.cpuUsage()
    resolve(document, { signatures: increment })
    const { user, system } = process.cpuUsage(before)
    return user + system
  }
  const shapes: readonly (readonly [string, (index: number) => object])[] = [
    ['linear', () => ({})],
    ['linear', () => ({ when: '1 < 2' })],
    ['unordered', () => ({})],
    [
      'graph',
      (index) => ({
        with: { value: index === 0 ? 1 : `\${{ v${index - 1} }}` },
        provides: { [`v${index}`]: '${{ result.value }}' },
      }),
    ],
  ]
  for (const [kind, make] of shapes) {
    cpu(500, make, kind)
    const small = Math.min(cpu(2_000, make, kind), cpu(2_000, make, kind), cpu(2_000, make, kind))
    const large = Math.min(cpu(16_000, make, kind), cpu(16_000, make, kind))
    assert.ok(
      large < small * 8 * 4,
      `${kind}: 16,000 tasks took ${large / small} times as long as 2,000`,
    )
  }
})

test('an atom whose path is too long for the index of a database is refused before anything is stored', () => {
  let inner = 'task: notify'
  const long = 'x'.repeat(200)
  for (let depth = 0; depth < 10; depth++)
    inner = `{ id: ${long}, linear: [ { ${inner} } ] }`.slice(2, -2)
  const { document } = loadFlow(`flow: deep\ninput: {}\nlinear:\n  - { ${inner} }\n`)
  const error = flowError(() => resolve(document, { signatures }))
  assert.match(
    error.message,
    /the path of this task.* has 2\d{3} characters, expected at most 2000/,
  )
})
