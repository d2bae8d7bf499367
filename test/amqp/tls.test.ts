import assert from 'node:assert/strict'
import fs from 'node:fs/promises'
import { test } from 'node:test'
import { privateRabbitmq, rabbitmqNodes } from '../support/rabbitmq.ts'
import { complaintOf, linkTo, messageFor, plainQueue } from './fixtures.ts'

test('amqps is spoken with the authority that is given, and with no other', async (t) => {
  const nodes = rabbitmqNodes()
  if ('missing' in nodes) return t.skip(nodes.missing)
  const { url: plain, tls } = await privateRabbitmq(t, { tls: true })
  assert.ok(tls)
  const ca = await fs.readFile(tls.ca)
  const { broker } = await linkTo(t, tls.url, { tls: { ca } })
  await broker.declare(plainQueue('q'))
  assert.equal(await broker.publish(messageFor('q')), 'confirmed')

  const notTls = new URL(plain)
  notTls.protocol = 'amqps:'
  const cases = [
    { urls: tls.url, tls: {}, expected: /its certificate is not trusted.*tls\.ca/ },
    { urls: tls.url, tls: { ca, servername: 'other' }, expected: /certificate is not trusted/ },
    {
      urls: notTls.href,
      tls: { ca },
      expected: /no TLS is spoken there|closed|reset|hang up|socket/i,
    },
  ]
  for (const { urls, tls: given, expected } of cases) {
    await complaintOf(t, { urls, tls: given }, expected)
  }
})
