/** What Zagflow adds to TaskFlow, or does differently: boundaries, siblings of a failure, timeouts, cancels, attempts. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { graph, linear, planOf, task, unordered } from '../support/flows.ts'
import { Hand } from './hand.ts'

const hand = (...args: Parameters<typeof planOf>) => new Hand(planOf(...args)).begin()

describe('onFailure: continue', () => {
  it('on a task: it is reverted itself, counts as done, and the flow succeeds', () => {
    const play = hand(linear('f', [task('a', { onFailure: 'continue' }), task('b')]))
    play.answer('a', 'fail')
    assert.deepEqual(play.called(), ['a revert 1'])
    play.answer('a').answer('b')
    assert.equal(play.run.state, 'SUCCESS')
    assert.equal(play.run.failures.size, 0, 'a failure that was dealt with is not reported')
  })

  it('on a flow: what ran in it is reverted, nothing outside, and what comes after it runs', () => {
    const saga = linear('saga', [task('x'), task('y')], { onFailure: 'continue' })
    const play = hand(linear('f', [task('a'), saga, task('z')]))
    play.answer('a').answer('x').answer('y', 'fail').answer('y').answer('x')
    assert.deepEqual(play.called(), ['z execute 1'])
    play.answer('z')
    assert.equal(play.run.state, 'SUCCESS')
    assert.equal(play.state('f/a'), 'SUCCESS')
    assert.equal(play.state('f/saga/x'), 'REVERTED')
  })

  it('ends a revertAll of a retry inside it, too', () => {
    const inner = linear('in', [task('x')], { retry: { kind: 'never', answer: 'revertAll' } })
    const play = hand(
      linear('f', [task('a'), linear('saga', [inner], { onFailure: 'continue' }), task('z')]),
    )
    play.answer('a').answer('x', 'fail').answer('x').answer('z')
    assert.equal(play.run.state, 'SUCCESS')
  })

  it('does not keep its content from being reverted when something later fails', () => {
    const saga = linear('saga', [task('x')], { onFailure: 'continue' })
    const play = hand(linear('f', [task('a'), saga, task('z')]))
    play.answer('a').answer('x', 'fail').answer('x').answer('z', 'fail').answer('z').answer('a')
    assert.equal(play.run.state, 'REVERTED')
    assert.deepEqual([...play.run.failures.keys()], ['f/z'])
  })
})

describe('the siblings of a failed child', () => {
  const three = (onChildFailure?: 'wait' | 'abort' | 'finish') =>
    hand(
      unordered('f', [task('a'), task('b'), linear('l', [task('c'), task('d')])], {
        onChildFailure,
      }),
    )

  it('wait: those that run are awaited, then reverted; nothing new starts', () => {
    const play = three().answer('a', 'fail')
    assert.deepEqual(play.aborted, [])
    play.answer('c')
    assert.ok(!play.called().includes('d execute 1'))
    play.answer('b')
    assert.deepEqual([...play.called()].sort(), ['a revert 1', 'b revert 1', 'c revert 1'])
  })

  it('abort: those that run are sent the abort signal', () => {
    assert.deepEqual(three('abort').answer('a', 'fail').aborted.sort(), ['f/b', 'f/l/c'])
  })

  it('finish: the other children run to their end first', () => {
    const play = three('finish').answer('a', 'fail')
    assert.deepEqual([...play.called()].sort(), ['b execute 1', 'c execute 1'])
    play.answer('c').answer('b')
    assert.deepEqual(play.called(), ['d execute 1'])
    play.answer('d')
    assert.deepEqual([...play.called()].sort(), ['a revert 1', 'b revert 1', 'd revert 1'])
  })

  it('finish survives a restart between the failure and the end of the others', () => {
    const play = three('finish').answer('a', 'fail').restart()
    play.answer('c').answer('b').answer('d')
    for (const name of ['a', 'b', 'd', 'c']) play.answer(name)
    assert.equal(play.run.state, 'REVERTED')
  })
})

describe('the timeout of a flow', () => {
  const timed = (more = {}) =>
    hand(
      linear('f', [task('a'), linear('in', [task('b')], { timeoutMs: 100, ...more }), task('c')]),
    )

  it('is a failure of that flow: what runs in it is aborted, and all is reverted', () => {
    const play = timed().answer('a')
    play.now += 100
    play.feed({ kind: 'due', path: 'f/in' })
    assert.deepEqual(play.aborted, ['f/in/b'])
    assert.equal(play.run.failures.get('f/in')?.code, 'TimedOut')
    play.answer('b', 'fail').answer('b').answer('a')
    assert.equal(play.run.state, 'REVERTED')
  })

  it('passes its own retry by: the time counts for all rounds', () => {
    const play = timed({ retry: { kind: 'times', attempts: 9 } })
      .answer('a')
      .answer('b', 'fail')
      .answer('b')
    assert.deepEqual(play.called(), ['b execute 2'])
    play.now += 100
    play.feed({ kind: 'due', path: 'f/in' }).answer('b').answer('b').answer('a')
    assert.equal(play.run.state, 'REVERTED')
  })

  it('is no longer waited for when the flow is done', () => {
    const play = timed().answer('a').answer('b')
    play.now += 100
    play.feed({ kind: 'due', path: 'f/in' })
    assert.equal(play.run.failures.size, 0)
    assert.equal(play.answer('c').run.state, 'SUCCESS')
  })
})

describe('attempts of a task', () => {
  const retried = () =>
    hand(linear('f', [task('a', { retry: { attempts: 3, delayMs: 50, factor: 2 } })]))

  it('repeat the task under a new call number, and revert nothing', () => {
    const play = retried().answer('a', 'fail')
    assert.equal(play.state('f/a'), 'RETRYING')
    assert.equal(play.run.atoms.get('f/a')?.dueAt, 1050)
    play.now = 1050
    play.feed({ kind: 'due', path: 'f/a' })
    assert.deepEqual(play.called(), ['a execute 2'])
    assert.equal(play.answer('a').run.state, 'SUCCESS')
    assert.equal(play.run.failures.size, 0)
  })

  it('do not begin early: a timer that fires too soon changes nothing', () => {
    const play = retried().answer('a', 'fail')
    play.now = 1049
    play.feed({ kind: 'due', path: 'f/a' })
    assert.deepEqual(play.called(), [])
  })

  it('end with a failure that is not retryable', () => {
    const play = retried()
    const call = { atom: 'f/a', direction: 'execute', call: 1 } as const
    const failure = { code: 'NoStock', message: 'none left', retryable: false }
    play.calls = []
    play.feed({ kind: 'failed', call, failure, outcome: 'failure' })
    assert.deepEqual(play.called(), ['a revert 1'])
  })

  it('that wait are reverted when something else fails meanwhile', () => {
    const play = hand(
      unordered('f', [task('a', { retry: { attempts: 3, delayMs: 60_000 } }), task('b')]),
    )
    play.answer('a', 'fail').answer('b', 'fail')
    assert.deepEqual([...play.called()].sort(), ['a revert 1', 'b revert 1'])
    play.answer('a').answer('b')
    assert.equal(play.run.state, 'REVERTED')
  })

  it('of a revert follow the same rule, unless revertRetry says otherwise', () => {
    const play = hand(
      linear('f', [task('a', { retry: { attempts: 5 }, revertRetry: { attempts: 2 } }), task('b')]),
    )
    play.answer('a').answer('b', 'fail').answer('b').answer('a', 'fail')
    assert.deepEqual(play.called(), ['a revert 2'])
    play.answer('a', 'fail')
    assert.equal(play.run.state, 'FAILURE')
  })
})

describe('answers that come late', () => {
  it('to a call that was settled change nothing', () => {
    const play = hand(linear('f', [task('a', { retry: { attempts: 2 } })])).answer('a', 'fail')
    const late = { atom: 'f/a', direction: 'execute', call: 1 } as const
    play.events = []
    play.feed({ kind: 'succeeded', call: late })
    assert.deepEqual(play.events, [])
    assert.deepEqual(play.called(), ['a execute 2'])
  })

  it('of an execution never complete a revert', () => {
    const play = hand(linear('f', [task('a'), task('b')]))
      .answer('a')
      .answer('b', 'fail')
    play.events = []
    play.feed({ kind: 'succeeded', call: { atom: 'f/b', direction: 'execute', call: 1 } })
    assert.deepEqual(play.events, [])
    assert.equal(play.state('f/b'), 'REVERTING')
  })
})

describe('a cancel', () => {
  it('aborts what runs, reverts what ran, and is the reason on record', () => {
    const play = hand(linear('f', [task('a'), task('b')])).answer('a')
    play.feed({ kind: 'cancel', reason: 'the customer changed their mind' })
    assert.deepEqual(play.aborted, ['f/b'])
    play.answer('b', 'fail').answer('b').answer('a')
    assert.equal(play.run.state, 'REVERTED')
    assert.equal(play.run.reason, 'the customer changed their mind')
  })

  it('of a suspended flow reverts it', () => {
    const play = hand(linear('f', [task('a'), task('b')]))
      .feed({ kind: 'suspend', reason: '' })
      .answer('a')
    assert.equal(play.run.state, 'SUSPENDED')
    play.calls = []
    play.feed({ kind: 'cancel', reason: 'no' }).answer('a')
    assert.equal(play.run.state, 'REVERTED')
    assert.equal(play.run.reason, 'no')
  })

  it('after the end changes nothing', () => {
    const play = hand(linear('f', [task('a')])).answer('a')
    play.feed({ kind: 'cancel', reason: 'too late' })
    assert.equal(play.run.state, 'SUCCESS')
    assert.equal(play.run.reason, null)
  })
})

describe('answers of retries', () => {
  it('a wider one wins over a narrower one under way', () => {
    const narrow = linear('narrow', [task('x'), task('y')], {
      retry: { kind: 'times', attempts: 9 },
    })
    const play = hand(unordered('f', [narrow, task('z')]))
    play.answer('x').answer('y', 'fail')
    play.answer('z', 'fail')
    for (const name of ['y', 'x', 'z']) play.answer(name)
    assert.equal(play.run.state, 'REVERTED')
    assert.ok(!play.events.includes('narrow:retry RETRYING'))
  })

  it('REVERT asks the next retry outwards at once, while siblings of the inner flow wait', () => {
    const inner = linear('in', [task('x')], { retry: { kind: 'never', answer: 'revert' } })
    const tail = linear('tail', [task('t1'), task('t2')])
    const play = hand(unordered('f', [inner, tail], { retry: { kind: 'times', attempts: 2 } }))
    play.answer('x', 'fail').answer('t1')
    assert.ok(
      !play.called().some((call) => call.startsWith('t2')),
      'nothing new starts in what is reverted',
    )
    play.answer('x').answer('t1')
    assert.deepEqual([...play.called()].sort(), ['t1 execute 2', 'x execute 2'])
  })
})

describe('a delayed round', () => {
  it('begins when it is due, and a restart in between does not lose it', () => {
    const play = hand(
      linear('f', [task('a')], { retry: { kind: 'times', attempts: 2, delayMs: 500 } }),
    )
    play.answer('a', 'fail').answer('a')
    assert.equal(play.state('f:retry'), 'RETRYING')
    play.restart()
    assert.deepEqual(play.called(), [])
    play.now += 500
    play.feed({ kind: 'due', path: 'f:retry' })
    assert.equal(play.answer('a').run.state, 'SUCCESS')
  })
})

describe('a graph', () => {
  it('starts a node as soon as its own predecessors are done', () => {
    const play = hand(
      graph(
        'f',
        [task('a'), task('b'), task('c'), task('d')],
        [
          { from: 'a', to: 'c' },
          { from: 'b', to: 'd' },
        ],
      ),
    )
    play.answer('a')
    assert.deepEqual([...play.called()].sort(), ['b execute 1', 'c execute 1'])
  })

  it('is reverted side by side where it can be', () => {
    const play = hand(
      graph(
        'f',
        [task('a'), task('b'), task('c')],
        [
          { from: 'a', to: 'c' },
          { from: 'b', to: 'c' },
        ],
      ),
    )
    play.answer('a').answer('b').answer('c', 'fail').answer('c')
    assert.deepEqual([...play.called()].sort(), ['a revert 1', 'b revert 1'])
  })
})
