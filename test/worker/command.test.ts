/** `zagflow worker`, as an operator has it. */
import assert from 'node:assert/strict'
import test, { type TestContext } from 'node:test'
import { callKeyText } from '../../src/protocol/call-key.ts'
import type { RequestMessage } from '../../src/protocol/messages.ts'
import { parsed, Workplace, type Running } from '../cli/command.ts'
import { eventually } from '../support/eventually.ts'
import { rabbitmq } from '../support/rabbitmq.ts'
import { Owner } from './owner.ts'

const broker = await rabbitmq()
const skip = 'missing' in broker ? broker.missing : false

/** Tasks that write down what they do; `gate` waits for the file `open`, or for its abort. */
const TASKS = `
import { appendFileSync, existsSync } from 'node:fs'
import Module from 'node:module'
import { setTimeout as sleep } from 'node:timers/promises'
import { task, z } from 'zagflow'

const note = (text) => appendFileSync('ledger', text + '\\n')

export const gate = task('gate', {
  async execute(_, { signal, idempotencyKey }) {
    note('start ' + idempotencyKey + ' ' + process.pid)
    while (!existsSync('open')) await sleep(20, undefined, { signal })
    note('end ' + idempotencyKey)
  },
})
export const kill = task('kill', {
  async execute(_, { idempotencyKey }) {
    note('kill ' + idempotencyKey)
    await sleep(200)
    process.kill(process.pid, 'SIGKILL')
    await sleep(10_000)
  },
})
export const later = task('later', {
  async execute() { setTimeout(() => { throw new Error('in the background') }, 10); await sleep(10_000) },
})
export const loaded = task('loaded', {
  provides: { names: z.array(z.string()) },
  execute() {
    const files = Object.keys(Module._cache)
    return { names: ['knex', 'pg', 'sqlite3', 'better-sqlite3', 'node-zookeeper-client'].filter((name) =>
      files.some((file) => file.includes('/node_modules/' + name + '/'))) }
  },
})
`

interface Place {
  readonly owner: Owner
  readonly place: Workplace
  start(...args: readonly string[]): Running
}

async function setUp(t: TestContext): Promise<Place> {
  const owner = await Owner.create(t)
  const place = await Workplace.create(t)
  await place.write('tasks.mjs', TASKS)
  const env = { ZAGFLOW_BROKER: owner.url, ZAGFLOW_NAMESPACE: owner.namespace }
  return {
    owner,
    place,
    start: (...args) => place.start(['worker', '--tasks', 'tasks.mjs', ...args], env),
  }
}

async function sendGates(owner: Owner, count: number): Promise<readonly RequestMessage[]> {
  const requests: RequestMessage[] = []
  for (let at = 0; at < count; at++) {
    requests.push(await owner.send(owner.request({ task: 'gate', args: {}, reportEveryMs: 1_000 })))
  }
  return requests
}

test(
  'a worker says that it is ready, loads no database, and ends with 0 when what runs has ended',
  { skip },
  async (t) => {
    const { owner, place, start } = await setUp(t)
    const worker = start('--name', 'blue', '--concurrency', '3')
    await worker.says(
      /^ready worker blue broker=\S+ topics=default concurrency=3 tasks=4 pid=\d+$/m,
    )
    assert.doesNotMatch(worker.stdout(), /@/, 'no user, no password')
    const loaded = await owner.send(owner.request({ task: 'loaded', args: {} }))
    assert.deepEqual(await owner.result(loaded), { names: [] })
    const [request] = await sendGates(owner, 1)
    assert.ok(request)
    await eventually(async () => (await place.ledger()).length === 1)
    worker.kill('SIGTERM')
    await worker.says(/takes nothing more/)
    await place.write('open', '')
    assert.equal((await worker.ended).code, 0, worker.stderr())
    await owner.result(request)
    assert.equal(worker.stdout().trim().split('\n').length, 1, 'one line, for who starts it')
  },
)

test(
  'a second signal aborts what runs, which goes back unanswered; the exit code is 130',
  { skip },
  async (t) => {
    const { owner, place, start } = await setUp(t)
    const worker = start('--json')
    await worker.says(/"ready":true/)
    const ready = parsed(worker.stdout())
    assert.deepEqual(
      [ready['kind'], ready['topics'], ready['pid']],
      ['worker', ['default'], worker.pid],
    )
    const [request] = await sendGates(owner, 1)
    assert.ok(request)
    await eventually(async () => (await place.ledger()).length === 1)
    worker.kill('SIGTERM')
    await worker.says(/takes nothing more/)
    worker.kill('SIGTERM')
    assert.equal((await worker.ended).code, 130)
    assert.deepEqual(owner.about('failure', request), [])
    await owner.holds(1)
  },
)

