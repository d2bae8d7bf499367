/** The worker of examples/09-python-worker, written from docs/protocol.md, with a conductor by hand. */
import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import test, { type TestContext } from 'node:test'
import type { RequestMessage } from '../../src/protocol/messages.ts'
import { eventually } from '../support/eventually.ts'
import { pythonWithPika } from '../support/pika.ts'
import { rabbitmq } from '../support/rabbitmq.ts'
import { repository } from '../support/repository.ts'
import { Owner } from '../worker/owner.ts'

const program = path.join(repository, 'examples', '09-python-worker', 'worker.py')
const [found, broker] = [pythonWithPika(), await rabbitmq()]
const python = 'python' in found ? found.python : ''
const skip = 'missing' in found ? found.missing : 'missing' in broker ? broker.missing : false

async function setUp(t: TestContext): Promise<Owner> {
  const owner = await Owner.create(t, { topics: ['texts'] })
  await start(t, owner)
  return owner
}

async function start(t: TestContext, { url, namespace }: Owner): Promise<ChildProcess> {
  const child = spawn(python, [program, url, namespace, 'texts'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.after(() => child.kill('SIGKILL'))
  const [ready] = (await once(child.stdout, 'data')) as readonly unknown[]
  assert.equal(String(ready).trim(), 'ready: text.count')
  return child
}

function counting(owner: Owner, over: Partial<RequestMessage> = {}): RequestMessage {
  const args = { text: 'three more words' }
  return owner.request({ topic: 'texts', task: 'text.count', args, ...over })
}

/** Resolves when a worker says that it runs this call: it is asked until it does. */
async function runs(owner: Owner, request: RequestMessage): Promise<void> {
  const { worker } = await eventually(() => owner.announcements[0])
  const { jobId, flowId, atom, direction, call, token } = request
  await eventually(async () => {
    const calls = [{ jobId, flowId, atom, direction, call, token }]
    await owner.tell(worker, { v: 1, type: 'report', calls, replyTo: owner.replyQueue })
    return owner.about('running', request).length > 0
  })
}

/** So slow that it still runs when a machine that stood still for a while goes on. */
const slow = { args: { text: 'slow', seconds: 5 } }

test('it announces itself, serves, and leaves nothing in the queue', { skip }, async (t) => {
  const owner = await setUp(t)
  const announce = await eventually(() => owner.announcements[0])
  assert.deepEqual([announce.topics, announce.tasks], [['texts'], ['text.count']])
  const requests = await Promise.all(Array.from({ length: 20 }, () => owner.send(counting(owner))))
  for (const request of requests) assert.deepEqual(await owner.result(request), { words: 3 })
  await eventually(async () => (await owner.depth('texts')) === 0)
  assert.equal(owner.messages.filter(({ type }) => type === 'result').length, 20)
})

test(
  'what its task throws is a failure, and a revert of a task without one is done',
  { skip },
  async (t) => {
    const owner = await setUp(t)
    const { failure } = await owner.failure(await owner.send(counting(owner, { args: {} })))
    assert.deepEqual(
      [failure.code, failure.message, failure.name],
      ['TaskFailed', "'text'", 'KeyError'],
    )
    const revert = await owner.send(counting(owner, { direction: 'revert', outcome: 'success' }))
    assert.equal(await owner.result(revert), null)
  },
)

test('it says unknown of other tasks, and puts aside what is no request', { skip }, async (t) => {
  const owner = await setUp(t)
  const { task } = await owner.hears('unknown', await owner.send(counting(owner, { task: 'x' })))
  assert.equal(task, 'x')
  await owner.publish(owner.names.requests, 'texts', '{"v":2}', { replyTo: owner.replyQueue })
  await owner.publish(owner.names.requests, 'texts', '')
  await eventually(() => owner.buried.length === 2)
  assert.deepEqual(await owner.result(await owner.send(counting(owner))), { words: 3 })
})

for (const [why, over] of [
  ['published again', { again: true }],
  ['old', { publishedAt: Date.now() - 61_000 }],
] as const) {
  test(`a copy that is ${why} asks, and waits for the word`, { skip }, async (t) => {
    const owner = await setUp(t)
    const [first, second, third] = [0, 1, 2].map(() => counting(owner, over)) as [
      RequestMessage,
      RequestMessage,
      RequestMessage,
    ]
    for (const request of [first, second, third]) await owner.send(request)
    const { worker } = await owner.hears('ask', third)
    assert.equal(owner.messages.filter(({ type }) => type === 'result').length, 0)
    await owner.go(worker, first)
    await owner.drop(worker, second)
    await owner.cancel(worker, third)
    assert.deepEqual(await owner.result(first), { words: 3 })
    const { failure, outcome } = await owner.failure(third)
    assert.deepEqual([failure.code, outcome], ['Cancelled', 'unknown'])
    await eventually(async () => (await owner.depth('texts')) === 0)
    assert.deepEqual([owner.about('result', second), owner.about('failure', second)], [[], []])
  })
}

test('it says what runs when it is asked, and every few seconds', { skip }, async (t) => {
  const owner = await setUp(t)
  const request = await owner.send(counting(owner, { args: { text: 'slow', seconds: 6 } }))
  await runs(owner, request)
  const asked = owner.about('running', request).length
  await eventually(() => owner.about('running', request).length > asked, { withinMs: 30_000 })
  assert.deepEqual(await owner.result(request), { words: 1 })
})

test('a second copy of what runs is answered by the one body', { skip }, async (t) => {
  const owner = await setUp(t)
  const request = await owner.send(counting(owner, slow))
  await owner.send({ ...request, again: true })
  assert.deepEqual(await owner.result(request), { words: 1 })
  await eventually(async () => (await owner.depth('texts')) === 0)
  assert.equal(owner.about('result', request).length, 1)
})

test('what a killed one held comes to the next, which asks', { skip }, async (t) => {
  const owner = await Owner.create(t, { topics: ['texts'] })
  const child = await start(t, owner)
  const request = await owner.send(counting(owner, slow))
  await runs(owner, request)
  child.kill('SIGKILL')
  await once(child, 'exit')
  await start(t, owner)
  const ask = await owner.hears('ask', request)
  assert.equal(ask.calls[0]?.redelivered, true)
  await owner.go(ask.worker, request)
  assert.deepEqual(await owner.result(request), { words: 1 })
})
