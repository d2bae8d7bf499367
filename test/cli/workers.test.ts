import assert from 'node:assert/strict'
import test, { type TestContext } from 'node:test'
import { connect } from 'amqplib'
import { eventually } from '../support/eventually.ts'
import { lastFirst } from '../support/last-first.ts'
import { freshNamespace, rabbitmq } from '../support/rabbitmq.ts'
import { linear, parsed, Workplace, type Data } from './command.ts'

const SOON = { withinMs: 60_000 }

/** A folder, and the settings of a broker of its own; undefined (and the test skipped) where there is none. */
async function cluster(
  t: TestContext,
): Promise<
  { readonly place: Workplace; readonly env: Readonly<Record<string, string>> } | undefined
> {
  const broker = await rabbitmq()
  if ('missing' in broker) {
    t.skip(broker.missing)
    return undefined
  }
  const { url, namespace } = await freshNamespace(lastFirst(t))
  const env = { ZAGFLOW_BROKER: url, ZAGFLOW_NAMESPACE: namespace }
  return { place: await Workplace.create(lastFirst(t)), env }
}

test('a flow file that ran in process runs over workers, unchanged', async (t) => {
  const found = await cluster(t)
  if (found === undefined) return
  const { place, env } = found
  await place.write('journey.yaml', linear('journey', ['pack', 'gate', 'send'], ''))
  await place.write('open', '')
  const before = await place.run(['run', 'journey.yaml', '--tasks', 'tasks.mjs', '-q'])
  assert.equal(before.code, 0, before.stderr)

  const conductor = place.start(['conductor', '--name', 'blue'], env)
  await conductor.says(
    /^ready conductor blue board=main persistence=\S+ broker=amqp:\/\/127\.0\.0\.1:\d+\/\S+ pid=\d+$/m,
  )
  assert.doesNotMatch(conductor.stdout(), /guest/)
  const worker = place.start(['worker', '--tasks', 'tasks.mjs', '--name', 'w1'], env)
  await worker.says(/^ready worker w1 /m)
  // What the tasks need and give comes from the worker, through the conductor.
  await eventually(async () => (await place.run(['workers'], env)).stdout.includes('w1'), SOON)
  const posted = await place.run(['post', 'journey.yaml', '--wait'], env)
  assert.equal(posted.code, 0, posted.stderr)
  assert.equal(posted.stdout, before.stdout)

  const { workers } = (await place.data(['workers'], env)) as { workers: readonly Data[] }
  assert.deepEqual(
    workers.map(({ name, topics, tasks }) => ({ name, topics, tasks })),
    [{ name: 'w1', topics: ['default'], tasks: ['fail', 'gate', 'pack', 'send', 'sticky'] }],
  )
  // One more consumer is no more worker: under load a worker has several.
  const model = await connect(env['ZAGFLOW_BROKER'] ?? '')
  const channel = await model.createChannel()
  await channel.consume(`${env['ZAGFLOW_NAMESPACE']}.topic.default`, () => {})
  // A conductor tells now and then what it has to do: just now that may have been this job.
  await eventually(async () => {
    const doctor = await place.run(['doctor'], env)
    assert.equal(doctor.code, 0, doctor.stdout)
    assert.match(doctor.stdout, /✔ broker +amqp:\/\/127\.0\.0\.1:\S+ is RabbitMQ \d/)
    assert.match(doctor.stdout, /✔ topics +default: 0 requests wait, 1 worker serves it/)
    assert.match(
      doctor.stdout,
      /✔ conductors +blue on \S+ \(process \d+\): 0 flows, 0 calls with workers/,
    )
    return true
  }, SOON)
  await model.close()
  for (const one of [conductor, worker]) one.kill('SIGTERM')
  assert.equal((await conductor.ended).code, 0, conductor.stderr())
  assert.equal((await worker.ended).code, 0, worker.stderr())
})

