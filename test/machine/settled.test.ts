/** M8: what has succeeded is kept as a number, and is an atom again for whoever asks. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { atomRecord } from '../../src/machine/run.ts'
import { graph, linear, planOf, task, unordered } from '../support/flows.ts'
import { atomRow, Hand } from './hand.ts'

describe('atoms that have succeeded', () => {
  it('are let go, and are as they were when they are asked for', () => {
    const hand = new Hand(planOf(linear('f', tasks(3)))).begin().answer('t0').answer('t1')
    assert.deepEqual(unsettled(hand), ['f/t2'])
    const again = hand.run.atoms.get('f/t0')
    assert.ok(again !== undefined)
    assert.deepEqual(atomRecord(again), atomRow('f/t0', 'SUCCESS'))
    assert.equal(hand.run.atoms.get('f/t0'), again, 'one atom, however often it is asked for')
    assert.deepEqual([...hand.run.atoms.values()].map(({ path }) => path).sort(), [
      'f/t0',
      'f/t1',
      'f/t2',
    ])
  })

  it('keep how often they were tried', () => {
    const often = task('often', { retry: { attempts: 3 } })
    const hand = new Hand(planOf(linear('f', [often, task('b')]))).begin()
    hand.answer('often', 'fail').answer('often', 'fail').answer('often')
    assert.deepEqual(unsettled(hand), ['f/b'])
    const again = hand.run.atoms.get('f/often')
    assert.ok(again !== undefined)
    const counts = { attempt: 3, executeCalls: 3 }
    assert.deepEqual(atomRecord(again), atomRow('f/often', 'SUCCESS', counts))
  })

  it('are reverted in reverse order, and succeed again in the next round', () => {
    const flow = linear('f', tasks(3), { retry: { kind: 'times', attempts: 2 } })
    const hand = new Hand(planOf(flow)).begin().answer('t0').answer('t1').answer('t2', 'fail')
    for (const name of ['t2', 't1', 't0']) {
      assert.deepEqual(hand.called(), [`${name} revert 1`])
      hand.answer(name)
    }
    for (const name of ['t0', 't1', 't2']) hand.answer(name)
    assert.equal(hand.run.state, 'SUCCESS')
    const [first] = hand.run.atoms.values()
    assert.equal(first?.path, 'f:retry', 'retries are never let go')
    const again = hand.run.atoms.get('f/t1')
    assert.ok(again !== undefined)
    const counts = { executeCalls: 2, revertCalls: 1 }
    assert.deepEqual(atomRecord(again), atomRow('f/t1', 'SUCCESS', counts))
  })

  it('count for those that wait for them, also where one was asked for meanwhile', () => {
    const links = ['t0', 't1'].map((from) => ({ from, to: 'after' }))
    const hand = new Hand(planOf(graph('f', [...tasks(2), task('after')], links))).begin()
    hand.answer('t0')
    assert.equal(hand.state('f/t0'), 'SUCCESS')
    hand.answer('t1').answer('after', 'fail')
    assert.deepEqual(hand.called(), ['after revert 1'])
    for (const name of ['after', 't0', 't1']) hand.answer(name)
    assert.equal(hand.run.state, 'REVERTED')
  })

  it('are found by any order of answers, and by paths that are no atoms', () => {
    const hand = new Hand(planOf(unordered('f', [linear('g', tasks(2)), ...tasks(9)]))).begin()
    for (const name of ['t3', 't4', 't1', 't8', 't2', 't5', 't6', 't7', 'g/t0', 'g/t1']) {
      hand.answer(name)
      assert.equal(hand.run.atoms.read(`f/${name}`)?.state, 'SUCCESS')
    }
    assert.deepEqual(unsettled(hand), ['f/t0'], 'reading an atom does not hold it')
    assert.equal(hand.run.atoms.get('f/g'), undefined, 'a flow is no atom')
    assert.equal(hand.run.atoms.get('f/t9'), undefined)
    assert.deepEqual(unsettled(hand.answer('t0')), [])
  })
})

function tasks(count: number) {
  return Array.from({ length: count }, (_, at) => task(`t${at}`))
}

function unsettled(hand: Hand): readonly string[] {
  return [...hand.run.atoms.unsettled()].map(({ path }) => path)
}
