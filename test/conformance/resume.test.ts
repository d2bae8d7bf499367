import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { graph, linear, planOf, task, unordered } from '../support/flows.ts'
import { atomRow, Hand, scopeRow } from '../machine/hand.ts'

const abc = () => planOf(linear('f', [task('a'), task('b'), task('c')]))
const withRetry = () =>
  planOf(
    linear('f', [task('t1'), task('t2'), task('t3')], { retry: { kind: 'times', attempts: 3 } }),
  )
const failure = { code: 'TaskFailed', message: 'b failed' }

describe('suspending', () => {
  it('TF-160: nothing new starts, and the resumed flow goes on where it was', () => {
    const hand = new Hand(abc()).begin().answer('a')
    hand.feed({ kind: 'suspend', reason: 'test' }).answer('b')
    assert.deepEqual(hand.events, [
      'flow RUNNING',
      'a RUNNING',
      'a SUCCESS',
      'b RUNNING',
      'flow SUSPENDING',
      'b SUCCESS',
      'flow SUSPENDED',
    ])
    hand.restart().answer('c')
    assert.deepEqual(hand.events, [
      'flow RESUMING',
      'flow RUNNING',
      'c RUNNING',
      'c SUCCESS',
      'flow SUCCESS',
    ])
  })

  it('TF-161: a revert can be suspended, and goes on when resumed', () => {
    const hand = new Hand(abc()).begin().answer('a').answer('b').answer('c', 'fail').answer('c')
    hand.feed({ kind: 'suspend', reason: 'test' }).answer('b')
    assert.equal(hand.run.state, 'SUSPENDED')
    assert.equal(hand.state('f/a'), 'SUCCESS')
    hand.restart().answer('a')
    assert.deepEqual(hand.events, [
      'flow RESUMING',
      'flow REVERTING',
      'a REVERTING',
      'a REVERTED',
      'flow REVERTED',
    ])
  })

  it('TF-167: between a revert and the next round of a retry it is suspended and resumed', () => {
    const hand = new Hand(
      planOf(linear('f', [task('a'), task('b')], { retry: { kind: 'times', attempts: 3 } })),
    )
    hand.begin().answer('a').answer('b', 'fail').answer('b')
    hand.feed({ kind: 'suspend', reason: 'test' }).answer('a')
    assert.equal(hand.run.state, 'SUSPENDED')
    assert.equal(hand.run.reason, 'test')
    hand.restart().answer('a').answer('b')
    assert.deepEqual(hand.events, [
      'flow RESUMING',
      'flow RUNNING',
      'f:retry RUNNING',
      'f:retry SUCCESS',
      'a RUNNING',
      'a SUCCESS',
      'b RUNNING',
      'b SUCCESS',
      'flow SUCCESS',
    ])
  })

  it('TF-169: a flow whose last task was running when it was suspended succeeds', () => {
    const hand = new Hand(planOf(linear('f', [task('a')]))).begin()
    hand.feed({ kind: 'suspend', reason: 'test' }).answer('a')
    assert.deepEqual(hand.events.slice(-3), ['flow SUSPENDING', 'a SUCCESS', 'flow SUCCESS'])
  })

  it('TF-170: a running peer’s answer is recorded before the flow is SUSPENDED', () => {
    const hand = new Hand(planOf(unordered('f', [task('a'), task('b'), task('c')])))
    hand.begin().answer('a').feed({ kind: 'suspend', reason: 'test' })
    assert.equal(hand.run.state, 'SUSPENDING')
    hand.answer('b')
    assert.equal(hand.run.state, 'SUSPENDING')
    hand.answer('c')
    assert.equal(hand.run.state, 'SUCCESS')
  })

  it('TF-164: a suspension that comes after the end changes nothing', () => {
    const hand = new Hand(planOf(linear('f', [task('a')]))).begin().answer('a')
    hand.events = []
    hand.feed({ kind: 'suspend', reason: 'test' })
    assert.deepEqual(hand.events, [])
    assert.equal(hand.run.state, 'SUCCESS')
  })
})

