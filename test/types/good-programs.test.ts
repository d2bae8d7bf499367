/** Programs that must compile, with the types that they must have; and the check at run time must agree. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  cel,
  flow,
  from,
  graph,
  linear,
  retryStrategy,
  task,
  unordered,
  z,
  type InputOf,
  type Node,
  type OutputOf,
  type Runnable,
} from '../../src/flow/builders.ts'
import { resolve } from '../../src/flow/resolve.ts'

const reserve = task('inventory.reserve', {
  requires: { sku: z.string(), quantity: z.int() },
  provides: { reservationId: z.string() },
  execute: ({ sku }) => ({ reservationId: sku }),
  revert: ({ result }) => void result?.reservationId,
})
const charge = task('payment.charge', {
  requires: { amount: z.number(), currency: z.enum(['EUR', 'USD']), note: z.string().optional() },
  provides: { paymentId: z.string() },
  execute: async ({ note }, { signal, attempt }) => {
    signal.throwIfAborted()
    return { paymentId: `${note ?? 'none'}${attempt}` }
  },
})
const ship = task('ship', {
  requires: { reservationId: z.string() },
  provides: { tracking: z.string() },
  execute: () => ({ tracking: 't' }),
})
const hear = task('hear', { provides: { m: z.string() }, execute: () => ({ m: 'hello' }) })
const say = task('say', { requires: { m: z.string() }, execute: () => undefined })
const sayMaybe = task('sayMaybe', {
  requires: { m: z.string().optional() },
  execute: () => undefined,
})
const sayDefault = task('sayDefault', {
  requires: { m: z.string().default('?') },
  execute: () => undefined,
})
const num = task('num', { provides: { m: z.number() }, execute: () => ({ m: 1 }) })
const noop = task('noop', { execute: () => undefined })

type Same<A, B> = [A] extends [B] ? ([B] extends [A] ? true : false) : false
const same = <A, B>(yes: Same<A, B>): void => assert.equal(yes, true)

/** The check at run time finds nothing wrong either. */
function accept(runnable: Runnable): void {
  const signatures = [...runnable.tasks.values()].flatMap((found) => {
    return found.kind === 'task' ? [found.signature] : []
  })
  resolve(runnable.document, { signatures })
}

test('what is required is provided before, by the input, by a constant, by a path or by an expression', () => {
  const input = { sku: z.string(), quantity: z.int(), order: z.object({ total: z.number() }) }
  const f = flow(
    'checkout',
    { input, output: { tracking: from('tracking'), sum: cel('1 + 1'), n: 1 } },
    [
      reserve,
      charge.with({ amount: from('order.total'), currency: 'EUR', note: cel('sku') }),
      ship,
    ],
  )
  same<InputOf<typeof f>, { sku: string; quantity: number; order: { total: number } }>(true)
  same<OutputOf<typeof f>, { tracking: string; sum: unknown; n: 1 }>(true)
  accept(f)
})

test('without an output a flow gives every symbol that its nodes provide', () => {
  const f = flow('f', { input: { sku: z.string(), quantity: z.int() } }, [reserve, ship])
  same<OutputOf<typeof f>, { reservationId: string; tracking: string }>(true)
  const g = flow('g', { output: {} }, [hear])
  same<OutputOf<typeof g>, {}>(true)
  accept(f)
  accept(g)
})

test('an open flow asks outside for what nobody in it provides', () => {
  const f = linear('f', [reserve, charge.with({ currency: 'EUR' }), ship])
  same<InputOf<typeof f>, { sku: string; quantity: number; amount: number; note?: string }>(true)
  same<OutputOf<typeof f>, { reservationId: string; paymentId: string; tracking: string }>(true)
  accept(f)
})

test('an optional argument needs no provider, and takes one that may be skipped', () => {
  accept(flow('f', {}, [sayMaybe, sayDefault]))
  accept(flow('g', {}, [hear.when('job.priority > 1'), sayMaybe, sayDefault]))
})

test('a symbol that may be absent falls back to another provider, and to the input', () => {
  accept(flow('f', { input: { m: z.string() } }, [hear.when('job.priority > 1'), say]))
  accept(flow('g', {}, [hear, hear.as('again').when('job.priority > 1'), say]))
})

