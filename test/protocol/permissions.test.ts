/** What docs/protocol.md says of users of the broker: the patterns let each do its work, and nothing else. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import test from 'node:test'
import amqp, { type Channel } from 'amqplib'
import { Broker } from '../../src/amqp/broker.ts'
import { connect, flow, from, task, z } from '../../src/index.ts'
import { Worker } from '../../src/worker/index.ts'
import { eventually } from '../support/eventually.ts'
import { pythonWithPika } from '../support/pika.ts'
import { privateRabbitmq, rabbitmqNodes, type RabbitmqNode } from '../support/rabbitmq.ts'
import { readFile, repository } from '../support/repository.ts'
import { act } from '../support/tasks.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { Owner } from '../worker/owner.ts'

const [found, nodes] = [pythonWithPika(), rabbitmqNodes()]
const skip = 'missing' in nodes ? nodes.missing : 'missing' in found ? found.missing : false

interface Patterns {
  readonly configure: string
  readonly write: string
  readonly read: string
}

/** The patterns of a user, as the document shows them: `rabbitmqctl set_permissions USER '…' '…' '…'`. */
function patternsOf(user: string): Patterns {
  const command = new RegExp(
    `set_permissions ${user} \\\\\\s+'([^']+)' \\\\\\s+'([^']+)' \\\\\\s+'([^']+)'`,
  )
  const [, configure, write, read] = command.exec(readFile('docs/protocol.md')) ?? []
  assert.ok(configure !== undefined && write !== undefined && read !== undefined, user)
  return { configure, write, read }
}

async function addUser(node: RabbitmqNode, user: string): Promise<string> {
  const { configure, write, read } = patternsOf(user)
  const binary = (text: string): string => `<<${JSON.stringify(text)}>>`
  const patterns = [configure, write, read].map(binary).join(', ')
  await node.evaluate(
    `rabbit_auth_backend_internal:add_user(${binary(user)}, <<"secret">>, <<"test">>),
     ok = rabbit_auth_backend_internal:set_permissions(${binary(user)}, <<"/">>, ${patterns}, <<"test">>).`,
  )
  return node.url.replace('guest:guest', `${user}:secret`)
}

/** Whether the broker refuses this for want of a permission. */
async function isRefused(
  url: string,
  act: (channel: Channel) => Promise<unknown>,
): Promise<boolean> {
  const connection = await amqp.connect(url)
  try {
    const channel = await connection.createConfirmChannel()
    const refused = new Promise<boolean>((resolve) => {
      channel.on('error', (error: { readonly code?: number }) => resolve(error.code === 403))
    })
    const done = act(channel).then(
      () => channel.waitForConfirms().then(() => false),
      () => refused,
    )
    return await Promise.race([done, refused])
  } finally {
    await connection.close()
  }
}

test('users with the patterns of the document can work, and nothing else', { skip }, async (t) => {
  const python = 'python' in found ? found.python : ''
  const node = await privateRabbitmq(t)
  const [conductor, worker] = [await addUser(node, 'conductor'), await addUser(node, 'worker')]

  // Both do their work, in a flow.
  const folder = await temporaryFolder(t)
  const zagflow = await connect({
    persistence: `sqlite:${path.join(folder, 'zagflow.db')}`,
    broker: conductor,
    namespace: 'zagflow',
    conductor: {},
    environment: {},
  })
  const greet = task('greet', {
    provides: { greeting: z.string() },
    execute: () => ({ greeting: 'hello' }),
  })
  const server = new Worker({ broker: worker, namespace: 'zagflow', tasks: [greet] })
  t.after(() => server.stop({ graceMs: 0 }))
  await server.start()
  const job = await zagflow.post(
    flow('greeting', { output: { greeting: from('greeting') } }, [greet]),
    {},
  )
  assert.deepEqual(await job.result(), { greeting: 'hello' })
  await zagflow.close()
  await server.stop()

  // A conductor's user declares everything, publishes requests and reads replies.
  const owner = await Owner.create(t, {
    space: { url: conductor, namespace: 'zagflow' },
    topics: ['default'],
  })
  const names = owner.names

  // A worker's user serves its topic, in both languages.
  const typescript = new Worker({ broker: worker, namespace: 'zagflow', tasks: [act] })
  t.after(() => typescript.stop({ graceMs: 0 }))
  await typescript.start()
  assert.deepEqual(await owner.result(await owner.send(owner.request())), { value: 1 })
  const asked = await owner.send(owner.request({ again: true }))
  await owner.go((await owner.hears('ask', asked)).worker, asked)
  assert.deepEqual(await owner.result(asked), { value: 2 })
  await owner.publish(names.requests, 'default', 'junk', { replyTo: owner.replyQueue })
  await eventually(() => owner.buried.length === 1)
  await typescript.stop()

  const program = path.join(repository, 'examples', '09-python-worker', 'worker.py')
  const child = spawn(python, [program, worker, 'zagflow', 'default'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.after(() => child.kill('SIGKILL'))
  await once(child.stdout, 'data')
  const args = { text: 'one two' }
  const counted = await owner.send(owner.request({ task: 'text.count', args, again: true }))
  await owner.go((await owner.hears('ask', counted)).worker, counted)
  assert.deepEqual(await owner.result(counted), { words: 2 })
  child.kill('SIGKILL')
  await once(child, 'exit')

  const link = new Broker({ urls: conductor, namespace: 'zagflow' })
  await link.start()
  await link.declare({
    exchanges: [],
    queues: [{ name: names.topic('other'), kind: 'quorum', bindings: [] }],
  })
  await link.stop()
  const forbidden: readonly (readonly [string, (channel: Channel) => Promise<unknown>])[] = [
    ['publish requests', async (ch) => ch.publish(names.requests, 'default', Buffer.from(''))],
    ['tell other workers', async (ch) => ch.publish(names.control, 'w', Buffer.from(''))],
    [
      'publish to queues directly',
      async (ch) => ch.publish('', names.topic('other'), Buffer.from('')),
    ],
    ['read replies', (ch) => ch.consume(owner.replyQueue, () => undefined)],
    ['read replies that nobody claims', (ch) => ch.consume(names.unclaimed, () => undefined)],
    ['read announcements', (ch) => ch.consume(names.announcements, () => undefined)],
    ['read dead letters', (ch) => ch.consume(names.dead, () => undefined)],
    ['serve other topics', (ch) => ch.consume(names.topic('other'), () => undefined)],
    ['delete reply queues', (ch) => ch.deleteQueue(owner.replyQueue)],
    ['delete other topics', (ch) => ch.deleteQueue(names.topic('other'))],
    ['delete exchanges', (ch) => ch.deleteExchange(names.requests)],
    ['empty dead letters', (ch) => ch.purgeQueue(names.dead)],
    [
      'listen to replies',
      async (ch) => {
        const queue = names.controlQueue('x')
        await ch.assertQueue(queue, { exclusive: true, durable: false })
        await ch.bindQueue(queue, names.replies, owner.replyQueue)
      },
    ],
  ]
  for (const [what, act] of forbidden) {
    assert.ok(await isRefused(worker, act), `a worker may ${what}`)
  }
})
