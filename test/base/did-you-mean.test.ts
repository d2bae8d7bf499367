import assert from 'node:assert/strict'
import { test } from 'node:test'
import { didYouMean, nearest } from '../../src/base/did-you-mean.ts'

test('a slip of the finger is found, something else is not', () => {
  const names = ['payment.charge', 'inventory.reserve', 'mail.notify']
  assert.equal(nearest('payment.chrage', names), 'payment.charge')
  assert.equal(nearest('Mail.Notify', names), 'mail.notify')
  assert.equal(nearest('shipping.ship', names), undefined)
  assert.equal(nearest('amont', ['amount', 'account']), 'amount')
  assert.equal(nearest('x', ['y']), 'y')
  assert.equal(nearest('ab', []), undefined)
  assert.equal(didYouMean('retyr', ['retry']), 'did you mean "retry"?')
})

test('names like those of Object.prototype are ordinary', () => {
  assert.equal(nearest('constructo', ['constructor']), 'constructor')
  assert.equal(nearest('__proto__', ['task']), undefined)
})
