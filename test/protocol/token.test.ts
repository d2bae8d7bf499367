import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { describe, it } from 'node:test'
import { callKeyText } from '../../src/protocol/call-key.ts'
import { isTokenOf, tokenOf } from '../../src/protocol/token.ts'
import { idempotencyKey } from '../../src/worker/call-context.ts'
import { key } from './messages.ts'

const text = `${key.flowId}/checkout/settle/payment.charge#execute.1`

describe('the text of a call’s key', () => {
  it('is its flow, atom, direction and number, and what tasks are given', () => {
    assert.equal(callKeyText(key), text)
    assert.equal(idempotencyKey(key), text)
  })

  it('has the hash of a long path, so that it fits into message_id', () => {
    const long = callKeyText({ ...key, atom: 'a/'.repeat(500) })
    assert.match(long, /^[0-9a-f-]{36}\/sha256:[0-9a-f]{64}#execute\.1$/)
  })
})

describe('the token of a call', () => {
  const token = tokenOf('secret', key)

  it('is the HMAC of its key, so that every copy carries the same', () => {
    const whole = createHmac('sha256', 'secret').update(text).digest('base64url')
    assert.equal(token, whole.slice(0, 32))
    assert.ok(isTokenOf('secret', key, token))
  })

  it('is of no other run, atom, direction, number or secret', () => {
    const others = [
      { ...key, flowId: key.jobId },
      { ...key, atom: 'checkout/settle/payment' },
      { ...key, direction: 'revert' as const },
      { ...key, call: 2 },
    ]
    for (const other of others) assert.ok(!isTokenOf('secret', other, token))
    assert.ok(!isTokenOf('another', key, token))
  })

  it('is refused, not thrown about, if it has another length or other letters', () => {
    for (const wrong of ['', token.slice(1), `${token}A`, 'é'.repeat(32), token.toLowerCase()]) {
      assert.equal(isTokenOf('secret', key, wrong), false)
    }
  })
})