test('a node with a condition of its own may know that a symbol is there', () => {
  accept(flow('f', {}, [hear.when('job.priority > 1'), say.when('job.priority > 1')]))
  accept(
    flow('g', {}, [
      hear.when('job.priority > 1'),
      linear('whole', [noop, say], { when: 'job.priority > 1' }),
    ]),
  )
  accept(flow('h', { input: { m: z.string().optional() } }, [say.when('has(symbols.m)')]))
})

test('the nearest provider counts, whatever its type was before', () => {
  const f = flow('f', { input: { m: z.boolean() } }, [num, hear, say])
  same<OutputOf<typeof f>, { m: string }>(true)
  accept(f)
})

test('a retry provides a symbol of its type to its flow, and to what comes after', () => {
  const count = task('count', { requires: { n: z.number() }, execute: () => undefined })
  accept(flow('f', { retry: { attempts: 3, provides: 'n' } }, [count]))
  accept(
    flow('g', {}, [linear('inner', [count], { retry: { attempts: 3, provides: 'n' } }), count]),
  )
  accept(flow('h', { retry: { forEach: ['a', 'b'], provides: 'm' } }, [say]))
  const open = linear('open', [say], { retry: { forEach: from('places.names'), provides: 'm' } })
  same<InputOf<typeof open>, { places: { names: readonly string[] } }>(true)
  accept(open)
  const strategy = retryStrategy('patient', (history) => {
    return history.length < 3 ? { decision: 'RETRY', value: 'again', delay: '1s' } : 'REVERT'
  })
  accept(linear('byStrategy', [say], { retry: { strategy, provides: 'm' } }))
})

test('flows nest, carry steps of their own, and are typed by what they ask for and give', () => {
  const inner = unordered('settle', [charge.with({ currency: 'EUR' }), hear])
  const f = flow('f', { input: { amount: z.number() } }, [
    inner,
    inner.as('again').label('Once more').priority(3).when('amount > 3'),
    inner.as('saga').onFailure('continue'),
    say,
  ])
  same<OutputOf<typeof f>, { paymentId: string; m: string }>(true)
  accept(f)
})

test('a graph takes its order from its symbols and links', () => {
  const f = flow(
    'f',
    {
      kind: 'graph',
      input: { sku: z.string(), quantity: z.int() },
      links: [{ from: 'ship', to: 'noop', depth: 'flow' }],
    },
    [noop, ship, reserve],
  )
  same<OutputOf<typeof f>, { reservationId: string; tracking: string }>(true)
  accept(f)
})

test('in a graph a node may require a symbol of outside and provide a new one of its name', () => {
  const count = task('count', {
    requires: { m: z.string() },
    provides: { m: z.number() },
    execute: () => ({ m: 1 }),
  })
  const use = task('use', { requires: { m: z.number() }, execute: () => undefined })
  const f = graph('f', [use, count])
  same<InputOf<typeof f>, { m: string }>(true)
  accept(f)
  accept(flow('g', { kind: 'graph', input: { m: z.string() } }, [use, count]))
})

test('branches that exclude each other may provide the same symbol', () => {
  accept(
    graph('f', [noop, hear.as('left'), hear.as('right'), say], {
      links: [
        { from: 'noop', to: 'left', when: 'job.priority > 1' },
        { from: 'noop', to: 'right', when: 'job.priority <= 1' },
      ],
    }),
  )
  accept(
    graph('g', [
      hear.as('left').when('job.priority > 1'),
      hear.as('right').when('job.priority <= 1'),
    ]),
  )
})

test('renamed and computed results are symbols of their own', () => {
  const f = linear('f', [
    hear.provides({ greeting: 'm', size: cel('size(result.m)') }),
    say.with({ m: from('greeting') }),
  ])
  same<OutputOf<typeof f>['greeting'], string>(true)
  accept(f)
})

test('a list that the compiler cannot see into is left to the check at run time', () => {
  const steps = ['a', 'b'].map((id) => say.as(id))
  const loose = linear('loose', steps)
  const f = flow('f', {}, [hear, loose, ship.with({ reservationId: cel('m') })])
  accept(f)
  assert.throws(
    () => accept(flow('g', {}, [loose])),
    /requires "m", which nothing before it provides/,
  )
})

test('helpers may take any node and lose the types', () => {
  const twice = (node: Node): readonly Node[] => [node, noop]
  accept(flow('f', {}, [hear, linear('inner', twice(say))]))
})
