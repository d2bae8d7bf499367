import assert from 'node:assert/strict'
import { join } from 'node:path'
import test, { type TestContext } from 'node:test'
import { connect } from '../../src/client/connect.ts'
import type { Zagflow } from '../../src/client/zagflow.ts'
import { flow, task, z } from '../../src/flow/builders.ts'
import { silentLogger } from '../../src/base/logger.ts'
import { lastFirst } from '../support/last-first.ts'
import { Workplace } from './command.ts'

let isBroken = true
const pack = task('pack', { provides: { parcel: z.string() }, execute: () => ({ parcel: 'p' }) })
const send = task('send', {
  requires: { parcel: z.string(), n: z.int() },
  execute: () => {
    if (isBroken) throw new Error('no post today')
  },
})
const trip = flow('trip', { input: { n: z.int() } }, [pack, send])

/** A folder whose database has jobs of `trip` with n from 0 on; they have failed, or nobody has taken them. */
async function place(
  t: TestContext,
  count: number,
  how: 'failed' | 'waiting',
): Promise<{ readonly at: Workplace; readonly zag: Zagflow }> {
  const clean = lastFirst(t)
  const at = await Workplace.create(clean)
  const zag = await connect({
    environment: {},
    persistence: `sqlite:${join(at.folder, '.zagflow', 'zagflow.db')}`,
    logger: silentLogger,
    pollMs: 50,
    ...(how === 'failed' ? { conductor: { tasks: [pack, send] } } : {}),
  })
  clean.after(() => zag.close())
  isBroken = true
  const posted = Array.from({ length: count }, (_, n) => zag.post(trip, { n }, { key: `k${n}` }))
  const jobs = await Promise.all(posted)
  if (how === 'failed') await Promise.all(jobs.map((job) => job.outcome()))
  return { at, zag }
}

test('nobody steers all jobs by accident: jobs or filters are needed, and a yes', async (t) => {
  const { at, zag } = await place(t, 3, 'waiting')
  const bad = [
    [['jobs', 'cancel'], /expected jobs, or filters that say which/],
    [['jobs', 'cancel', '--limit', '5', '--yes'], /expected jobs, or filters/],
    [['jobs', 'retry', '--board', 'sql:main', '--yes'], /expected jobs, or filters/],
    [['jobs', 'cancel', 'k0', '--flow', 'trip'], /expected jobs or filters, got both/],
    [['jobs', 'suspend', '--flow', 'trip'], /3 jobs would be changed.*--yes/],
    [['jobs', 'cancel', '--where', 'n +'], /where: /],
    [['jobs', 'cancel', '--where', 'n + 1', '--yes'], /a condition is true or false/],
    [['jobs', 'cancel', '--state', 'DONE', '--yes'], /there is no state "DONE"/],
  ] as const
  for (const [args, message] of bad) {
    const { code, stderr, stdout } = await at.run(args)
    assert.equal(code, 2, args.join(' '))
    assert.match(stderr, message)
    assert.equal(stdout, '')
  }
  const { jobs } = await zag.jobs({ states: ['UNCLAIMED'] })
  assert.equal(jobs.length, 3)
  assert.ok(jobs.every(({ job }) => job.mail === 0))
})

test('jobs are cancelled by filters: first what would be done, then done; done again it does no harm', async (t) => {
  const { at, zag } = await place(t, 70, 'waiting')
  const dry = await at.run(['jobs', 'cancel', '--where', 'n >= 10', '--dry-run'])
  assert.equal(dry.code, 0, dry.stderr)
  assert.match(dry.stdout, /^JOB +FLOW +OUTCOME +WHAT\n[0-9a-f-]+ +trip +would +will be cancelled/)
  assert.match(dry.stderr, /would do it to 60 jobs/)
  const mails = async () =>
    (await zag.jobs({ limit: 100 })).jobs.filter(({ job }) => job.mail > 0).length
  assert.equal(await mails(), 0)
  const some = await at.run(['jobs', 'cancel', '--where', 'n >= 10', '--limit', '2', '--yes'])
  assert.equal(some.code, 0, some.stderr)
  assert.equal(await mails(), 2)
  const all = await at.data(['jobs', 'cancel', '--where', 'n >= 10', '--yes'])
  assert.equal(all['done'], 60)
  assert.equal(all['refused'], 0)
  assert.equal(await mails(), 60)
  const none = await at.run(['jobs', 'cancel', '--flow', 'nothing', '--yes'])
  assert.equal(none.code, 0)
  assert.match(none.stderr, /No job fits/)
})

test('failed jobs run again from where they failed, all at once; what is refused is told, and makes exit code 1', async (t) => {
  const { at, zag } = await place(t, 6, 'failed')
  isBroken = false
  const again = await at.run([
    'jobs',
    'retry',
    '--flow',
    'trip',
    '--from-failed',
    '--where',
    'n < 3',
    '--yes',
  ])
  assert.equal(again.code, 0, again.stderr)
  assert.match(again.stdout, /done +runs again from where it failed; 1 task kept/)
  for (const key of ['k0', 'k1', 'k2']) {
    const job = await zag.job(key)
    assert.equal((await job.outcome()).state, 'SUCCESS')
    const { calls } = await job.details()
    assert.deepEqual(
      calls.map(({ atom }) => atom),
      ['trip/pack', 'trip/send'],
    )
  }
  const mixed = await at.run(['jobs', 'retry', 'k0', 'k3', '--from-failed'])
  assert.equal(mixed.code, 1)
  assert.match(mixed.stdout, /refused +nothing of it failed/)
  assert.match(mixed.stdout, /done +runs again from where it failed/)
  const shown = await at.run(['jobs', 'show', 'k1'])
  assert.match(shown.stdout, /run +2 \(run again from where it failed; 1 task kept\)/)

  const wrong = await at.run(['jobs', 'retry', 'k4', '--from-failed', '--set', 'n=x'])
  assert.equal(wrong.code, 2)
  assert.match(wrong.stderr, /n: .*expected/s)
  const edited = await at.data([
    'jobs',
    'retry',
    '--where',
    'n >= 4',
    '--from-failed',
    '--set',
    'n=40',
    '--yes',
  ])
  assert.equal(edited['done'], 2)
  assert.equal((await (await zag.job('k4')).outcome()).state, 'SUCCESS')
  assert.deepEqual((await (await zag.job('k4')).details()).flow.input, { n: 40 })
  const both = await at.run(['jobs', 'retry', 'k4', '--from-failed', '--from-start'])
  assert.equal(both.code, 2)
})

test('jobs list says what it passed over, where it stopped, and that nobody has that name', async (t) => {
  const { at, zag } = await place(t, 12, 'waiting')
  await zag.post(flow('other', { input: { m: z.int() } }, [pack]), { m: 1 })
  const found = await at.run(['jobs', 'list', '--where', 'n % 5 == 0'])
  assert.equal(found.stdout.trim().split('\n').length, 4)
  assert.match(
    found.stderr,
    /One job was passed over, the condition does not fit: [0-9a-f-]+: the symbol "n"/,
  )
  const bounded = await at.run(['jobs', 'list', '--where', 'n > 100', '--scan', '5'])
  assert.match(bounded.stderr, /Looked at 5 jobs; go on: --after \S+/)
  const owner = await at.run(['jobs', 'list', '--owner', 'nobody'])
  assert.match(owner.stderr, /No conductor that lives is called nobody/)
  const old = await at.run(['jobs', 'list', '--where', 'n=3', '--where', 'n < 5'])
  assert.match(old.stdout, /\bk3\n$/)
})
