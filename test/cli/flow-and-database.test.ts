import assert from 'node:assert/strict'
import test from 'node:test'
import { freshDatabase, postgres } from '../support/postgres.ts'
import { linear, parsed, Workplace } from './command.ts'

test('flow check says file, line and column of each problem, of all files', async (t) => {
  const place = await Workplace.create(t)
  await place.write('bad.yaml', linear('bad', ['pakc', 'sned']))
  const { code, stdout } = await place.run(['flow', 'check', 'order.yaml', 'bad.yaml'])
  assert.equal(code, 2)
  assert.match(stdout, /^✔ order\.yaml: order, 2 tasks [0-9a-f]{12}$/m)
  assert.match(stdout, /^✘ bad\.yaml:6:11 linear\[0\]\.task: .*did you mean "pack"\?$/m)
  assert.match(stdout, /^ {2}bad\.yaml:7:11 linear\[1\]\.task: .*did you mean "send"\?$/m)
  assert.equal(await place.has('.zagflow'), false, 'looking stores nothing')
})

test('flows are drawn, registered by content, listed and shown', async (t) => {
  const place = await Workplace.create(t)
  assert.match((await place.run(['flow', 'graph', 'order.yaml'])).stdout, /^flowchart TD\n/)
  assert.match(
    (await place.run(['flow', 'graph', 'order.yaml', '-f', 'dot'])).stdout,
    /^digraph "order" \{/,
  )
  const { stdout: schema } = await place.run(['flow', 'schema'])
  assert.equal(parsed(schema)['$schema'], 'https://json-schema.org/draft/2020-12/schema')

  const first = linear('kept', ['pack'], '')
  await place.write('kept.yaml', first)
  assert.match((await place.run(['flow', 'register', 'kept.yaml'])).stdout, /^kept@1 registered /)
  assert.match(
    (await place.run(['flow', 'register', 'kept.yaml'])).stdout,
    /^kept@1 was registered already /,
  )
  await place.write('kept.yaml', linear('kept', ['pack', 'send'], ''))
  assert.match((await place.run(['flow', 'register', 'kept.yaml'])).stdout, /^kept@2 registered /)
  const listed = await place.run(['flow', 'list', 'kept'])
  assert.match(listed.stdout, /^FLOW +VERSION +HASH +REGISTERED\nkept +1 .*\nkept +2 /)
  const shown = await place.run(['flow', 'show', 'kept@1', '--tasks', 'tasks.mjs'])
  assert.match(shown.stdout, /^kept {2}linear\n└─ pack\n\ninput\n {2}sku {2}string, default "A1"/)
  const unknown = await place.run(['run', 'kpet', '--tasks', 'tasks.mjs'])
  assert.equal(unknown.code, 2)
  assert.match(unknown.stderr, /no registered flow "kpet"; did you mean "kept"\?/)
  const version = await place.run(['run', 'kept@7', '--tasks', 'tasks.mjs'])
  assert.match(version.stderr, /its versions are 1 to 2/)
})

test('the database is made, looked at and pruned', async (t) => {
  const place = await Workplace.create(t)
  const none = await place.run(['db', 'status'])
  assert.equal(none.code, 2)
  assert.match(
    none.stderr,
    /there is no database yet: \.zagflow\/zagflow\.db; make it with zagflow db migrate/,
  )
  assert.equal(await place.has('.zagflow'), false, 'looking makes nothing')
  assert.match(
    (await place.run(['db', 'migrate'])).stdout,
    /applied 001_create_tables\napplied 002_add_reply_queues/,
  )
  assert.match((await place.run(['db', 'migrate'])).stdout, /is up to date/)
  const status = await place.data(['db', 'status'])
  assert.deepEqual(status['pending'], [])
  await place.run(['run', 'order.yaml', '-q'])
  const dry = await place.data(['db', 'prune', '--older-than', '0s', '--dry-run'])
  assert.deepEqual([dry['jobs'], dry['dryRun']], [1, true])
  const wet = await place.data(['db', 'prune', '--older-than', '0s'])
  assert.equal(wet['jobs'], 1)
  assert.equal((await place.run(['jobs', 'list'])).stdout, '')
})

test('the doctor says what is wrong and how to mend it', async (t) => {
  const place = await Workplace.create(t)
  const missing = await place.run(['doctor'])
  assert.equal(missing.code, 1)
  assert.match(missing.stdout, /✘ database +there is no database yet/)
  await place.write('stuck.yaml', linear('stuck', ['sticky', 'fail']))
  await place.run(['run', 'stuck.yaml', '-q'])
  const { code, stdout } = await place.run(['doctor'])
  assert.equal(code, 1)
  assert.match(stdout, /✔ durability +synchronous is FULL/)
  assert.match(stdout, /! conductors +none lives on the board "main"\n +→ zagflow conductor/)
  assert.match(stdout, /✘ jobs +1 in the trash\n +→ zagflow jobs list --state TRASHED/)
  const data = await place.data(['doctor'])
  assert.equal(data['ok'], false)
  const broker = await place.run(['doctor'], { ZAGFLOW_BROKER: 'amqp://u:secret@h' })
  assert.match(broker.stdout, /✘ broker/)
  assert.doesNotMatch(broker.stdout + broker.stderr, /secret/)
})

test('PostgreSQL is migrated by command alone, and its durability is looked at', async (t) => {
  const server = await postgres()
  if ('missing' in server) {
    t.skip(server.missing)
    return
  }
  const place = await Workplace.create(t)
  const env = { ZAGFLOW_PERSISTENCE: await freshDatabase(t) }
  const early = await place.run(['run', 'order.yaml'], env)
  assert.equal(early.code, 2)
  assert.match(early.stderr, /has no schema yet, expected .*; run: zagflow db migrate/)
  const status = await place.run(['db', 'status'], env)
  assert.equal(status.code, 1)
  assert.match(
    status.stdout,
    /○ 001_create_tables \(pending\)\n {2}○ 002_add_reply_queues \(pending\)/,
  )
  assert.match((await place.run(['db', 'migrate'], env)).stdout, /^applied 001_create_tables$/m)
  const { code, stderr } = await place.run(['run', 'order.yaml', '-q'], env)
  assert.equal(code, 0, stderr)
  const doctor = await place.run(['doctor'], env)
  assert.match(doctor.stdout, /durability +fsync is o(n|ff)/)
  assert.match(doctor.stdout, /durability +synchronous_commit is /)
})
