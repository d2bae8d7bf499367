import assert from 'node:assert/strict'
import { test } from 'node:test'
import { InvalidFlowError, TaskError, UsageError } from '../../src/base/errors.ts'
import { graph, linear, unordered } from '../../src/flow/composition.ts'
import { flow } from '../../src/flow/flow.ts'
import { MAX_DOCUMENT_BYTES } from '../../src/flow/names.ts'
import { parseDocument } from '../../src/flow/parse.ts'
import { retryStrategy } from '../../src/flow/retry-strategy.ts'
import { taskDefinitionOf } from '../../src/flow/task-brand.ts'
import { task } from '../../src/flow/task.ts'
import { cel, from } from '../../src/flow/template-of.ts'
import type { Node } from '../../src/flow/types/node.ts'
import { parse } from 'yaml'
import { z } from 'zod'

const reserve = task('inventory.reserve', {
  requires: { sku: z.string(), quantity: z.int().positive() },
  provides: { reservationId: z.string() },
  execute: ({ sku }) => ({ reservationId: `r-${sku}` }),
})
const charge = task('payment.charge', {
  requires: { amount: z.number(), currency: z.string() },
  provides: { paymentId: z.string() },
  execute: () => ({ paymentId: 'p' }),
})
const notify = task('mail.notify', { requires: { quantity: z.int() }, execute: () => undefined })
const ship = task('shipping.ship', {
  requires: { reservationId: z.string() },
  provides: { trackingNumber: z.string() },
  execute: () => ({ trackingNumber: 't' }),
})

const checkout = flow(
  'checkout',
  {
    version: 1,
    input: { sku: z.string(), quantity: z.int().positive(), total: z.number() },
    output: { tracking: from('trackingNumber') },
  },
  [
    reserve,
    unordered(
      'settle',
      [charge.with({ amount: from('total'), currency: 'EUR' }), notify.when('quantity > 10')],
      { retry: { attempts: 3, delay: '5s' } },
    ),
    ship,
  ],
)

const bindingsOf = (step: Node): unknown => {
  const { source } = step['~node']
  return 'task' in source && source.with
}

test('a flow written with builders is the document that its YAML gives', () => {
  const yaml = `
zagflow: 1
flow: checkout
version: 1
input:
  sku: string
  quantity: { type: integer, minimum: 1 }
  total: number
linear:
  - task: inventory.reserve
  - id: settle
    retry: { attempts: 3, delay: 5s }
    unordered:
      - task: payment.charge
        with: { amount: "\${{ total }}", currency: EUR }
      - task: mail.notify
        when: "\${{ quantity > 10 }}"
  - task: shipping.ship
output:
  tracking: "\${{ trackingNumber }}"
`
  assert.deepEqual(checkout.document, parseDocument(parse(yaml)))
})

test('the document is made once and frozen, for it is hashed and shared', () => {
  assert.equal(checkout.document, checkout.document)
  assert.ok(Object.isFrozen(checkout.document))
  assert.equal(Reflect.set(checkout.document, 'flow', 'other'), false)
  assert.equal(Object.isFrozen(checkout.document.input), true)
})

test('a flow knows all tasks and strategies in it, by name', () => {
  const strategy = retryStrategy('patient', () => 'RETRY')
  const outer = linear('outer', [
    unordered('inner', [reserve, reserve.as('again')], { retry: { strategy } }),
    ship,
  ])
  assert.deepEqual([...outer.tasks.keys()], ['patient', 'inventory.reserve', 'shipping.ship'])
  assert.equal(outer.tasks.get('inventory.reserve'), reserve.definition)
  assert.equal(outer.tasks.get('patient'), strategy)
})

test('two different tasks of one name are refused, for a worker could run only one of them', () => {
  const other = task('shipping.ship', { execute: () => undefined })
  assert.throws(
    () => linear('both', [ship, other.as('other')]).tasks,
    (error) => {
      assert.ok(error instanceof InvalidFlowError)
      assert.match(
        error.message,
        /two different tasks have the name "shipping\.ship"; give each its own name/,
      )
      return true
    },
  )
})

