import assert from 'node:assert/strict'
import test from 'node:test'
import { eventually } from '../support/eventually.ts'
import { linear, parsed, Workplace } from './command.ts'

test('a conductor, a poster and a watcher in processes of their own', async (t) => {
  const place = await Workplace.create(t)
  await place.write('journey.yaml', linear('journey', ['pack', 'gate', 'send'], ''))
  const conductor = place.start(['conductor', '--tasks', 'tasks.mjs', '--name', 'blue'])
  await conductor.says(
    /^ready conductor blue board=main persistence=sqlite:\.zagflow\/zagflow\.db tasks=5 pid=\d+$/m,
  )
  assert.equal(conductor.stdout().trim().split('\n').length, 1, 'one line, for who starts it')

  // The tasks are not loaded here: the conductor has announced what they need and give.
  const posted = await place.data(['post', 'journey.yaml', '--key', 'k1', '--label', 'team=web'])
  assert.deepEqual(
    { ...posted, job: null },
    { job: null, flow: 'journey', key: 'k1', created: true },
  )
  const id = String(posted['job'])
  const same = await place.data(['post', 'journey.yaml', '--key', 'k1', '--label', 'team=web'])
  assert.deepEqual(same, { ...posted, created: false })

  const watcher = place.start(['jobs', 'watch', 'k1', '--json'])
  await watcher.says(/"name":"journey\/gate".*"state":"RUNNING"/)
  const shown = await place.run(['jobs', 'show', id.slice(0, 20)])
  assert.match(shown.stdout, /conductor +blue on /)
  assert.match(shown.stdout, /├─ ✔ pack {2}SUCCESS/)
  assert.match(shown.stdout, /├─ ● gate {2}RUNNING/)
  assert.match(shown.stdout, /└─ ○ send/)
  await place.write('open', '')
  const watched = await watcher.ended
  assert.equal(watched.code, 0, watched.stderr)
  const events = watched.stdout
    .trim()
    .split('\n')
    .map((line) => parsed(line))
  assert.deepEqual(
    events.map((event) => event['seq']),
    events.map((_, at) => at + 1),
    'every event, one a line, each once',
  )
  assert.equal(events.at(-1)?.['state'], 'SUCCESS')

  const waited = await place.run(['post', 'journey.yaml', '--set', 'sku=W', '--wait'])
  assert.equal(waited.code, 0, waited.stderr)
  assert.deepEqual(parsed(waited.stdout), {
    parcel: 'parcel of W',
    tracking: 't of parcel of W',
  })
  const history = await place.run(['jobs', 'history', id])
  assert.match(history.stdout, /^ *\d+ +0\.00s {2}● RUNNING +journey$/m)

  conductor.kill('SIGTERM')
  assert.equal((await conductor.ended).code, 0)
  const lines = conductor
    .stderr()
    .trim()
    .split('\n')
    .map((line) => parsed(line))
  assert.ok(
    lines.some((line) => line['message'] === 'job ended SUCCESS'),
    'its log is JSON lines',
  )
})

test('SIGTERM lets running tasks end and hands the rest over; another conductor goes on', async (t) => {
  const place = await Workplace.create(t)
  await place.write('journey.yaml', linear('journey', ['pack', 'gate', 'send'], ''))
  const first = place.start(['conductor', '--tasks', 'tasks.mjs'])
  await first.says(/^ready/m)
  const { job } = await place.data(['post', 'journey.yaml'])
  await eventually(async () => (await place.ledger()).some((line) => line.startsWith('gate ')), {
    withinMs: 60_000,
  })
  first.kill('SIGTERM')
  await first.says(/hands its flows over/)
  await place.write('open', '')
  assert.equal((await first.ended).code, 0)
  const second = place.start(['conductor', '--tasks', 'tasks.mjs'])
  const watched = await place.run(['jobs', 'watch', String(job)])
  assert.equal(watched.code, 0, watched.stderr)
  second.kill('SIGTERM')
  await second.ended
  const ledger = await place.ledger()
  assert.equal(
    ledger.filter((line) => line.startsWith('gate ')).length,
    1,
    'it ended within the grace period',
  )
  assert.equal(ledger.at(-1), 'send')
})

test("a second signal aborts what runs; the job is others' and nothing is lost", async (t) => {
  const place = await Workplace.create(t)
  await place.write('journey.yaml', linear('journey', ['gate', 'pack'], ''))
  const first = place.start(['conductor', '--tasks', 'tasks.mjs'])
  await first.says(/^ready/m)
  const { job } = await place.data(['post', 'journey.yaml'])
  await eventually(async () => (await place.ledger()).length > 0, { withinMs: 60_000 })
  first.kill('SIGTERM')
  await first.says(/hands its flows over/)
  first.kill('SIGTERM')
  assert.equal((await first.ended).code, 130)
  await place.write('open', '')
  const second = place.start(['conductor', '--tasks', 'tasks.mjs'])
  assert.equal((await place.run(['jobs', 'watch', String(job)])).code, 0)
  second.kill('SIGTERM')
  await second.ended
  const gates = (await place.ledger()).filter((line) => line.startsWith('gate '))
  assert.equal(new Set(gates).size, 1, 'what ran again had the same idempotency key')
})

