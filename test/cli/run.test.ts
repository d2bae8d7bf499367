import assert from 'node:assert/strict'
import test from 'node:test'
import { linear, parsed, Workplace } from './command.ts'

test('a flow runs to its end: its output on stdout, everything else on stderr', async (t) => {
  const place = await Workplace.create(t)
  const { code, stdout, stderr } = await place.run(['run', 'order.yaml', '--set', 'sku=B2'])
  assert.equal(code, 0, stderr)
  assert.deepEqual(parsed(stdout), { tracking: 't of parcel of B2' })
  assert.match(stderr, /^flow: the file order\.yaml$/m, 'it says which flow it took')
  assert.match(stderr, /RUNNING +pack/)
  assert.match(stderr, /SUCCESS +send/)
  assert.match(stderr, /^packing B2$/m, 'what tasks print is talk')
  assert.match(stderr, /✔ order done after .* \(job [0-9a-f-]{36}\)/)
  assert.doesNotMatch(
    stderr + stdout,
    /\u001b/,
    'no colours and no cursor where there is no terminal',
  )
})

test('a flow that fails says what failed and was reverted, with exit code 1', async (t) => {
  const place = await Workplace.create(t)
  await place.write('bad.yaml', linear('bad', ['pack', 'fail']))
  const { code, stdout, stderr } = await place.run(['run', 'bad.yaml', '--json'])
  assert.equal(code, 1)
  const { job, ...rest } = parsed(stdout)
  assert.deepEqual(rest, {
    flow: 'bad',
    state: 'REVERTED',
    failures: [{ atom: 'bad/fail', code: 'TaskFailed', message: 'no post today' }],
  })
  assert.match(String(job), /^[0-9a-f-]{36}$/)
  assert.match(stderr, /bad\/fail: no post today/)
  assert.deepEqual(await place.ledger(), ['pack A1', 'unpack'])
})

test('a revert that fails is left to the operator, who decides and goes on', async (t) => {
  const place = await Workplace.create(t)
  await place.write('stuck.yaml', linear('stuck', ['pack', 'sticky', 'fail']))
  const { code, stdout, stderr } = await place.run(['run', 'stuck.yaml', '--json'])
  assert.equal(code, 1)
  const { job: id, state } = parsed(stdout)
  const job = String(id)
  assert.equal(state, 'FAILURE')
  assert.match(stderr, /zagflow jobs revert [0-9a-f-]+ stuck\/sticky --again \(or --skip\)/)
  const shown = await place.run(['jobs', 'show', job])
  assert.match(shown.stdout, /✘ sticky {2}REVERT_FAILURE/)
  assert.match(shown.stdout, /its revert: it sticks/)
  const wrong = await place.run(['jobs', 'revert', job, 'stuck/pack', '--skip'])
  assert.equal(wrong.code, 2)
  assert.match(wrong.stderr, /the revert of stuck\/pack has not failed|there is no failed revert/)
  const skipped = await place.run(['jobs', 'revert', job, 'stuck/sticky', '--skip'])
  assert.equal(skipped.code, 0, skipped.stderr)
  const again = await place.run(['run', '--resume', job, '--tasks', 'tasks.mjs', '--json'])
  assert.equal(again.code, 1, again.stderr)
  assert.equal(parsed(again.stdout)['state'], 'REVERTED')
  assert.deepEqual(await place.ledger(), ['pack A1', 'stick', 'unpack'])
})

test('--set wins over --input, which wins over defaults; the input may be a file or stdin', async (t) => {
  const place = await Workplace.create(t)
  await place.write('in.json', '{ "sku": "file", "quantity": 7 }')
  await place.write('in.yaml', 'sku: yaml\n')
  await place.write(
    'echo.yaml',
    `zagflow: 1
flow: echo
input:
  sku: { type: string, default: standard }
  quantity: { type: integer, default: 1 }
  more: { type: object, additionalProperties: true, default: {} }
linear: [{ task: pack }]
output: { all: "\${{ input }}" }
tasks: tasks.mjs
`,
  )
  const output = async (args: readonly string[], stdin?: string) => {
    const { stdout, stderr } = await place.run(['run', 'echo.yaml', '-q', ...args], {}, stdin)
    assert.notEqual(stdout, '', stderr)
    return parsed(stdout)['all']
  }
  assert.deepEqual(await output([]), { sku: 'standard', quantity: 1, more: {} })
  assert.deepEqual(await output(['-i', '@in.json', '--set', 'sku=00123', '-s', 'more.deep=[1]']), {
    sku: '00123',
    quantity: 7,
    more: { deep: [1] },
  })
  assert.deepEqual(await output(['--input', '@in.yaml']), { sku: 'yaml', quantity: 1, more: {} })
  assert.deepEqual(await output(['--input', '@-'], '{"quantity":3}'), {
    sku: 'standard',
    quantity: 3,
    more: {},
  })
})