test('steps are immutable, so that one can be placed in many flows', () => {
  const before = JSON.stringify(reserve['~node'].source)
  const placed = reserve
    .as('first')
    .with({ sku: 'A1' })
    .when('quantity > 1')
    .provides({ mine: 'reservationId' })
  assert.equal(JSON.stringify(reserve['~node'].source), before)
  assert.deepEqual(linear('x', [placed.label('For people').priority(3).timeout('1m')]).document, {
    zagflow: 1,
    flow: 'x',
    linear: [
      {
        id: 'first',
        task: 'inventory.reserve',
        with: { sku: 'A1' },
        when: 'quantity > 1',
        provides: { mine: '${{ result.reservationId }}' },
        label: 'For people',
        priority: 3,
        timeout: '1m',
      },
    ],
  })
})

test('constants stay constants: what looks like an expression in them is escaped', () => {
  const step = charge.with({ currency: 'costs ${{ total }} or $${{', amount: cel('total * 2') })
  assert.deepEqual(bindingsOf(step), {
    currency: 'costs $${{ total }} or $$${{',
    amount: '${{ total * 2 }}',
  })
})

test('bindings add up, the later one of an argument counts', () => {
  const step = charge.with({ currency: 'EUR', amount: 1 }).with({ amount: from('order.total') })
  assert.deepEqual(bindingsOf(step), { currency: 'EUR', amount: '${{ order.total }}' })
})

test('every form of a retry is the data that documents have', () => {
  const strategy = retryStrategy('patient', () => 'RETRY')
  const retryOf = (retry: Parameters<typeof linear>[2]) =>
    linear('x', [reserve], retry).document.retry
  assert.deepEqual(
    retryOf({
      retry: {
        attempts: cel('tries'),
        delay: '1s',
        factor: 2,
        maxDelay: '1m',
        jitter: 0.1,
        when: 'failure.code != "No"',
        provides: 'attempt',
        then: 'revertAll',
      },
    }),
    {
      attempts: '${{ tries }}',
      delay: '1s',
      factor: 2,
      maxDelay: '1m',
      jitter: 0.1,
      when: 'failure.code != "No"',
      provides: 'attempt',
      then: 'revertAll',
    },
  )
  assert.deepEqual(retryOf({ retry: { forEach: ['a', 'b'], provides: 'host' } }), {
    forEach: ['a', 'b'],
    provides: 'host',
  })
  assert.deepEqual(retryOf({ retry: { forEach: from('hosts'), provides: 'host' } }), {
    forEach: '${{ hosts }}',
    provides: 'host',
  })
  assert.deepEqual(retryOf({ retry: { never: 'revertAll' } }), { never: 'revertAll' })
  assert.deepEqual(retryOf({ retry: { strategy, with: { limit: 3 } } }), {
    strategy: 'patient',
    with: { limit: 3 },
  })
  assert.deepEqual(retryOf({ retry: { strategy: 'of a worker'.replaceAll(' ', '-') } }), {
    strategy: 'of-a-worker',
  })
})

test('a graph has links, and a root may be a graph', () => {
  const document = graph('g', [reserve, ship, notify], {
    links: [
      { from: 'inventory.reserve', to: 'mail.notify', when: cel('quantity > 1'), depth: 'flow' },
    ],
  }).document
  assert.deepEqual('links' in document && document.links, [
    { from: 'inventory.reserve', to: 'mail.notify', when: 'quantity > 1', depth: 'flow' },
  ])
  const root = flow(
    'g',
    {
      kind: 'graph',
      links: [{ from: 'mail.notify', to: 'shipping.ship' }],
      input: { sku: z.string(), quantity: z.int() },
    },
    [ship, notify, reserve],
  )
  assert.ok('graph' in root.document)
})

test('flow() is closed even without an input, linear() asks outside for what it needs', () => {
  assert.deepEqual(flow('hello', {}, [notify.with({ quantity: 1 })]).document.input, {})
  assert.equal(linear('hello', [notify]).document.input, undefined)
})

test('defaults and optional symbols of an input are written out', () => {
  const { document } = flow(
    'f',
    {
      input: {
        a: z.number().default(2),
        b: z.string().optional(),
        c: z.iso.datetime(),
        d: z.unknown(),
      },
    },
    [],
  )
  assert.deepEqual(document.input, {
    a: { type: 'number', default: 2 },
    b: { type: 'string', optional: true },
    c: { type: 'string', format: 'date-time' },
    d: {},
  })
})

