import assert from 'node:assert/strict'
import { once } from 'node:events'
import net from 'node:net'
import test from 'node:test'
import { freePort } from './free-port.ts'

test('a free port can be listened on at once', async (t) => {
  const server = net.createServer().listen(await freePort(), '127.0.0.1')
  t.after(() => void server.close())
  await once(server, 'listening')
  assert.ok(server.listening)
})
