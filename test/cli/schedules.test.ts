import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { linear, Workplace } from './command.ts'

const FILE = `group: demo
schedules:
  nightly:
    flow: packing
    cron: 30 2 * * *
    zone: Europe/Berlin
    input: { sku: "\${{ tick.date }}" }
  often:
    flow: ./other.yaml
    every: 1s
    overlap: skip
`

async function workplace(t: Parameters<typeof Workplace.create>[0]): Promise<Workplace> {
  const place = await Workplace.create(t)
  await place.write('packing.yaml', linear('packing', ['pack'], ''))
  await place.write('other.yaml', linear('other', ['pack'], ''))
  await place.write('schedules.yaml', FILE)
  const { code, stderr } = await place.run([
    'flow',
    'register',
    'packing.yaml',
    '--tasks',
    './tasks.mjs',
  ])
  assert.equal(code, 0, stderr)
  return place
}

const TASKS = ['--tasks', './tasks.mjs']

describe('zagflow schedule', () => {
  it('adds a schedule and says when it ticks; shows, pauses, resumes, resets and removes it', async (t) => {
    const place = await workplace(t)
    const add = ['schedule', 'add', 'nightly', 'packing', '--cron', '30 2 * * *', ...TASKS]
    const dry = await place.run([...add, '--zone', 'Asia/Tokyo', '--dry-run'])
    assert.equal(dry.code, 0, dry.stderr)
    assert.match(dry.stdout, /^nightly would be added\n {2}\d{4}-\d\d-\d\d 02:30:00 \+09:00 {2}in /)
    assert.match((await place.run(['schedule', 'list'])).stderr, /There are none/)

    const set = ['--set', 'sku=${{ tick.date }}', '--label', 'team=a', '--overlap', 'queue']
    const added = await place.run([...add, '--zone', 'Asia/Tokyo', ...set])
    assert.equal(added.code, 0, added.stderr)
    assert.match(
      added.stdout,
      /^nightly added\n( {2}\d{4}-\d\d-\d\d 02:30:00 \+09:00 {2}in \S+\n){5}$/,
    )
    const again = await place.run([...add, '--zone', 'Asia/Tokyo', ...set])
    assert.match(again.stdout, /^nightly is there already, the same\n/)
    const other = await place.run(add)
    assert.equal(other.code, 2)
    assert.match(
      other.stderr,
      /there is one of that name, with other content; see zagflow schedule show nightly; --replace changes it/,
    )

    const shown = await place.run(['schedule', 'show', 'nightly', '-n', '2'])
    assert.equal(shown.code, 0, shown.stderr)
    for (const line of [
      /^nightly$/m,
      /^ {2}when +30 2 \* \* \* Asia\/Tokyo$/m,
      /^ {2}overlap +queue, at most 10 ticks$/m,
      /^ {2}catch-up +last$/m,
      /^ {2}labels +team=a$/m,
      /^next ticks\n( {2}.* 02:30:00 \+09:00 .*\n){2}/m,
      /^No conductor lives/m,
    ]) {
      assert.match(shown.stdout, line)
    }
    const paused = await place.run(['schedule', 'pause', 'nightly'])
    assert.equal(paused.stdout, 'nightly is paused\n')
    assert.match((await place.run(['schedule', 'list'])).stdout, /nightly .* paused/)
    assert.match(
      (await place.run(['schedule', 'resume', 'nightly'])).stdout,
      /is active\n {2}next /,
    )
    assert.match((await place.run(['schedule', 'reset', 'nightly'])).stdout, /is active\n {2}next /)
    const removed = await place.run(['schedule', 'remove', 'nightly'])
    assert.equal(removed.stdout, 'nightly removed\n')
    const gone = await place.run(['schedule', 'show', 'nightly'])
    assert.equal(gone.code, 2)
    assert.match(gone.stderr, /there is no schedule "nightly"/)
  })

  it('makes a file true, and shows the plan before', async (t) => {
    const place = await workplace(t)
    const sync = ['schedule', 'sync', 'schedules.yaml', ...TASKS]
    const plan = await place.run([...sync, '--dry-run'])
    assert.equal(plan.code, 0, plan.stderr)
    assert.equal(plan.stdout, '+ nightly  added\n+ often  added\n')
    assert.match(plan.stderr, /Nothing was stored: 2 changes without --dry-run/)
    assert.equal((await place.run(sync)).stdout, plan.stdout)
    assert.match((await place.run(sync)).stderr, /The group "demo" is as the file says/)
    await place.write(
      'schedules.yaml',
      FILE.replace('2 * * *', '3 * * *').replace(/ {2}often:[^]*/, ''),
    )
    const data = await place.data(sync)
    assert.deepEqual(data, {
      group: 'demo',
      dryRun: false,
      steps: [
        { name: 'nightly', does: 'changed' },
        { name: 'often', does: 'removed' },
      ],
    })
    await place.write(
      'schedules.yaml',
      FILE.replace('Europe/Berlin', 'Europe/Berln').replace('skip', 'skp'),
    )
    const wrong = await place.run(sync)
    assert.equal(wrong.code, 2)
    assert.match(
      wrong.stderr,
      /:6:11 schedules\.nightly\.zone: there is no time zone "Europe\/Berln"; did you mean "Europe\/Berlin"\?/,
    )
    assert.match(
      wrong.stderr,
      /:11:14 schedules\.often\.overlap: unknown value; expected one of allow, skip, queue, got "skp"; did you mean "skip"\?/,
    )
    await place.write('schedules.yaml', FILE.replace('./other', './othr'))
    const missing = await place.run(sync)
    assert.equal(missing.code, 2)
    assert.match(missing.stderr, /line:8 schedules\.often\.flow: .*othr\.yaml.*other\.yaml/)
  })

  it('refuses what can never fire and what nobody could mean, with a remedy', async (t) => {
    const place = await workplace(t)
    const add = ['schedule', 'add', 'x', 'packing', ...TASKS]
    for (const [args, said] of [
      [['--cron', '0 0 30 2 *'], /cron: it would never fire/],
      [['--every', '0s'], /every: a schedule cannot tick without a pause; expected at least 1s/],
      [['--every', '5'], /every: .*a duration needs a unit; got "5"; write 5s or 5ms/],
      [[], /needs one of cron, every/],
      [['--cron', '* * * * *', '--end', '2020-01-01T00:00:00Z'], /its end has passed/],
      [['--cron', '* * * * *', '--overlap', 'skp'], /did you mean "skip"/],
      [['--every', '5s', '--set', 'sku=5'], /sku: wrong type; expected a text, got 5/],
    ] as const) {
      const { code, stderr } = await place.run([...add, ...args])
      assert.equal(code, 2)
      assert.match(stderr, said)
    }
    assert.deepEqual(await place.data(['schedule', 'list']), { schedules: [] })
  })

  it('posts: a conductor runs the ticks, and show has their jobs', async (t) => {
    const place = await workplace(t)
    const add = [
      'schedule',
      'add',
      'often',
      'packing',
      '--every',
      '1s',
      '--set',
      'sku=${{ tick.at }}',
    ]
    const added = await place.data([...add, ...TASKS])
    assert.equal(Reflect.get(added, 'outcome'), 'added')
    const conductor = place.start(['conductor', ...TASKS])
    await conductor.says(/job ended SUCCESS[^]*job ended SUCCESS/)
    const shown = await place.run(['schedule', 'show', 'often'])
    assert.match(
      shown.stdout,
      /^last jobs\n {2}TICK +JOB +STATE +LATE +TOOK\n( {2}.*\n)* {2}.* SUCCESS /m,
    )
    assert.doesNotMatch(shown.stdout, /No conductor lives/)
    conductor.kill('SIGTERM')
    await conductor.ended
    const ledger = await place.ledger()
    assert.match(ledger[0] ?? '', /^pack \d{4}-\d\d-\d\dT/)
    assert.equal(new Set(ledger).size, ledger.length, 'each tick ran once')
  })

  it('prints the JSON Schema of its files', async (t) => {
    const place = await Workplace.create(t)
    const { stdout } = await place.run(['schedule', 'schema'])
    const schema = JSON.parse(stdout) as { readonly required: readonly string[] }
    assert.deepEqual(schema.required, ['group', 'schedules'])
  })
})