test('the signature tells workers and documents what a task needs and gives', () => {
  const definition = task('t', {
    requires: { a: z.int().positive(), b: z.string().optional(), c: z.boolean().default(true) },
    provides: { out: z.array(z.json()) },
    topic: 'mail',
    timeout: '30s',
    heartbeat: '5s',
    retry: { attempts: 5, delay: '1s', factor: 2, maxDelay: '1m', jitter: 0.2 },
    revertRetry: { attempts: 9 },
    repeat: 'never',
    priority: 5,
    cpu: true,
    execute: () => ({ out: [] }),
    revert() {},
  }).definition
  assert.equal(definition.cpu, true)
  assert.deepEqual(definition.signature, {
    name: 't',
    topic: 'mail',
    requires: {
      a: { schema: { type: 'integer', minimum: 1 } },
      b: { schema: { type: 'string' }, optional: true },
      c: { schema: { type: 'boolean' }, default: true },
    },
    provides: { out: { schema: { type: 'array', items: {} } } },
    retry: { attempts: 5, delayMs: 1000, factor: 2, maxDelayMs: 60000, jitter: 0.2 },
    revertRetry: { attempts: 9 },
    timeoutMs: 30000,
    heartbeatMs: 5000,
    repeat: 'never',
    priority: 5,
    revert: true,
  })
})

test('arguments are checked and completed before a task sees them', () => {
  const { definition } = task('t', {
    requires: {
      a: z.int(),
      b: z.string().optional(),
      c: z.boolean().default(true),
      at: z.iso.datetime().transform((text) => new Date(text)),
    },
    execute: () => undefined,
  })
  assert.deepEqual(definition.validateArguments({ a: 1, at: '2026-01-01T00:00:00Z', other: 1 }), {
    a: 1,
    c: true,
    at: new Date('2026-01-01T00:00:00Z'),
  })
  assert.throws(
    () => definition.validateArguments({ a: 'x', at: 'soon' }),
    (error) => {
      assert.ok(error instanceof TaskError)
      assert.equal(error.code, 'InvalidArguments')
      assert.equal(error.retryable, false)
      assert.match(
        error.message,
        /^the arguments of the task "t" do not fit: a: Invalid input: expected number, received string; at: /,
      )
      return true
    },
  )
})

test('a result lacks nothing that the task declared, and gives nothing else', () => {
  const { definition } = reserve
  assert.deepEqual(definition.validateResult({ reservationId: 'r', row: 1 }), {
    reservationId: 'r',
  })
  assert.throws(
    () => definition.validateResult({ reservationID: 'r' }),
    /the result of the task "inventory.reserve" does not fit: reservationId: missing; there is "reservationID"/,
  )
  assert.throws(
    () => definition.validateResult(undefined),
    /provides reservationId, but its result is nothing; return \{ reservationId \}/,
  )
  assert.throws(() => definition.validateResult({ reservationId: 1 }), { code: 'InvalidResult' })
  assert.deepEqual(notify.definition.validateResult('anything'), {})
})

test('what cannot be a symbol is refused where the task is defined, with what to write instead', () => {
  const execute = (): undefined => undefined
  const refused = (options: object, message: RegExp): void => {
    assert.throws(
      () => task('t', { execute, ...options }),
      (error) => {
        assert.ok(error instanceof UsageError)
        assert.match(error.message, message)
        return true
      },
    )
  }
  refused(
    { requires: { at: z.date() } },
    /the task "t" requires "at", whose schema JSON Schema cannot express: Date .*; symbols are JSON values: use z\.iso\.datetime\(\)/,
  )
  refused({ provides: { n: z.bigint() } }, /provides "n", .*use z\.int\(\)/)
  refused({ provides: { n: z.string().transform(Number) } }, /end the transform with \.pipe/)
  refused(
    { requires: z.object({ sku: z.string() }) },
    /expected a shape.*; pass the shape: \{ sku \}/,
  )
  refused(
    { requires: { 'run-date': z.string() } },
    /requires "run-date", but a symbol has only letters/,
  )
  refused({ requires: { result: z.string() } }, /variable of expressions/)
  refused({ requires: { sku: 'string' } }, /whose schema is "string"; give a Standard Schema/)
  refused({ timeout: 5 }, /timeout is 5: a duration needs a unit; write 5s or 5ms/)
  refused({ heartbeat: '0s' }, /a heartbeat is longer than 0/)
  refused({ retry: { attempts: 0 } }, /retry\.attempts is 0, expected a whole number from 1/)
  refused({ retry: { attempts: 2, provides: 'n' } }, /retry has an unknown key "provides"/)
  refused(
    { retry: { attempts: 2, jitter: 2 } },
    /retry\.jitter is 2, expected a number from 0 to 1/,
  )
  refused({ retires: { attempts: 2 } }, /unknown option "retires"/)
  refused({ state: z.string() }, /"state"; it is reserved for a later version/)
  refused({ execute: undefined }, /has no execute/)
})

