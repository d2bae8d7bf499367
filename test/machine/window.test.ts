/** M7: no more calls are begun than the window allows; the others wait their turn. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { graph, linear, planOf, task, unordered } from '../support/flows.ts'
import { Hand } from './hand.ts'

describe('the window of calls in flight', () => {
  it('holds back what could start, and lets one start for each that is answered', () => {
    const hand = held(2, unordered('f', tasks(5))).begin()
    assert.deepEqual(hand.called(), ['t0 execute 1', 't1 execute 1'])
    assert.equal(hand.state('f/t2'), 'PENDING')
    hand.answer('t1')
    assert.deepEqual(hand.called(), ['t0 execute 1', 't2 execute 1'])
    for (const name of ['t0', 't2', 't3', 't4']) hand.answer(name)
    assert.equal(hand.run.state, 'SUCCESS')
  })

  it('goes on after a restart: what waited is stored nowhere', () => {
    const hand = held(2, unordered('f', tasks(4)))
      .begin()
      .answer('t0')
      .restart()
    assert.deepEqual(hand.called(), ['t1 execute 1', 't2 execute 1'])
    for (const name of ['t1', 't2', 't3']) hand.answer(name)
    assert.equal(hand.run.state, 'SUCCESS')
  })

  it('lets the biggest priority start first, though it came last', () => {
    const inner = unordered('inner', [task('big', { priority: 5 })])
    const hand = held(1, unordered('f', [unordered('many', tasks(3)), inner])).begin()
    assert.deepEqual(hand.answer('t0').called(), ['big execute 1'])
    const ordered = [task('low'), task('high', { priority: 5 }), task('middle', { priority: 1 })]
    const other = held(1, unordered('g', ordered)).begin()
    const order: string[] = []
    while (other.run.state === 'RUNNING') {
      const [name = ''] = other.called().map((called) => called.split(' ')[0])
      order.push(name)
      other.answer(name)
    }
    assert.deepEqual(order, ['high', 'middle', 'low'])
  })

  it('lets what follows a done node wait behind what is more important', () => {
    const heads = ['a', 'b', 'c'].map((id) => task(id, { priority: 5 }))
    const hand = held(1, graph('f', [...heads, task('after')], [{ from: 'a', to: 'after' }]))
    hand.begin().answer('a')
    assert.deepEqual(hand.called(), ['b execute 1'])
    hand.answer('b').answer('c')
    assert.deepEqual(hand.called(), ['after execute 1'])
  })

  it('starts nothing that waited once the flow is cancelled, suspended or failed', () => {
    const cancelled = held(1, unordered('f', tasks(3))).begin()
    cancelled.feed({ kind: 'cancel', reason: 'test' }).answer('t0')
    assert.deepEqual(cancelled.called(), ['t0 revert 1'])
    cancelled.answer('t0')
    assert.equal(cancelled.run.state, 'REVERTED')

    const suspended = held(1, unordered('f', tasks(3))).begin()
    suspended.feed({ kind: 'suspend', reason: 'test' }).answer('t0')
    assert.equal(suspended.run.state, 'SUSPENDED')
    assert.deepEqual(suspended.restart().called(), ['t1 execute 1'])

    const failed = held(1, unordered('f', tasks(3)))
      .begin()
      .answer('t0', 'fail')
    assert.deepEqual(failed.called(), ['t0 revert 1'])
    failed.answer('t0')
    assert.equal(failed.run.state, 'REVERTED')
  })

  it('lets the other children run first where failures wait for them, also over a restart', () => {
    for (const restarts of [false, true]) {
      const hand = held(1, unordered('f', tasks(3), { onChildFailure: 'finish' })).begin()
      hand.answer('t0', 'fail')
      if (restarts) hand.restart()
      assert.deepEqual(hand.called(), ['t1 execute 1'])
      hand.answer('t1').answer('t2')
      assert.deepEqual(hand.called().length, 1)
      for (const name of ['t0', 't1', 't2']) hand.answer(name)
      assert.equal(hand.run.state, 'REVERTED')
    }
  })

  it('holds back reverts too', () => {
    const hand = held(2, linear('f', [unordered('many', tasks(5)), task('last')])).begin()
    for (let at = 0; at < 5; at++) hand.answer(`t${at}`)
    hand.answer('last', 'fail').answer('last')
    assert.deepEqual(hand.called(), ['t0 revert 1', 't1 revert 1'])
    assert.equal(hand.state('f/many/t2'), 'SUCCESS')
    hand.restart()
    assert.deepEqual(hand.called(), ['t0 revert 1', 't1 revert 1'])
    for (let at = 0; at < 5; at++) hand.answer(`t${at}`)
    assert.equal(hand.run.state, 'REVERTED')
  })
})

function held(window: number, flow: Parameters<typeof planOf>[0]): Hand {
  return new Hand(planOf(flow), undefined, window)
}

function tasks(count: number): ReturnType<typeof task>[] {
  return Array.from({ length: count }, (_, at) => task(`t${at}`))
}
