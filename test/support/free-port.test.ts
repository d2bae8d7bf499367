import assert from 'node:assert/strict'
import { once } from 'node:events'
import net from 'node:net'
import test from 'node:test'
import { freePort } from './free-port.ts'

test('a free port can be listened on at once', async (t) => {
  // Somebody else may be quicker, but not again and again.
  const isTaken = async (): Promise<boolean> => {
    const server = net.createServer().listen(await freePort(), '127.0.0.1')
    t.after(() => void server.close())
    return once(server, 'listening').then(
      () => false,
      () => true,
    )
  }
  let times = 0
  while (await isTaken()) assert.ok(++times < 5, 'it was taken 5 times')
})
