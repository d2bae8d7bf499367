import assert from 'node:assert/strict'
import { once } from 'node:events'
import fs from 'node:fs'
import path from 'node:path'
import test from 'node:test'
import { connect } from 'amqplib'
import type { ChannelModel, ConfirmChannel } from 'amqplib'
import type { CleanUp } from './clean-up.ts'
import { EndedByHand } from './ended-by-hand.ts'
import { eventually } from './eventually.ts'
import { lastFirst } from './last-first.ts'
import { RabbitmqSite } from './rabbitmq-site.ts'
import {
  freshNamespace,
  freshVirtualHost,
  privateRabbitmq,
  privateRabbitmqCluster,
  rabbitmq,
  rabbitmqNodes,
} from './rabbitmq.ts'
import type { RabbitmqNode } from './rabbitmq.ts'
import { spawnNode } from './spawn-node.ts'
import { temporaryFolder } from './temporary-folder.ts'

/** Elections take seconds, and several rounds where three nodes share a busy machine. */
const AFTER_A_KILL = { withinMs: 120_000, everyMs: 100 }
const quorum = { durable: true, arguments: { 'x-queue-type': 'quorum' } }

/** A connection that bears to be cut, closed after the test, and a channel of it. */
async function open(
  t: CleanUp,
  url: string,
  options: object = {},
): Promise<{ readonly connection: ChannelModel; readonly channel: ConfirmChannel }> {
  const connection = await connect(url, options)
  connection.on('error', () => {})
  lastFirst(t).after(() => connection.close().catch(() => {}))
  const channel = await connection.createConfirmChannel()
  channel.on('error', () => {})
  return { connection, channel }
}