test('what is wrong with a step or a composition is said where it is written', () => {
  const bad = (write: () => unknown, message: RegExp): void => {
    assert.throws(write, (error) => {
      assert.ok(error instanceof UsageError)
      assert.match(error.message, message)
      return true
    })
  }
  const loose = reserve as unknown as {
    with(b: unknown): unknown
    provides(n: unknown): unknown
    as(i: unknown): unknown
    onFailure(r: unknown): unknown
    timeout(t: unknown): unknown
  }
  bad(() => loose.with({ skuu: 1 }), /no argument "skuu"; did you mean "sku"\?/)
  bad(
    () => loose.with({ sku: new Date() }),
    /with\.sku is a Date, expected JSON; give date\.toISOString\(\)/,
  )
  bad(
    () => loose.provides({ mine: 'reservationID' }),
    /its result has no "reservationID"; did you mean "reservationId"\?/,
  )
  bad(() => loose.provides({ 'my-id': 'reservationId' }), /provides "my-id": a symbol has only/)
  bad(() => loose.as('with space'), /the id "with space" cannot be used/)
  bad(() => loose.onFailure('revert'), /expected "continue"; without it a failure reverts the flow/)
  bad(() => loose.timeout(30), /write 30s or 30ms/)
  bad(() => from('a b'), /from\("a b"\): .*write from\("customer\.address"\)/)
  bad(() => cel(''), /expected an expression/)
  bad(
    () => linear('x', [checkout as never]),
    /nodes\[0\] is a closed flow, expected a node; flow\(\) is the root/,
  )
  bad(() => linear('x', [undefined as never]), /nodes\[0\] is nothing, expected a node/)
  bad(() => linear('x', reserve as never), /its nodes are an object.*expected a list/)
  bad(() => linear('x', [], { links: [] } as never), /only a graph has links/)
  bad(
    () => flow('x', { inputs: {} } as never, []),
    /unknown option "inputs"; did you mean "input"\?/,
  )
})

test('a list that TypeScript cannot see into is checked when its document is asked for', () => {
  const steps = ['a', 'a'].map((id) => reserve.as(id))
  assert.throws(
    () => linear('x', steps).document,
    (error) => {
      assert.ok(error instanceof InvalidFlowError)
      assert.match(error.message, /linear\[1\]\.id: the id "a" is that of the first node too/)
      return true
    },
  )
})

test('a retry strategy answers in one form, its delay in milliseconds', async () => {
  const patient = retryStrategy('patient', (history, { limit }) => {
    return history.length < Number(limit)
      ? { decision: 'RETRY', delay: '2s', value: history.length }
      : 'REVERT'
  })
  const context = {} as never
  const round = { value: null, failures: {} }
  assert.deepEqual(await patient.decide([round], { limit: 2 }, context), {
    decision: 'RETRY',
    delayMs: 2000,
    value: 1,
  })
  assert.deepEqual(await patient.decide([round, round], { limit: 2 }, context), {
    decision: 'REVERT',
  })
})

test('what a strategy should not have answered is left to whoever asked', async () => {
  const silent = retryStrategy('silent', () => undefined as never)
  assert.equal(await silent.decide([], {}, {} as never), undefined)
  const hasty = retryStrategy('hasty', () => ({ decision: 'RETRY', delay: 5 as never }))
  await assert.rejects(
    hasty.decide([], {}, {} as never),
    /the delay that "hasty" gave is 5: a duration needs a unit; write 5s or 5ms/,
  )
})