test(
  'what a killed worker held comes back, asks, and runs again under its key, alone',
  { skip },
  async (t) => {
    const { owner, place, start } = await setUp(t)
    const first = start()
    await first.says(/^ready/m)
    const neighbours = await sendGates(owner, 3)
    await eventually(async () => (await place.ledger()).length === 3)
    const killer = await owner.send(owner.request({ task: 'kill', args: {} }))
    await first.ended
    const starts = new Map<string, number>()
    owner.onAsk = (call) => {
      const key = `${callKeyText(call)} ${call.hold}`
      if (call.atom !== killer.atom) return 'go'
      starts.set(key, 1)
      return starts.size <= 2 ? 'go' : 'drop'
    }
    await place.write('open', '')
    const second = start()
    for (const neighbour of neighbours) await owner.result(neighbour, 60_000)
    await eventually(() => starts.size === 3, { withinMs: 60_000 })
    const ledger = await place.ledger()
    assert.equal(ledger.filter((line) => line.startsWith('kill')).length, 3)
    for (const neighbour of neighbours) {
      const key = callKeyText(neighbour)
      const lines = ledger.filter((line) => line.startsWith(`start ${key} `))
      assert.equal(lines.length, 2, `${key} ran once more, under its key`)
      assert.ok(!lines[1]?.endsWith(` ${second.pid}`), 'in a process of its own')
    }
    second.kill('SIGTERM')
    assert.equal((await second.ended).code, 0, second.stderr())
  },
)

test('something thrown in the background ends the process, which says so', { skip }, async (t) => {
  const { owner, start } = await setUp(t)
  const worker = start()
  await worker.says(/^ready/m)
  await owner.send(owner.request({ task: 'later', args: {} }))
  const { code, stderr } = await worker.ended
  assert.equal(code, 1)
  assert.match(stderr, /in the background/)
  assert.match(stderr, /thrown outside of any call/)
  await owner.holds(1)
})

test(
  'several processes are watched: one that dies is started again, and signals reach all',
  { skip },
  async (t) => {
    const { owner, place, start } = await setUp(t)
    const parent = start('--processes', '2', '--name', 'blue', '--concurrency', '1')
    await eventually(
      () =>
        parent
          .stdout()
          .split('\n')
          .filter((line) => line.startsWith('ready')).length === 2,
      { withinMs: 60_000 },
    )
    assert.match(parent.stdout(), /^ready worker blue-1 /m)
    const [first] = [...parent.stdout().matchAll(/^ready worker blue-1 .*pid=(\d+)$/gm)]
    process.kill(Number(first?.[1]), 'SIGKILL')
    await parent.says(/a worker process ended/)
    await eventually(() => [...parent.stdout().matchAll(/^ready worker blue-1 /gm)].length === 2, {
      withinMs: 60_000,
    })
    const requests = await sendGates(owner, 2)
    await eventually(async () => (await place.ledger()).length === 2)
    const pids = (await place.ledger()).map((line) => line.split(' ').at(-1))
    assert.equal(new Set(pids).size, 2, 'each runs one')
    parent.kill('SIGINT')
    await parent.says(/takes nothing more/)
    await place.write('open', '')
    assert.equal((await parent.ended).code, 0, parent.stderr())
    for (const request of requests) await owner.result(request)
  },
)

test(
  'processes end with the process that watches them, and nobody runs on unseen',
  { skip },
  async (t) => {
    const { owner, place, start } = await setUp(t)
    const parent = start('--processes', '2')
    await eventually(
      () =>
        parent
          .stdout()
          .split('\n')
          .filter((line) => line.startsWith('ready')).length === 2,
      { withinMs: 60_000 },
    )
    const pids = [...parent.stdout().matchAll(/pid=(\d+)$/gm)].map(([, pid]) => Number(pid))
    await sendGates(owner, 1)
    await eventually(async () => (await place.ledger()).length === 1)
    parent.kill('SIGKILL')
    await place.write('open', '')
    await eventually(() => pids.every((pid) => !lives(pid)), { withinMs: 60_000 })
  },
)

test('what a worker cannot start with is said once, with what to do', { skip }, async (t) => {
  const { place, start } = await setUp(t)
  const none = await place.run(['worker', '--tasks', 'tasks.mjs'])
  assert.equal(none.code, 2)
  assert.match(none.stderr, /a worker needs a broker.*ZAGFLOW_BROKER/)
  const env = { ZAGFLOW_BROKER: 'amqp://localhost' }
  const noTasks = await place.run(['worker'], env)
  assert.equal(noTasks.code, 2)
  assert.match(noTasks.stderr, /a worker needs the tasks.*--tasks/)
  await place.write('tasks.mjs', 'throw new Error("broken")')
  const broken = await start('--processes', '3').ended
  assert.equal(broken.code, 2, broken.stderr)
  assert.match(broken.stderr, /tasks cannot be loaded from tasks.mjs: broken/)
})

test('a worker that is told to stop before it is connected ends with 0, and says nothing of an error', async (t) => {
  const place = await Workplace.create(t)
  await place.write('tasks.mjs', TASKS)
  const worker = place.start(['worker', '--tasks', 'tasks.mjs', '--broker', 'amqp://127.0.0.1:1/x'])
  await worker.says(/cannot connect to the broker/)
  worker.kill('SIGTERM')
  assert.equal((await worker.ended).code, 0, worker.stderr())
  assert.doesNotMatch(worker.stderr(), /^error:/m)
  assert.equal(worker.stdout(), '')
})

function lives(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
