import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Fifo, LinePerFlow, SharedLine, type Waiting } from '../../engines/waiting-lines.ts'

interface Call extends Waiting {
  readonly name: string
  withdrawn: boolean
}

function call(flowId: string, name: string, priority = 0): Call {
  return { request: { flowId, priority }, name, withdrawn: false }
}

/** Takes all that may start, giving each place back at once. */
function drain(line: SharedLine<Call> | LinePerFlow<Call>): readonly string[] {
  const names: string[] = []
  for (let taken = line.take(); taken !== undefined; taken = line.take()) {
    names.push(taken.name)
    line.done(taken)
  }
  return names
}

test('flows take turns, so that one with many calls does not keep the others waiting', () => {
  const line = new SharedLine<Call>(1)
  for (let n = 1; n <= 4; n++) line.push(call('big', `big${n}`))
  line.push(call('small', 'small1'))
  line.push(call('other', 'other1'))
  line.push(call('other', 'other2'))
  assert.deepEqual(drain(line), ['big1', 'small1', 'other1', 'big2', 'other2', 'big3', 'big4'])
})

test('bigger priority goes first over all flows; equal ones keep their order of arrival', () => {
  const line = new SharedLine<Call>(1)
  for (const [flow, name, priority] of [
    ['a', 'a0', 0],
    ['a', 'a5', 5],
    ['b', 'b-1', -1],
    ['b', 'b5', 5],
    ['a', 'a0 too', 0],
    ['c', 'c9', 9],
  ] as const) {
    line.push(call(flow, name, priority))
  }
  assert.deepEqual(drain(line), ['c9', 'a5', 'b5', 'a0', 'a0 too', 'b-1'])
})

test('no more than the limit are taken, and each place that is given back is taken again', () => {
  const line = new SharedLine<Call>(2)
  const calls = [call('a', '1'), call('a', '2'), call('a', '3')]
  for (const waiting of calls) line.push(waiting)
  const first = line.take()
  assert.equal(line.take()?.name, '2')
  assert.equal(line.take(), undefined)
  if (first !== undefined) line.done(first)
  assert.equal(line.take()?.name, '3')
  assert.equal(line.take(), undefined)
})

test('a call that was withdrawn is never taken, wherever it stands in the line', () => {
  for (const line of [new SharedLine<Call>(9), new LinePerFlow<Call>()]) {
    const only = call('a', 'only')
    line.push(only)
    only.withdrawn = true
    assert.equal(line.take(), undefined)
    const calls = ['1', '2', '3'].map((name) => call('a', name))
    for (const waiting of calls) line.push(waiting)
    for (const waiting of [calls[0], calls[2]]) if (waiting !== undefined) waiting.withdrawn = true
    assert.deepEqual(drain(line), ['2'])
    line.push(call('a', 'later'))
    assert.deepEqual(drain(line), ['later'])
  }
})

test('a line per flow gives one call of each flow at a time', () => {
  const line = new LinePerFlow<Call>()
  for (const name of ['1', '2']) for (const flow of ['a', 'b']) line.push(call(flow, flow + name))
  const first = [line.take(), line.take(), line.take()]
  assert.deepEqual(
    first.map((taken) => taken?.name),
    ['a1', 'b1', undefined],
  )
  if (first[1] !== undefined) line.done(first[1])
  assert.equal(line.take()?.name, 'b2')
  assert.equal(line.take(), undefined)
  if (first[0] !== undefined) line.done(first[0])
  assert.equal(line.take()?.name, 'a2')
})

test('within a flow a line per flow goes by priority, also for what comes while it is busy', () => {
  const line = new LinePerFlow<Call>()
  line.push(call('a', 'low', 1))
  line.push(call('a', 'high', 2))
  const taken = line.take()
  assert.equal(taken?.name, 'high')
  line.push(call('a', 'highest', 3))
  if (taken !== undefined) line.done(taken)
  assert.deepEqual(drain(line), ['highest', 'low'])
})

test('a cleared line has nothing, and works on', () => {
  for (const line of [new SharedLine<Call>(1), new LinePerFlow<Call>()]) {
    line.push(call('a', '1'))
    const running = line.take()
    line.push(call('a', '2'))
    line.push(call('b', '3', 7))
    line.clear()
    assert.equal(line.take(), undefined)
    if (running !== undefined) line.done(running)
    line.push(call('a', '4'))
    assert.deepEqual(drain(line), ['4'])
  }
})

test('first in is first out, over any mixture of pushing and taking', () => {
  const queue = new Fifo<number>()
  let pushed = 0
  let taken = 0
  for (let round = 0; round < 2_000; round++) {
    for (let n = 0; n < (round * 7) % 5; n++) queue.push(pushed++)
    for (let n = 0; n < (round * 3) % 5; n++) {
      const item = queue.shift()
      if (item !== undefined) assert.equal(item, taken++)
    }
  }
  while (!queue.isEmpty) assert.equal(queue.shift(), taken++)
  assert.equal(taken, pushed)
  assert.equal(queue.shift(), undefined)
})
