import assert from 'node:assert/strict'
import { once } from 'node:events'
import net from 'node:net'
import test from 'node:test'
import { EndedByHand } from './ended-by-hand.ts'
import { leakCheck } from './leak-check.ts'

test('a test that leaves a timer is failed by name of what it left', async () => {
  const inner = new EndedByHand()
  leakCheck(inner, { withinMs: 50 })
  const timer = setInterval(() => {}, 1_000)
  await assert.rejects(inner.end(), /left open after the test: 1 Timeout/)
  clearInterval(timer)
})

test('a test that leaves a server is failed', async () => {
  const inner = new EndedByHand()
  leakCheck(inner, { withinMs: 50 })
  const server = net.createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  await assert.rejects(inner.end(), /left open after the test: 1 TCPServerWrap/)
  server.close()
  await once(server, 'close')
})

test('what a clean-up closes is no leak, though it was registered after the check', async () => {
  const inner = new EndedByHand()
  leakCheck(inner)
  const timer = setInterval(() => {}, 1_000)
  inner.after(() => clearInterval(timer))
  await inner.end()
})

test('what was open before the check is not counted', async () => {
  const timer = setInterval(() => {}, 1_000)
  const inner = new EndedByHand()
  leakCheck(inner)
  await inner.end()
  clearInterval(timer)
})