async function publish(channel: ConfirmChannel, queue: string, text: string): Promise<void> {
  channel.sendToQueue(queue, Buffer.from(text), { persistent: true })
  await channel.waitForConfirms()
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

test('each test has a namespace, and a virtual host, of its own', async (t) => {
  const broker = await rabbitmq()
  if ('missing' in broker) return t.skip(broker.missing)
  const [one, two] = [await freshNamespace(t), await freshNamespace(t)]
  assert.notEqual(one.namespace, two.namespace)
  const { channel } = await open(t, one.url)
  await channel.assertQueue(`${one.namespace}.q`, quorum)
  await publish(channel, `${one.namespace}.q`, 'mine')
  const holdsOne = async () => (await channel.checkQueue(`${one.namespace}.q`)).messageCount === 1
  await eventually(holdsOne) // one whose leader is slow to answer is said to be empty
  const nodes = rabbitmqNodes()
  if ('missing' in nodes) return t.skip(nodes.missing)
  const [third, fourth] = [await freshVirtualHost(t), await freshVirtualHost(t)]
  const { channel: inThird } = await open(t, third)
  await inThird.assertQueue('q', quorum)
  const { channel: inFourth } = await open(t, fourth)
  await assert.rejects(inFourth.checkQueue('q'), /NOT_FOUND/)
})

test('a virtual host is deleted after its test, even when a connection to it was forgotten', async (t) => {
  const nodes = rabbitmqNodes()
  if ('missing' in nodes) return t.skip(nodes.missing)
  const inner = new EndedByHand()
  const url = await freshVirtualHost(inner)
  const { connection } = await open(t, url)
  const closed = once(connection, 'close')
  await inner.end()
  await freshVirtualHost(t)
  await closed
  await assert.rejects(connect(url), /ConnectionClose/)
})

test('a private node is stopped, killed and begun again over its data, stands still, and is wiped', async (t) => {
  const nodes = rabbitmqNodes()
  if ('missing' in nodes) return t.skip(nodes.missing)
  const node = await privateRabbitmq(t, { tls: true })

  await t.test('a queue is listed as it is at this moment', async (t) => {
    const { channel } = await open(t, node.url)
    await channel.assertQueue('kept', quorum)
    await channel.assertQueue('plain', { durable: true })
    await channel.consume('plain', () => {})
    await publish(channel, 'kept', 'persistent')
    await publish(channel, 'plain', 'held')
    await eventually(
      async () => {
        const common = { virtualHost: '/', messages: 1 }
        assert.deepEqual(await node.queues(), [
          { ...common, name: 'kept', type: 'quorum', ready: 1, consumers: 0 },
          { ...common, name: 'plain', type: 'classic', ready: 0, consumers: 1 },
        ])
        return true
      },
      { withinMs: 30_000 },
    )
    await node.deleteQueue('plain')
    assert.deepEqual(
      (await node.queues()).map(({ name }) => name),
      ['kept'],
    )
  })

  await t.test('a client that trusts its authority connects by TLS', async (t) => {
    assert.ok(node.tls)
    await assert.rejects(connect(node.tls.url), /certificate/)
    const { channel } = await open(t, node.tls.url, { ca: [fs.readFileSync(node.tls.ca)] })
    await eventually(async () => (await channel.checkQueue('kept')).messageCount === 1)
  })

  await t.test('publishers are blocked, and let go on', async (t) => {
    const { connection, channel } = await open(t, node.url)
    await node.blockPublishers()
    const blocked = once(connection, 'blocked')
    let confirmed = false
    const publication = publish(channel, 'kept', 'late').then(() => (confirmed = true))
    await blocked
    assert.equal(confirmed, false)
    assert.equal((await node.queues())[0]?.messages, 1)
    await node.unblockPublishers()
    await publication
    assert.equal((await node.queues())[0]?.messages, 2)
  })

  await t.test('a consumer that holds a message too long loses its channel', async (t) => {
    await node.setConsumerTimeout(200)
    const { channel } = await open(t, node.url)
    const lost = once(channel, 'error')
    await channel.consume('kept', () => {})
    assert.match(String((await lost)[0]), /timed out/)
  })

  await t.test('connections are closed', async (t) => {
    const { connection } = await open(t, node.url)
    const closed = once(connection, 'close')
    assert.ok((await node.closeConnections()) >= 1)
    await closed
  })

  await t.test('a node that stands still answers nothing until it goes on', async (t) => {
    const { channel } = await open(t, node.url)
    node.pause()
    let answered = false
    const answer = channel.checkQueue('kept').then(() => (answered = true))
    await assert.rejects(
      eventually(() => answered, { withinMs: 200 }),
      /not so within/,
    )
    node.resume()
    await answer
  })

  await t.test('a message of a quorum queue is there after a kill', async (t) => {
    await node.settle()
    const before = node.pid
    await node.kill()
    assert.equal(isAlive(before), false)
    await assert.rejects(connect(node.url), /ECONNREFUSED/)
    await node.start()
    assert.equal((await node.queues())[0]?.messages, 2)
    const { channel } = await open(t, node.url)
    const message = await channel.get('kept', { noAck: true })
    assert.equal(message && message.content.toString(), 'persistent')
  })

  await t.test('nothing is there after a wipe, and connections are closed', async (t) => {
    const { connection } = await open(t, node.url)
    const closed = once(connection, 'close')
    await node.wipe()
    await closed
    assert.deepEqual(await node.queues(), [])
    const { channel } = await open(t, node.url)
    await channel.assertQueue('kept', quorum)
  })

  await t.test('rabbitmqctl speaks to this node', async () => {
    assert.match(await node.ctl('list_queues', 'name'), /kept/)
  })

  await t.test('it ends in order', async () => {
    const { pid } = node
    await node.stop()
    assert.equal(isAlive(pid), false)
    assert.throws(() => node.pid, /does not run/)
  })
})

test('a quorum queue of three nodes survives the kill of one, which may come back', async (t) => {
  const nodes = rabbitmqNodes()
  if ('missing' in nodes) return t.skip(nodes.missing)
  const cluster = await privateRabbitmqCluster(t, 3)
  const [first, second, third] = cluster.nodes
  assert.ok(first && second && third)
  assert.equal(cluster.url.split(',').length, 3)
  const { channel } = await open(t, first.url)
  await channel.assertQueue('q', quorum)
  await publish(channel, 'q', 'one')
  await first.kill()
  await eventually(async () => (await third.queues())[0]?.messages === 1, AFTER_A_KILL)
  // Refused while the two that are left elect a leader; what was refused may be there all the same.
  await eventually(async () => {
    const { connection, channel: other } = await open(t, second.url) // an error may have cost the last one
    try {
      await publish(other, 'q', 'two')
    } catch (error) {
      assert.fail(String(error))
    } finally {
      await connection.close()
    }
    return true
  }, AFTER_A_KILL)
  const isThere = async (node: RabbitmqNode) => ((await node.queues())[0]?.messages ?? 0) >= 2
  await eventually(() => isThere(third), AFTER_A_KILL)
  await first.start()
  await eventually(() => isThere(first), AFTER_A_KILL)
})

test('nothing is left of a site when the process that opened it is killed', async (t) => {
  const nodes = rabbitmqNodes()
  if ('missing' in nodes) return t.skip(nodes.missing)
  const folder = await temporaryFolder(t)
  const file = path.join(folder, 'owner.mjs')
  const support = new URL('./rabbitmq-site.js', import.meta.url).href
  fs.writeFileSync(
    file,
    `const { RabbitmqSite } = await import(${JSON.stringify(support)})
     const site = await RabbitmqSite.open(${JSON.stringify(nodes.binaries)})
     const { pid } = site.run('sleep', ['1000'], { log: site.folder + '/log' })
     console.log('site', site.folder, pid, '.')
     setInterval(() => {}, 1000)`,
  )
  const owner = spawnNode(t, file)
  const printed = await owner.prints(/site .* \d+ \.\n/, { withinMs: 60_000 })
  const [, site = '', pid = ''] = /site (.*) (\d+) \./.exec(printed) ?? []
  assert.equal(isAlive(Number(pid)), true)
  assert.equal(fs.existsSync(site), true)
  owner.kill('SIGKILL')
  await eventually(() => !isAlive(Number(pid)) && !fs.existsSync(site), { withinMs: 60_000 })
})

test('a site that is closed leaves no process and no folder', async (t) => {
  const nodes = rabbitmqNodes()
  if ('missing' in nodes) return t.skip(nodes.missing)
  const site = await RabbitmqSite.open(nodes.binaries)
  const running = site.run('sleep', ['1000'], { log: path.join(site.folder, 'log') })
  await site.close()
  assert.equal(isAlive(running.pid), false)
  assert.equal(fs.existsSync(site.folder), false)
  await site.close() // A second close does nothing.
})
