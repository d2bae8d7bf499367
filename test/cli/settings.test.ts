import assert from 'node:assert/strict'
import test from 'node:test'
import { UsageError } from '../../src/base/errors.ts'
import { ENVIRONMENT } from '../../src/cli/settings/names.ts'
import { resolveSettings, type Sources } from '../../src/cli/settings/settings.ts'
import { readFile } from '../support/repository.ts'
import { Workplace } from './command.ts'

const nothing: Sources = { flags: {}, environment: {} }

test('without any setting it is the embedded default', () => {
  assert.deepEqual(resolveSettings(nothing), {
    persistence: 'sqlite:.zagflow/zagflow.db',
    board: 'sql:',
    log: 'info',
    tasks: [],
    leaseMs: 10_000,
    graceMs: 30_000,
  })
})

test('flags win over the environment, which wins over the file', () => {
  const file = {
    name: 'zagflow.config.json',
    values: { name: 'file', lease: '3s', board: 'sql:f' },
  }
  const environment = { ZAGFLOW_NAME: 'environment', ZAGFLOW_BOARD: 'sql:e', ZAGFLOW_LOG: '' }
  const flags = { name: 'flag', concurrency: undefined }
  const { name, board, leaseMs, log } = resolveSettings({ flags, environment, file })
  assert.deepEqual(
    { name, board, leaseMs, log },
    { name: 'flag', board: 'sql:e', leaseMs: 3_000, log: 'info' },
  )
})

test('variables are texts: numbers are read, and lists divided', () => {
  const { concurrency, maxFlows, tasks } = resolveSettings({
    flags: {},
    environment: { ZAGFLOW_CONCURRENCY: '7', ZAGFLOW_MAX_FLOWS: '50', ZAGFLOW_TASKS: 'a.ts, b.ts' },
  })
  assert.deepEqual(
    { concurrency, maxFlows, tasks },
    { concurrency: 7, maxFlows: 50, tasks: ['a.ts', 'b.ts'] },
  )
})

test('what is wrong names its source and what was probably meant, and shows no password', () => {
  const cases: readonly (readonly [Partial<Sources>, RegExp])[] = [
    [
      { environment: { ZAGFLOW_PERSISTANCE: 'x' } },
      /no setting ZAGFLOW_PERSISTANCE; did you mean ZAGFLOW_PERSISTENCE\?/,
    ],
    [
      { environment: { ZAGFLOW_ENGINE: 'fast' } },
      /^ZAGFLOW_ENGINE: expected one of serial, parallel, worker-based, got "fast"/,
    ],
    [
      { environment: { ZAGFLOW_CONCURRENCY: 'many' } },
      /^ZAGFLOW_CONCURRENCY: expected a whole number/,
    ],
    [
      { environment: { ZAGFLOW_LEASE: '5' } },
      /^ZAGFLOW_LEASE: a duration needs a unit; write 5s or 5ms/,
    ],
    [{ flags: { log: 'loud' } }, /^--log: expected one of debug, info/],
    [
      { file: { name: 'c.yaml', values: { persistance: 'x' } } },
      /^c\.yaml: there is no setting "persistance"; did you mean "persistence"\?/,
    ],
    [
      { file: { name: 'c.yaml', values: { maxFlows: 0 } } },
      /^c\.yaml: maxFlows: expected a whole number from 1, got 0/,
    ],
    [{ file: { name: 'c.yaml', values: [] } }, /^c\.yaml: expected an object/],
  ]
  for (const [sources, expected] of cases) {
    assert.throws(
      () => resolveSettings({ ...nothing, ...sources }),
      (error) => error instanceof UsageError && expected.test(error.message),
      String(expected),
    )
  }
  assert.throws(
    () =>
      resolveSettings({
        ...nothing,
        file: { name: 'c', values: { broker: ['amqp://u:secret@h'] } },
      }),
    (error) => error instanceof UsageError && !error.message.includes('secret'),
  )
  // Variables of others that begin the same are none of ours.
  assert.ok(resolveSettings({ flags: {}, environment: { ZAGFLOW_TEST_POSTGRES_URL: 'x' } }))
})

test('every variable and setting is documented', () => {
  const text = readFile('docs/command-line.md')
  for (const [variable, setting] of ENVIRONMENT) {
    assert.ok(text.includes(`\`${variable}\``), variable)
    assert.ok(text.includes(`| \`${setting}\``), setting)
  }
})

test('a file of settings may be TypeScript, and its tasks are relative to it', async (t) => {
  const place = await Workplace.create(t)
  await place.write(
    'etc/zagflow.config.ts',
    'const tasks: string[] = ["../tasks.mjs"]\nexport default { tasks, engine: "serial" }\n',
  )
  await place.write(
    'plain.yaml',
    'zagflow: 1\nflow: plain\ninput: { sku: string }\nlinear: [{ task: pack }]\n',
  )
  const args = ['run', 'plain.yaml', '--set', 'sku=C', '-q', '--config', 'etc/zagflow.config.ts']
  const { code, stderr, stdout } = await place.run(args)
  assert.equal(code, 0, stderr)
  assert.deepEqual(JSON.parse(stdout), { parcel: 'parcel of C' })
})
