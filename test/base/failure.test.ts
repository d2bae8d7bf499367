import assert from 'node:assert/strict'
import { test } from 'node:test'
import { toJson } from '../../src/base/codec.ts'
import { TaskError, UnavailableError } from '../../src/base/errors.ts'
import { failureSchema, fromFailure, toFailure, type Failure } from '../../src/base/failure.ts'

/** Every failure must be storable and small, whatever was thrown. */
function bounded(thrown: unknown): Failure {
  const failure = toFailure(thrown)
  assert.deepEqual(toJson(failure), failure)
  failureSchema.parse(failure)
  let depth = 0
  for (let at: Failure | undefined = failure; at !== undefined; at = at.cause) {
    depth += 1
    assert.ok(at.message.length > 0)
    assert.ok(Buffer.byteLength(at.message) <= 4096, 'message at most 4 KB')
    assert.ok(Buffer.byteLength(at.stack ?? '') <= 8192, 'stack at most 8 KB')
  }
  assert.ok(depth <= 9, 'at most 8 causes')
  return failure
}

test('a plain error keeps its message, name and stack', () => {
  const failure = bounded(new TypeError('x is no function'))
  assert.equal(failure.code, 'TaskFailed')
  assert.equal(failure.message, 'x is no function')
  assert.equal(failure.name, 'TypeError')
  assert.match(failure.stack ?? '', /failure\.test/)
  assert.equal(failure.retryable, undefined)
})

test('a task error keeps its code, data and whether another attempt can help', () => {
  const error = new TaskError('declined', {
    code: 'Declined',
    data: { bank: 17 },
    retryable: false,
  })
  const failure = bounded(error)
  assert.equal(failure.code, 'Declined')
  assert.deepEqual(failure.data, { bank: 17 })
  assert.equal(failure.retryable, false)
  assert.equal(bounded(new UnavailableError('amqp://b')).code, 'Unavailable')
  assert.equal(toFailure(new Error('x'), { code: 'InvalidArguments' }).code, 'InvalidArguments')
})

test('data that JSON cannot carry does not lose the failure', () => {
  const error = new TaskError('m', { code: 'C', data: { at: new Date(0) } as never })
  const failure = bounded(error)
  assert.equal(failure.code, 'C')
  assert.deepEqual(failure.data, { notSerialisable: true })
})

test('what is no error becomes a clear failure', () => {
  assert.equal(bounded('just text').message, 'just text')
  assert.equal(bounded(null).message, 'null was thrown, not an error')
  assert.equal(bounded(undefined).message, 'undefined was thrown, not an error')
  assert.equal(bounded(Symbol('s')).message, 'Symbol(s) was thrown, not an error')
  assert.equal(bounded(() => 1).message, 'a function was thrown, not an error')
  assert.deepEqual(bounded({ status: 500 }).data, { status: 500 })
  assert.equal(bounded(Object.create(null)).message, 'an object was thrown, not an error')
  bounded('')
  bounded(
    new Proxy(
      {},
      {
        get() {
          throw new Error('no')
        },
      },
    ),
  )
  const revoked = Proxy.revocable({}, {})
  revoked.revoke()
  bounded(revoked.proxy)
})

test('circular and endless causes end', () => {
  const circular = new Error('a')
  circular.cause = new Error('b', { cause: circular })
  assert.equal(bounded(circular).cause?.message, 'b')
  assert.equal(bounded(circular).cause?.cause, undefined)
  const self: { message: string; stack: string; cause?: unknown } = { message: 'm', stack: 's' }
  self.cause = self
  assert.equal(bounded(self).cause, undefined)
  let deep = new Error('0')
  for (let level = 1; level < 10_000; level++) deep = new Error(String(level), { cause: deep })
  bounded(deep)
})

test('an aggregate of a hundred thousand errors is counted and shown in part', () => {
  const errors = Array.from({ length: 100_000 }, (_, index) => new Error(`e${index}`))
  const failure = bounded(new AggregateError(errors))
  assert.equal(failure.message, 'AggregateError of 100000 errors')
  const data = failure.data as { count: number; errors: { message: string }[] }
  assert.equal(data.count, 100_000)
  assert.equal(data.errors[0]?.message, 'e0')
  assert.equal(data.errors.length, 10)
})

test('huge messages and stacks are cut and say so; frames survive a huge message', () => {
  const huge = new Error('é'.repeat(5_000_000))
  const failure = bounded(huge)
  assert.match(failure.message, /… \(cut, 5000000 characters\)$/)
  assert.match(failure.stack ?? '', /failure\.test/)
  const stacked = new Error('m')
  stacked.stack = 'x'.repeat(10_000_000)
  bounded(stacked)
})

test('errors whose getters throw are told as far as they can be read', () => {
  class Nasty extends Error {
    override get message(): string {
      throw new Error('gotcha')
    }
    override get name(): string {
      throw new Error('gotcha')
    }
    override get stack(): string {
      throw new Error('gotcha')
    }
    override get cause(): unknown {
      throw new Error('gotcha')
    }
  }
  assert.match(bounded(new Nasty()).message, /without a message that can be read/)
})

test('what stores refuse is replaced in texts', () => {
  const failure = bounded(new Error('a\u0000b\ud800c😀'))
  assert.equal(failure.message, 'a\ufffdb\ufffdc😀')
})

test('a failure survives the way to an error and back', () => {
  const failure: Failure = {
    code: 'Declined',
    message: 'm',
    name: 'CardError',
    stack: 'CardError: m\n    at x',
    data: [1],
    retryable: false,
    cause: { code: 'TaskFailed', message: 'inner', name: 'TypeError', stack: 's' },
  }
  assert.deepEqual(toFailure(fromFailure(failure)), failure)
})