test('dev registers flows, runs what is posted, and shows each step', async (t) => {
  const place = await Workplace.create(t)
  const dev = place.start(['dev', 'order.yaml'])
  await dev.says(/^ready dev /m)
  const posted = await place.run(['post', 'order', '--wait', '-q'])
  assert.equal(posted.code, 0, posted.stderr)
  assert.deepEqual(parsed(posted.stdout), { tracking: 't of parcel of A1' })
  await dev.says(/"message":"order\/pack SUCCESS"/)
  dev.kill('SIGINT')
  assert.equal((await dev.ended).code, 0)
})

test('jobs are found, suspended, resumed, cancelled and run again', async (t) => {
  const place = await Workplace.create(t)
  await place.write('journey.yaml', linear('journey', ['pack', 'gate', 'send'], ''))
  const conductor = place.start(['conductor', '--tasks', 'tasks.mjs'])
  await conductor.says(/^ready/m)
  const { job } = await place.data(['post', 'journey.yaml', '--key', 'k', '--set', 'sku=S'])
  const delayed = await place.data(['post', 'journey.yaml', '--delay', '1h', '--priority', '5'])
  await eventually(async () => (await place.ledger()).some((line) => line.startsWith('gate ')), {
    withinMs: 60_000,
  })

  const suspended = await place.run(['jobs', 'suspend', 'k'])
  assert.equal(suspended.code, 0, suspended.stderr)
  const suspending = ['jobs', 'list', '--state', 'SUSPENDING']
  await eventually(async () => (await place.run(suspending)).stdout !== '', {
    withinMs: 60_000,
  })
  await place.write('open', '')
  const watched = await place.run(['jobs', 'watch', 'k'])
  assert.equal(watched.code, 4, watched.stderr)
  assert.match(watched.stderr, new RegExp(`Go on with: zagflow jobs resume ${String(job)}`))
  assert.equal((await place.run(['jobs', 'resume', 'k'])).code, 0)
  const resumed = await place.run(['jobs', 'watch', 'k'])
  assert.equal(resumed.code, 0, resumed.stderr)

  const late = await place.run(['jobs', 'cancel', 'k'])
  assert.equal(late.code, 1)
  assert.match(late.stderr, /has ended already: SUCCESS/)
  const listed = await place.run(['jobs', 'list', '--where', 'sku=S', '--state', 'success'])
  assert.match(
    listed.stdout,
    /^JOB +FLOW +STATE +POSTED +TOOK +KEY\n[0-9a-f-]+ +journey +SUCCESS +\S+ +\S+ +k\n$/,
  )
  const parked = await place.data(['jobs', 'list', '--state', 'PARKED'])
  const [one] = parked['jobs'] as readonly Record<string, unknown>[]
  assert.equal(one?.['id'], delayed['job'])
  assert.equal(one?.['priority'], 5)
  assert.equal((await place.run(['jobs', 'cancel', String(delayed['job'])])).code, 0)
  assert.equal((await place.run(['jobs', 'watch', String(delayed['job'])])).code, 1)

  const again = await place.run(['jobs', 'retry', 'k', '--set', 'sku=AGAIN'])
  assert.equal(again.code, 0, again.stderr)
  await place.run(['jobs', 'watch', 'k'])
  const shown = await place.run(['jobs', 'show', 'k'])
  assert.match(shown.stdout, /run +2/)
  assert.match(shown.stdout, /parcel of AGAIN/)
  conductor.kill('SIGTERM')
  await conductor.ended
})

test('what a process needs and does not have is said before anything begins', async (t) => {
  const place = await Workplace.create(t)
  const fails = async (args: readonly string[], expected: RegExp, env = {}) => {
    const { code, stderr } = await place.run(args, env)
    assert.equal(code, 2, stderr)
    assert.match(stderr, expected)
    assert.doesNotMatch(stderr, /secret/)
  }
  const broker = { ZAGFLOW_BROKER: 'amqp://user:secret@host' }
  await Promise.all([
    fails(['worker', '--tasks', 'tasks.mjs'], /a worker needs a broker.*ZAGFLOW_BROKER/),
    fails(['conductor'], /so it needs them; zagflow conductor --tasks/),
    fails(['conductor', '--tasks', 'tasks.mjs'], /a conductor with a broker runs no tasks/, broker),
    fails(['conductor', '--engine', 'parallel'], /this conductor runs the tasks itself/, broker),
    fails(['conductor', '--concurrency', '3'], /zagflow worker --concurrency/, broker),
    fails(['dev', '--engine', 'worker-based'], /dev runs tasks itself/, broker),
    fails(['conductor'], /expected amqp/, { ZAGFLOW_BROKER: 'http://user:secret@host' }),
    fails(['conductor', '--engine', 'worker-based'], /needs a broker; set ZAGFLOW_BROKER/),
    fails(['dead', 'list'], /no broker to look at; set ZAGFLOW_BROKER/),
    fails(['dev'], /there are no tasks to run/),
  ])
  assert.equal(await place.has('.zagflow'), false)
})