test('a job that no worker serves waits, and who looks is told which worker to start', async (t) => {
  const found = await cluster(t)
  if (found === undefined) return
  const { place, env } = found
  await place.write('journey.yaml', linear('journey', ['pack', 'gate'], ''))
  const conductor = place.start(['conductor'], env)
  await conductor.says(/^ready/m)
  const poster = place.start(
    ['post', 'journey.yaml', '--tasks', 'tasks.mjs', '--key', 'k', '--wait'],
    env,
  )
  await poster.says(/no worker that lives serves pack \(topic default\).*zagflow worker --tasks/)
  await eventually(async () => {
    const { stdout } = await place.run(['jobs', 'show', 'k'], env)
    return /● pack {2}RUNNING\n.*waits for a worker: none serves the topic default/.test(stdout)
  }, SOON)
  await eventually(async () => {
    const { code, stdout } = await place.run(['doctor'], env)
    return (
      code === 1 &&
      /✘ topics +default: 1 request waits, and no worker serves it/.test(stdout) &&
      /✘ workers +jobs wait for tasks that no worker serves: pack \(topic default\)/.test(stdout)
    )
  }, SOON)
  const worker = place.start(['worker', '--tasks', 'tasks.mjs', '--name', 'late'], env)
  await eventually(async () => {
    const { stdout } = await place.run(['jobs', 'show', 'k'], env)
    return /● gate {2}RUNNING\n.*runs on late \(/.test(stdout)
  }, SOON)
  await place.write('open', '')
  assert.equal((await poster.ended).code, 0, poster.stderr())
  for (const one of [conductor, worker]) one.kill('SIGTERM')
  await Promise.all([conductor.ended, worker.ended])
})

test('a run without tasks of its own goes over workers, is suspended, and goes on', async (t) => {
  const found = await cluster(t)
  if (found === undefined) return
  const { place, env } = found
  await place.write('journey.yaml', linear('journey', ['pack', 'gate', 'send'], ''))
  // Somebody has to keep what the worker announces; another run would do.
  const conductor = place.start(['conductor'], env)
  const worker = place.start(['worker', '--tasks', 'tasks.mjs'], env)
  await Promise.all([conductor.says(/^ready/m), worker.says(/^ready/m)])
  await eventually(async () => (await place.run(['workers'], env)).stdout !== '', SOON)
  const first = place.start(['run', 'journey.yaml'], env)
  await first.says(/tasks run on workers of amqp:/)
  await first.says(/RUNNING +gate/)
  first.kill('SIGINT')
  await first.says(/Suspending/)
  await first.says(/SUSPENDING +journey/)
  await place.write('open', '')
  const suspended = await first.ended
  assert.equal(suspended.code, 4, suspended.stderr)
  const [, id = ''] =
    /zagflow run --resume (\S+) --engine worker-based/.exec(suspended.stderr) ?? []
  assert.notEqual(id, '', suspended.stderr)
  const resumed = await place.run(['run', '--resume', id, '--engine', 'worker-based'], env)
  assert.equal(resumed.code, 0, resumed.stderr)
  assert.equal(parsed(resumed.stdout)['tracking'], 't of parcel of A1')
  const gates = (await place.ledger()).filter((line) => line.startsWith('gate '))
  assert.equal(gates.length, 1)
  for (const one of [conductor, worker]) one.kill('SIGTERM')
  await Promise.all([conductor.ended, worker.ended])
})

test('a run that was killed goes on over its workers, and what they run does not run again', async (t) => {
  const found = await cluster(t)
  if (found === undefined) return
  const { place, env } = found
  await place.write('journey.yaml', linear('journey', ['pack', 'gate', 'send'], ''))
  const worker = place.start(['worker', '--tasks', 'tasks.mjs'], env)
  await worker.says(/^ready/m)
  const args = ['--tasks', 'tasks.mjs', '--engine', 'worker-based']
  const first = place.start(['run', 'journey.yaml', ...args], env)
  await eventually(
    async () => (await place.ledger()).some((line) => line.startsWith('gate ')),
    SOON,
  )
  const jobs = (await place.data(['jobs', 'list'], env))['jobs'] as readonly Data[]
  first.kill('SIGKILL')
  await first.ended
  const id = String(jobs[0]?.['id'])
  const withoutBroker = { ...env, ZAGFLOW_BROKER: '' }
  const refused = await place.run(['run', '--resume', id, '--tasks', 'tasks.mjs'], withoutBroker)
  assert.equal(refused.code, 2, refused.stderr)
  assert.match(refused.stderr, /are with workers; set ZAGFLOW_BROKER.*or --engine parallel/)
  const second = place.start(['run', '--resume', id, '--tasks', 'tasks.mjs'], env)
  await second.says(/tasks run on workers/)
  await place.write('open', '')
  assert.equal((await second.ended).code, 0, second.stderr())
  const gates = (await place.ledger()).filter((line) => line.startsWith('gate '))
  assert.equal(gates.length, 1)
  worker.kill('SIGTERM')
  await worker.ended
})

test('dev runs tasks itself, whatever broker is set, and says so', async (t) => {
  const place = await Workplace.create(t)
  const env = { ZAGFLOW_BROKER: 'amqp://user:secret@127.0.0.1:1' }
  const dev = place.start(['dev', 'order.yaml'], env)
  await dev.says(/^ready dev /m)
  assert.match(dev.stderr(), /the broker amqp:\/\/127\.0\.0\.1:1\/ is not used/)
  assert.doesNotMatch(dev.stderr(), /secret/)
  const posted = await place.run(['post', 'order', '--wait', '-q'], env)
  assert.equal(posted.code, 0, posted.stderr)
  dev.kill('SIGTERM')
  await dev.ended
})

test('a broker that cannot be reached is exit code 3, and its password is not shown', async (t) => {
  const place = await Workplace.create(t)
  const env = { ZAGFLOW_BROKER: 'amqp://user:secret@127.0.0.1:1/vhost' }
  const doctor = await place.run(['doctor'], env)
  assert.equal(doctor.code, 3, doctor.stdout)
  assert.match(
    doctor.stdout,
    /✘ broker +amqp:\/\/127\.0\.0\.1:1\/vhost cannot be reached: nobody listens/,
  )
  const dead = await place.run(['dead', 'list', '--json'], env)
  assert.equal(dead.code, 3)
  assert.equal((parsed(dead.stdout)['error'] as Data)['code'], 'Unavailable')
  assert.doesNotMatch(doctor.stdout + doctor.stderr + dead.stdout + dead.stderr, /secret/)
})

test('dead letters are listed without bodies, shown, sent back and removed', async (t) => {
  const found = await cluster(t)
  if (found === undefined) return
  const { place, env } = found
  await place.write('journey.yaml', linear('journey', ['gate'], ''))
  const conductor = place.start(['conductor'], env)
  const worker = place.start(['worker', '--tasks', 'tasks.mjs'], env)
  await Promise.all([conductor.says(/^ready/m), worker.says(/^ready/m)])
  const { job } = await place.data(
    ['post', 'journey.yaml', '--tasks', 'tasks.mjs', '--key', 'k'],
    env,
  )
  await eventually(async () => (await place.ledger()).length > 0, SOON)
  const details = await place.data(['jobs', 'show', 'k'], env)
  const flowId = String((details['flow'] as Data)['id'])
  const call = { jobId: job, flowId, atom: 'journey/gate', direction: 'execute', call: 1 }
  await publish(env, 'not json: 4711-secret')
  await publish(env, JSON.stringify({ v: 9, type: 'request', ...call }))
  const list = async (): Promise<readonly Data[]> => {
    return (await place.data(['dead', 'list'], env))['letters'] as readonly Data[]
  }
  await eventually(async () => (await list()).length === 2, SOON)
  const shown = await place.run(['dead', 'list'], env)
  assert.match(shown.stdout, /^ID +AGE +FROM +JOB +ATOM +WAITED FOR +WHY\n/)
  assert.match(shown.stdout, /topic\.default +\S+ +journey\/gate +yes +the version v is 9/)
  assert.doesNotMatch(shown.stdout, /4711/)
  const text = (await list()).find(({ isWaitedFor }) => isWaitedFor === false)
  const one = await place.run(['dead', 'show', String(text?.['id']).slice(0, 8)], env)
  assert.match(one.stdout, /not json: 4711-secret/)

  const refused = await place.run(['dead', 'purge'], env)
  assert.equal(refused.code, 2)
  const asked = await place.run(['dead', 'purge', '--all'], env)
  assert.match(asked.stdout, /would remove 1 letter/)
  assert.equal((await list()).length, 2)
  const purged = await place.run(['dead', 'purge', '--all', '--yes'], env)
  assert.match(purged.stdout, /^removed 1 letter$/m)
  assert.match(purged.stderr, /1 request of jobs that still wait for them stay/)
  assert.equal((await list()).length, 1)

  await publish(env, '{}', { queue: 'nobody', exchange: 'dead' })
  const gone = (await list()).find(({ isWaitedFor }) => isWaitedFor === false)
  const stays = await place.run(['dead', 'requeue', String(gone?.['id'])], env)
  assert.equal(stays.code, 1)
  assert.match(stays.stderr, /stays: the queue \S+\.nobody, where it came from, is gone/)
  const doctor = await place.run(['doctor'], env)
  assert.match(doctor.stdout, /✘ dead +2 messages that nobody could use/)
  await place.write('open', '')
  assert.equal((await place.run(['jobs', 'watch', 'k'], env)).code, 0)
  const all = await place.run(['dead', 'purge', '--all', '--yes'], env)
  assert.match(all.stdout, /removed 2 letters/, 'nobody waits for that request any more')
  for (const process of [conductor, worker]) process.kill('SIGTERM')
  await Promise.all([conductor.ended, worker.ended])
})

/** Publishes raw, to the default topic or as a letter that came from a queue. */
async function publish(
  env: Readonly<Record<string, string>>,
  body: string,
  letter?: { readonly queue: string; readonly exchange: string },
): Promise<void> {
  const namespace = env['ZAGFLOW_NAMESPACE']
  const link = await connect(env['ZAGFLOW_BROKER'] ?? '')
  const channel = await link.createConfirmChannel()
  const headers = letter === undefined ? {} : { 'x-zagflow-queue': `${namespace}.${letter.queue}` }
  const place: readonly [string, string] =
    letter === undefined
      ? ['', `${namespace}.topic.default`]
      : [`${namespace}.${letter.exchange}`, '']
  channel.publish(...place, Buffer.from(body), { contentType: 'application/json', headers })
  await channel.waitForConfirms()
  await link.close()
}
