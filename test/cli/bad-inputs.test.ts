import assert from 'node:assert/strict'
import test from 'node:test'
import { linear, Workplace } from './command.ts'

const CASES: readonly (readonly [args: readonly string[], expected: RegExp])[] = [
  [[], /Usage: zagflow/],
  [['rum'], /unknown command 'rum'[\s\S]*Did you mean run\?/],
  [['run'], /expected a flow: a file, module\.ts#export or a registered name/],
  [['run', 'order.yaml', '--imput', '{}'], /unknown option '--imput'[\s\S]*Did you mean --input\?/],
  [['run', 'ordr.yaml'], /there is no file ordr\.yaml; did you mean "order\.yaml"\?/],
  [['run', 'missing'], /there is no registered flow "missing"/],
  [['run', 'order.yaml@x'], /expected name or name@version/],
  [['run', 'order.yaml', '-i', '{"sku": "A", "sku": "B"}'], /--input.*this key was there already/],
  [['run', 'order.yaml', '-i', '{sku: 1}'], /--input does not fit/],
  [['run', 'order.yaml', '-i', '[1]'], /--input does not fit: it is no object/],
  [['run', 'order.yaml', '-i', '{"__proto__": {"x": 1}}'], /the key "__proto__" is not allowed/],
  [['run', 'order.yaml', '-i', '{"sku": 9007199254740993}'], /no number that JSON carries/],
  [['run', 'order.yaml', '-i', '@nowhere.json'], /nowhere\.json cannot be read/],
  [['run', 'order.yaml', '-i', '['.repeat(5000)], /more than 64 levels/],
  [['run', 'order.yaml', '--set', 'sku'], /--set sku: expected path=value/],
  [['run', 'order.yaml', '--set', 'constructor.x=1'], /the key "constructor" is not allowed/],
  [['run', 'order.yaml', '--set', 'skuu=1'], /skuu/],
  [['run', 'order.yaml', '--set', 'sku=1'], /sku.*expected/],
  [['run', 'order.yaml', '--tasks', 'nothing.ts'], /there is no file nothing\.ts/],
  [['run', 'order.yaml', '--tasks', 'throws.mjs'], /throws\.mjs: .*it throws.*throws\.mjs:2/],
  [
    ['run', 'order.yaml', '--tasks', 'broken.mjs'],
    /tasks cannot be loaded from broken\.mjs: SyntaxError/,
  ],
  [['run', 'order.yaml', '--tasks', 'needs.mjs'], /npm install no-such-package/],
  [['run', 'order.yaml', '--tasks', 'empty.mjs'], /empty\.mjs exports no tasks; it exports other/],
  [['run', 'tasks.mjs#ordr'], /exports no flow "ordr"; did you mean "order"\?/],
  [['run', 'empty.mjs'], /empty\.mjs exports no flow/],
  [
    ['run', 'order.yaml', '--engine', 'paralel'],
    /--engine: expected one of serial, parallel, worker-based, got "paralel"/,
  ],
  [['run', 'order.yaml', '--concurrency', '0'], /Expected a whole number from 1/],
  [['run', 'order.yaml', '--persistence', 'mysql://u:secret@h/d'], /is not the URL of a store/],
  [['run', 'order.yaml', '--namespace', 'a b'], /cannot begin the name of a table/],
  [['run', 'order.yaml', '--label', 'x'], /--label x: expected name=value/],
  [
    ['run', 'order.yaml', '--resume', 'x', '--set', 'a=1'],
    /--resume goes on with the input that is stored/,
  ],
  [['run', 'order.yaml', '--config', 'no.json'], /--config: there is no file no\.json/],
  [['run', 'unknown.yaml'], /unknown\.yaml:\d+:\d+ .*pakc.*did you mean "pack"\?/],
  [['run', 'two.yaml'], /two\.yaml:\d+:\d+/],
  [['run', 'empty.yaml'], /the text is empty/],
  [['post', 'order.yaml'], /"tasks" is read by/],
  [['post', 'plain.yaml', '--delay', '5', '--tasks', 'tasks.mjs'], /write 5s or 5ms/],
  [
    ['post', 'plain.yaml', '--delay', '5s', '--at', '2030-01-01T00:00:00Z'],
    /cannot be used with option/,
  ],
  [['post', 'plain.yaml', '--at', 'tomorrow', '--tasks', 'tasks.mjs'], /tomorrow is no time/],
  [['post', 'plain.yaml', '--priority', '5000'], /Expected a whole number from -1000 to 1000/],
  [['jobs', 'show', 'no-such-job'], /there is no job "no-such-job"; see: zagflow jobs list/],
  [
    ['jobs', 'list', '--state', 'REVERTD'],
    /there is no state "REVERTD"; did you mean "REVERTED"\?/,
  ],
  [['jobs', 'list', '--newer-than', '5'], /--newer-than: a duration needs a unit/],
  [['jobs', 'list', '--where', 'a.b=1'], /only whole values of the input can be searched/],
  [['jobs', 'list', '--after', 'nonsense'], /after|cursor/i],
  [['jobs', 'revert', 'x', 'y'], /expected --again .* or --skip/],
  [['db', 'prune'], /required option '--older-than/],
  [['db', 'prune', '--older-than', 'month'], /--older-than: not a duration/],
  [['flow', 'show', 'nothing@0'], /expected name or name@version/],
]

test('bad inputs are refused with exit code 2, a reason and a remedy; nothing runs', async (t) => {
  const place = await Workplace.create(t)
  await place.write('throws.mjs', 'const x = 1\nthrow new Error("it throws")\n')
  await place.write('broken.mjs', 'export const = 1\n')
  await place.write('needs.mjs', 'import "no-such-package"\n')
  await place.write('empty.mjs', 'export const other = 1\n')
  await place.write('plain.yaml', linear('plain', ['pack'], ''))
  await place.write('unknown.yaml', linear('unknown', ['pakc']))
  await place.write('two.yaml', `${linear('two', ['pack'])}---\nflow: three\n`)
  await place.write('empty.yaml', '\n')
  // Two at a time: the machine may be small.
  const left = [...CASES]
  const work = async (): Promise<void> => {
    for (let next = left.shift(); next !== undefined; next = left.shift()) {
      const [args, expected] = next
      const { code, stdout, stderr } = await place.run(args)
      const shown = `zagflow ${args.join(' ').slice(0, 100)}\n${stderr}`
      assert.equal(code, 2, shown)
      assert.equal(stdout, '', shown)
      assert.match(stderr, expected, shown)
      assert.doesNotMatch(stderr, /secret|should not have happened|\n {4}at /, shown)
    }
  }
  await Promise.all([work(), work()])
  assert.deepEqual(await place.ledger(), [])
})

test('with --json an error is data too', async (t) => {
  const place = await Workplace.create(t)
  await place.write('unknown.yaml', linear('unknown', ['pakc']))
  const { error } = await place.data(['run', 'unknown.yaml'])
  const { code, issues } = error as { readonly code: string; readonly issues: readonly object[] }
  assert.equal(code, 'InvalidFlow')
  assert.deepEqual(Object.keys(issues[0] ?? {}).includes('line'), true)
})

test('a server that cannot be reached is exit code 3, and its password is not shown', async (t) => {
  const place = await Workplace.create(t)
  const url = 'postgres://user:topsecret@127.0.0.1:1/zagflow'
  const { code, stderr, stdout } = await place.run(['jobs', 'list'], { ZAGFLOW_PERSISTENCE: url })
  assert.equal(code, 3, stderr)
  assert.match(stderr, /postgres:\/\/user@127\.0\.0\.1:1\/zagflow cannot be reached/)
  assert.doesNotMatch(stderr + stdout, /topsecret/)
  const doctor = await place.run(['doctor'], { ZAGFLOW_PERSISTENCE: url })
  assert.equal(doctor.code, 3)
  assert.match(doctor.stdout, /✘ database/)
  assert.doesNotMatch(doctor.stderr + doctor.stdout, /topsecret/)
})