test('--dry-run checks everything and stores nothing', async (t) => {
  const place = await Workplace.create(t)
  const good = await place.run(['run', 'order.yaml', '--dry-run'])
  assert.equal(good.code, 0, good.stderr)
  assert.match(good.stdout, /├─ pack\n└─ send\n\ninput {2}\{"sku":"A1"\}/)
  const bad = await place.run(['run', 'order.yaml', '--dry-run', '--set', 'sku=1'])
  assert.equal(bad.code, 2)
  assert.match(bad.stderr, /sku/)
  assert.equal(await place.has('.zagflow'), false)
  assert.deepEqual(await place.ledger(), [])
})

test('FLOW is a file, an export of a module (TypeScript too), or a registered name; a file wins', async (t) => {
  const place = await Workplace.create(t)
  await place.write(
    'flows.ts',
    `import { pack, order } from './tasks.mjs'
import { flow } from 'zagflow'
export const only: typeof order = flow('only', { input: order.document.input as never }, [pack])
export { order }
`,
  )
  await place.write(
    'flows.ts',
    `import { order } from './tasks.mjs'
const same: unknown = order
export { same, order }
`,
  )
  const exported = await place.run(['run', './flows.ts#order', '--set', 'sku=T', '-q'])
  assert.equal(exported.code, 0, exported.stderr)
  assert.match(exported.stderr, /flow: order of \.\/flows\.ts/)
  assert.deepEqual(parsed(exported.stdout), {
    parcel: 'parcel of T',
    tracking: 't of parcel of T',
  })

  await place.run(['flow', 'register', 'tasks.mjs#order'])
  const named = await place.run(['run', 'order', '--set', 'sku=N', '--tasks', 'tasks.mjs', '-q'])
  assert.equal(named.code, 0, named.stderr)
  assert.match(named.stderr, /flow: the registered flow order$/m)

  await place.write('order', linear('a-file', ['send', 'pack']).replace('[', '['))
  const file = await place.run(['run', 'order', '--dry-run'])
  assert.match(
    file.stderr,
    /order:\d+:\d+|flow: the file order/,
    'the file is taken, whatever it is',
  )
})

test('the same key is the same run: it has its outcome already', async (t) => {
  const place = await Workplace.create(t)
  const first = await place.data(['run', 'order.yaml', '--key', 'k', '-q'])
  const second = await place.data(['run', 'order.yaml', '--key', 'k', '-q'])
  assert.deepEqual(second, first)
  assert.deepEqual(await place.ledger(), ['pack A1', 'send'])
  const other = await place.run(['run', 'order.yaml', '--key', 'k', '--set', 'sku=other'])
  assert.equal(other.code, 2)
  assert.match(other.stderr, /posted under it with another flow or input/)
})

test('colours are for terminals, unless they are forced; NO_COLOR wins', async (t) => {
  const place = await Workplace.create(t)
  const forced = await place.run(['flow', 'check', 'order.yaml'], { FORCE_COLOR: '1' })
  assert.match(forced.stdout, /\u001b\[32m✔/)
  const none = await place.run(['flow', 'check', 'order.yaml'], { FORCE_COLOR: '1', NO_COLOR: '1' })
  assert.doesNotMatch(none.stdout, /\u001b/)
  const option = await place.run(['flow', 'check', 'order.yaml', '--no-color'], {
    FORCE_COLOR: '1',
  })
  assert.doesNotMatch(option.stdout, /\u001b/)
})
