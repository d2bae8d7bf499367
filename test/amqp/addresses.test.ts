import assert from 'node:assert/strict'
import { test } from 'node:test'
import { UsageError } from '../../src/base/errors.ts'
import { readAddresses } from '../../src/amqp/addresses.ts'
import { Broker } from '../../src/amqp/broker.ts'

test('a list with commas names the hosts of a cluster, in their order', () => {
  const addresses = readAddresses('amqp://a:b@one:1234/v, amqps://two')
  assert.deepEqual(
    addresses.map(({ shown, username, password, vhost }) => [shown, username, password, vhost]),
    [
      ['amqp://one:1234/v', 'a', 'b', 'v'],
      ['amqps://two:5671/', 'guest', 'guest', ''],
    ],
  )
})

test('a comma in a password does not end its URL, and encoded characters are read', () => {
  const [address] = readAddresses(['amqp://us%40er:p,%2F%25@host/%2F'])
  assert.equal(address?.username, 'us@er')
  assert.equal(address?.password, 'p,/%')
  assert.equal(address?.vhost, '%2F')
})

test('an address of IPv6 is read without its brackets, and shown with them', () => {
  const [address] = readAddresses('amqp://[::1]:5673/')
  assert.equal(address?.hostname, '::1')
  assert.equal(address?.shown, 'amqp://[::1]:5673/')
})

test('the heartbeat of a URL is read', () => {
  assert.equal(readAddresses('amqp://h?heartbeat=3')[0]?.heartbeatS, 3)
})

for (const [urls, expected] of [
  ['', /expected the URL of a broker/],
  ['rabbit', /cannot be read/],
  ['http://host', /begins with http:/],
  ['amqp://secret:secret@one,two/v', /several hosts/],
  ['amqp://user:secret%@host', /user or password/],
  ['amqp://user:secret@host?frameMax=1', /\?frameMax=/],
  ['amqp://user:secret@host?heartbeat=0', /heartbeat=0/],
] as const) {
  test(`the URL ${JSON.stringify(urls)} is refused without showing a password`, () => {
    assert.throws(
      () => readAddresses(urls),
      (error) =>
        error instanceof UsageError &&
        expected.test(error.message) &&
        !error.message.includes('secret'),
    )
  })
}

test('a namespace that would clash or not fit is refused', () => {
  for (const namespace of ['', 'amq.x', '.x', 'a b', 'x'.repeat(64)]) {
    assert.throws(() => new Broker({ urls: 'amqp://h', namespace }), UsageError)
  }
  assert.throws(() => new Broker({ urls: 'amqp://h', namespace: 'a', window: 0 }), UsageError)
})