test('a strategy is what retryStrategy() made, or a name', () => {
  const decide = (): 'RETRY' => 'RETRY'
  assert.throws(
    () => linear('x', [reserve], { retry: { strategy: { decide } as never } }),
    /retry\.strategy is an object with decide, expected what retryStrategy\(\) makes/,
  )
  assert.throws(() => retryStrategy('my strategy', decide), UsageError)
})

test('a task is known by its brand, for its module may have loaded another copy of the package', () => {
  assert.equal(taskDefinitionOf(reserve.as('x').when('true')), reserve.definition)
  const foreign = { [Symbol.for('zagflow.task')]: reserve.definition }
  assert.equal(taskDefinitionOf(foreign), reserve.definition)
  assert.equal(taskDefinitionOf({ name: 'inventory.reserve' }), undefined)
})

test('execute and revert are called as methods of the options, with what they were given', async () => {
  const calls: unknown[] = []
  const options = {
    prefix: 'p',
  }
  const { definition } = task('t', {
    requires: { a: z.string() },
    provides: { b: z.string() },
    execute: ({ a }, { attempt }) => ({ b: `${options.prefix}${a}${attempt}` }),
    revert({ args, result }, { outcome }) {
      calls.push([args, result, outcome])
    },
  })
  const context = { attempt: 2, outcome: 'success' } as never
  assert.deepEqual(definition.execute({ a: 'x' } as never, context), { b: 'px2' })
  await definition.revert?.({ args: { a: 'x' }, result: { b: 'px2' } } as never, context)
  assert.deepEqual(calls, [[{ a: 'x' }, { b: 'px2' }, 'success']])
})

test('schemas that libraries write in their own way are those of documents', () => {
  const tree: z.ZodType = z.lazy(() => z.object({ of: z.array(tree) }))
  const { signature } = task('t', {
    requires: {
      id: z.uuid(),
      when: z.iso.datetime(),
      any: z.json(),
      names: z.record(z.string(), z.int().min(1)),
      tree,
      maybe: z.string().nullish(),
    },
    execute: () => undefined,
  }).definition
  assert.deepEqual(signature.requires, {
    id: { schema: { type: 'string', format: 'uuid' } },
    when: { schema: { type: 'string', format: 'date-time' } },
    any: { schema: {} },
    names: { schema: { type: 'object', additionalProperties: { type: 'integer', minimum: 1 } } },
    tree: {
      schema: {
        type: 'object',
        properties: { of: { type: 'array', items: {} } },
        required: ['of'],
      },
    },
    maybe: { schema: { type: ['string', 'null'] }, optional: true },
  })
  assert.throws(
    () => flow('f', { input: { tree } }, []),
    /its input has "tree", whose schema refers to itself; take z\.json\(\) there/,
  )
})

test('a constant that documents could not keep is refused where it is written', () => {
  const any = task('any', { requires: { value: z.unknown() }, execute: () => undefined })
  const withValue = (value: unknown): unknown => any.with({ value } as never)
  assert.throws(() => withValue({ a: { __proto__: null, constructor: 1 } }), /a key "constructor"/)
  assert.throws(
    () => withValue({ at: [new Map()] }),
    /with\.value: at\[0\] is a Map, expected JSON/,
  )
  assert.throws(() => withValue(Number.NaN), /finite number/)
  const step = any.with({
    value: { list: [from('a.b'), '${{ x }}', cel('1 + 1')], gone: undefined },
  })
  assert.deepEqual(bindingsOf(step), {
    value: { list: ['${{ a.b }}', '$${{ x }}', '${{ 1 + 1 }}'] },
  })
})

test('builders make flows of 100,000 tasks, because their nodes bound them and not their bytes', () => {
  const step = task('step', { provides: { done: z.boolean() }, execute: () => ({ done: true }) })
  const steps = Array.from({ length: 100_000 }, (_, index) => step.as(`step-${index}`))
  const { document } = flow('big', { kind: 'unordered' }, steps)
  assert.equal('unordered' in document && document.unordered.length, 100_000)
  assert.ok(JSON.stringify(document).length > MAX_DOCUMENT_BYTES)
})