describe('resuming from any state of the atoms', () => {
  const resumed = (plan: ReturnType<typeof abc>, atoms: Parameters<typeof restore>[1], more = {}) =>
    restore(plan, atoms, more).begin()
  const restore = (
    plan: ReturnType<typeof abc>,
    atoms: readonly ReturnType<typeof atomRow>[],
    more = {},
  ) => new Hand(plan, { state: 'RUNNING', atoms, scopes: [scopeRow('f', more)] })

  it('TF-179 RUNNING: it is called again under the same number', () => {
    const hand = resumed(abc(), [atomRow('f/a', 'SUCCESS'), atomRow('f/b', 'RUNNING')])
    assert.deepEqual(hand.called(), ['b execute 1'])
    assert.equal(hand.calls[0]?.again, true)
    hand.answer('b').answer('c')
    assert.deepEqual(hand.events, [
      'flow RESUMING',
      'flow RUNNING',
      'b SUCCESS',
      'c RUNNING',
      'c SUCCESS',
      'flow SUCCESS',
    ])
  })

  it('TF-179 FAILURE that was not resolved yet: it is resolved now', () => {
    const hand = resumed(abc(), [
      atomRow('f/a', 'SUCCESS'),
      atomRow('f/b', 'FAILURE', { outcome: 'failure', failure }),
    ])
    hand.answer('b').answer('a')
    assert.deepEqual(hand.events, [
      'flow RESUMING',
      'flow RUNNING',
      'flow REVERTING',
      'b REVERTING',
      'b REVERTED',
      'a REVERTING',
      'a REVERTED',
      'flow REVERTED',
    ])
  })

  it('TF-179 REVERTING: its revert is called again under the same number', () => {
    const hand = resumed(
      abc(),
      [atomRow('f/a', 'SUCCESS'), atomRow('f/b', 'REVERTING', { outcome: 'failure', failure })],
      { intention: 'REVERT' },
    )
    assert.deepEqual(hand.called(), ['b revert 1'])
    hand.answer('b').answer('a')
    assert.deepEqual(hand.events, [
      'flow RESUMING',
      'flow REVERTING',
      'b REVERTED',
      'a REVERTING',
      'a REVERTED',
      'flow REVERTED',
    ])
  })

  it('TF-179 REVERTED: what is left to be reverted is', () => {
    const hand = resumed(
      abc(),
      [atomRow('f/a', 'SUCCESS'), atomRow('f/b', 'REVERTED', { outcome: 'failure', failure })],
      { intention: 'REVERT' },
    )
    assert.deepEqual(hand.called(), ['a revert 1'])
    assert.equal(hand.answer('a').run.state, 'REVERTED')
  })

  it('TF-179 IGNORE: what comes after it goes on', () => {
    const hand = resumed(abc(), [
      atomRow('f/a', 'SUCCESS'),
      atomRow('f/b', 'IGNORE', { ignored: 'when' }),
    ])
    assert.deepEqual(hand.called(), ['c execute 1'])
    assert.equal(hand.answer('c').run.state, 'SUCCESS')
  })

  it('TF-172: a retry that waited for its round sets back what is left, then begins the round', () => {
    const rounds = [{ value: 1, failures: { 'f/t2': failure } }]
    const retry = atomRow('f:retry', 'RETRYING', { kind: 'retry', rounds })
    const hand = resumed(
      withRetry(),
      [retry, atomRow('f/t1', 'PENDING'), atomRow('f/t2', 'REVERTED'), atomRow('f/t3', 'REVERTED')],
      { intention: 'RETRY' },
    )
    hand.answer('t1').answer('t2').answer('t3')
    assert.deepEqual(hand.events, [
      'flow RESUMING',
      'flow RUNNING',
      't2 PENDING',
      't3 PENDING',
      'f:retry RUNNING',
      'f:retry SUCCESS',
      't1 RUNNING',
      't1 SUCCESS',
      't2 RUNNING',
      't2 SUCCESS',
      't3 RUNNING',
      't3 SUCCESS',
      'flow SUCCESS',
    ])
  })

  it('TF-173: a flow that was to be retried, and is reverted, is retried', () => {
    const rounds = [{ value: 1, failures: { 'f/t2': failure } }]
    const retry = atomRow('f:retry', 'SUCCESS', { kind: 'retry', rounds })
    const hand = resumed(
      withRetry(),
      [retry, atomRow('f/t1', 'REVERTED'), atomRow('f/t2', 'REVERTED')],
      {
        intention: 'RETRY',
      },
    )
    assert.deepEqual(hand.events, [
      'flow RESUMING',
      'flow RUNNING',
      'f:retry RETRYING',
      't1 PENDING',
      't2 PENDING',
      'f:retry RUNNING',
      'f:retry SUCCESS',
      't1 RUNNING',
    ])
  })

  it('TF-182: the history of a retry survives, so that no value is tried twice', () => {
    const plan = planOf(linear('f', [task('t1')], { retry: { kind: 'times', attempts: 3 } }))
    const hand = new Hand(plan)
      .begin()
      .answer('t1', 'fail')
      .answer('t1')
      .answer('t1', 'fail')
      .answer('t1')
    hand.restart()
    assert.equal(hand.run.atoms.get('f:retry')?.rounds?.length, 3)
    hand.answer('t1', 'fail').answer('t1')
    assert.equal(hand.run.state, 'REVERTED')
  })

  it('TF-127: a failed branch of a graph under a retry is reverted, and the round begins again', () => {
    const plan = planOf(
      graph('f', [task('a'), task('b'), task('c')], [{ from: 'b', to: 'c' }], {
        retry: { kind: 'times', attempts: 3 },
      }),
    )
    const retry = atomRow('f:retry', 'SUCCESS', {
      kind: 'retry',
      rounds: [{ value: 1, failures: {} }],
    })
    const hand = resumed(plan, [
      retry,
      atomRow('f/b', 'SUCCESS'),
      atomRow('f/c', 'FAILURE', { outcome: 'failure', failure }),
    ])
    hand.answer('c').answer('b')
    for (const name of ['b', 'a', 'c']) hand.answer(name)
    assert.equal(hand.run.state, 'SUCCESS')
    assert.ok(hand.events.includes('f:retry RETRYING'))
  })
})

describe('a revert that failed', () => {
  const failed = () => {
    const hand = new Hand(abc()).begin().answer('a').answer('b').answer('c', 'fail')
    return hand.answer('c').answer('b', 'fail')
  }

  it('leaves the flow in FAILURE, also when it is run again', () => {
    const hand = failed()
    assert.equal(hand.run.state, 'FAILURE')
    hand.restart()
    assert.deepEqual(hand.events, [])
    assert.equal(hand.run.state, 'FAILURE')
  })

  it('is tried again by an operator under a new call number, and what waited for it is reverted', () => {
    const hand = failed()
    hand.events = []
    hand.feed({ kind: 'resolve-revert', atom: 'f/b', how: 'again' })
    assert.deepEqual(hand.called(), ['b revert 2'])
    hand.answer('b').answer('a')
    assert.equal(hand.run.state, 'REVERTED')
  })

  it('is skipped by an operator, after a restart too', () => {
    const hand = failed().restart()
    hand.feed({ kind: 'resolve-revert', atom: 'f/b', how: 'skip' })
    hand.answer('a')
    assert.equal(hand.run.state, 'REVERTED')
    assert.equal(hand.state('f/b'), 'REVERTED')
  })
})
