import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import test from 'node:test'
import type { TestContext } from 'node:test'
import { eventually } from '../support/eventually.ts'
import { isListening, quietPort } from '../support/free-port.ts'
import { repository } from '../support/repository.ts'
import { spawnNode } from '../support/spawn-node.ts'
import type { NodeProcess, ProcessEnd } from '../support/spawn-node.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

/** Runs the test runner over a folder of test files that are given by name and text. */
async function runTests(
  t: TestContext,
  files: Readonly<Record<string, string>>,
  args: readonly string[] = [],
  env: Readonly<Record<string, string | undefined>> = {},
): Promise<ProcessEnd & { readonly printed: string }> {
  const runner = await startTests(t, files, args, env)
  const end = await runner.ended
  return { ...end, printed: runner.stdout() + runner.stderr() }
}

async function startTests(
  t: TestContext,
  files: Readonly<Record<string, string>>,
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): Promise<NodeProcess> {
  const folder = await temporaryFolder(t)
  const all = {
    'package.json': '{ "type": "module" }',
    'test/support/servers.js': 'export const testServers = []',
    'test/support/test-server.js':
      'export const missingServer = (server) => `${server.name}: not found`',
    ...files,
  }
  for (const [name, text] of Object.entries(all)) {
    fs.mkdirSync(path.dirname(path.join(folder, name)), { recursive: true })
    fs.writeFileSync(path.join(folder, name), text)
  }
  const runner = path.join(repository, 'scripts', 'test.mjs')
  return spawnNode(t, runner, ['--dist', folder, ...args], { CI: undefined, ...env })
}

const passes = "import test from 'node:test'; test('passes', () => {})"

test('a run in which all tests pass ends with code 0, and with the counts', async (t) => {
  const { code, printed } = await runTests(t, { 'test/a.test.js': passes })
  assert.equal(code, 0, printed)
  assert.match(printed, /\n# tests 1\n# pass 1\n# fail 0\n/)
})

test('a failing test fails the run, and is shown with its place, error and what its file printed', async (t) => {
  const text = `import test from 'node:test'
    test('fails', async (t) => {
      console.log('a trace')
      await t.test('inside', () => { throw new RangeError('too far') })
    })`
  const { code, printed } = await runTests(t, { 'test/a.test.js': text })
  assert.equal(code, 1)
  assert.match(printed, /✖ inside\n {2}test\/a\.test\.js:4\n {4}RangeError: too far/)
  assert.match(printed, /printed by test\/a\.test\.js[^]*a trace/)
  assert.match(printed, /\n# fail 1\n/)
})

test('a file that cannot be loaded fails the run', async (t) => {
  const files = { 'test/a.test.js': passes, 'test/b.test.js': "import './missing.js'" }
  const { code, printed } = await runTests(t, files)
  assert.equal(code, 1)
  assert.match(printed, /✖ the file as a whole\n {2}test\/b\.test\.js/)
})

test('a file that ends before its tests do fails the run, though its exit code is 0', async (t) => {
  // What passed is written before that: a busy machine takes its time.
  const text = `${passes}; test('never', () => new Promise(() => setTimeout(() => process.exit(0), 2_000)))`
  const { code, printed } = await runTests(t, { 'test/a.test.js': text })
  assert.equal(code, 1)
  assert.match(printed, /ended with code 0 before its tests did; .*"passes"/)
})

test('an error after the end of its test fails the run', async (t) => {
  const text = `import test from 'node:test'
    test('passes', () => { setTimeout(() => { throw new Error('late') }, 20) })`
  const { code, printed } = await runTests(t, { 'test/a.test.js': text })
  assert.equal(code, 1)
  assert.match(printed, /late/)
})

test('a file that does not end in time is killed with the processes it started', async (t) => {
  const text = `import test from 'node:test'
    import { spawn } from 'node:child_process'
    test('hangs', () => {
      const server = 'require("net").createServer().listen(Number(process.env.GOPHER_PORT), "127.0.0.1")'
      spawn(process.execPath, ['-e', server])
      return new Promise(() => setInterval(() => {}, 1000))
    })`
  // Its time may be over before a busy machine has started what it starts.
  for (const seconds of [3, 10, 40]) {
    const port = await quietPort()
    const runner = await startTests(t, { 'test/a.test.js': text }, ['--timeout', `${seconds}`], {
      GOPHER_PORT: String(port),
    })
    let isOver = false
    const ended = runner.ended.finally(() => (isOver = true))
    let hasListened = false
    await eventually(async () => (hasListened = await isListening(port)) || isOver, {
      withinMs: 60_000,
    })
    assert.equal((await ended).code, 1)
    assert.match(runner.stdout(), new RegExp(`it did not end within ${seconds} s`))
    await eventually(async () => !(await isListening(port)))
    if (hasListened) return
  }
  assert.fail('the process that it started never listened')
})

test('skipped tests are counted under their reason', async (t) => {
  const text = `${passes}
    for (const name of ['one', 'two']) test(name, (t) => t.skip('PostgreSQL: not found'))`
  const { code, printed } = await runTests(t, { 'test/a.test.js': text })
  assert.equal(code, 0, printed)
  assert.match(printed, /Skipped:\n {2}2 tests: PostgreSQL: not found\n[^]*# skipped 2\n/)
})

test('parts of paths choose files, and a part that fits none is an error', async (t) => {
  const files = {
    'test/flow/a.test.js': passes,
    'test/base/b.test.js': 'throw new Error("not me")',
  }
  const one = await runTests(t, files, ['test/flow/a.test.ts'])
  assert.equal(one.code, 0, one.printed)
  const none = await runTests(t, files, ['test/nowhere'])
  assert.equal(none.code, 1)
  assert.match(none.printed, /No test file has test\/nowhere in its path/)
})

const missingServer = {
  'test/a.test.js': passes,
  'test/support/servers.js': `export const testServers = [{
    name: 'Gopher', urlVariable: 'NO_URL', binariesVariable: 'NO_BIN', debianPackages: [],
    find: () => undefined, start: () => { throw new Error('must not start') },
  }]`,
}

test('a missing server is named and the run goes on, but in CI it fails', async (t) => {
  const env = { ZAGFLOW_TEST_INSTALL: 'no' }
  const here = await runTests(t, missingServer, [], env)
  assert.equal(here.code, 0, here.printed)
  assert.match(here.printed, /Gopher: not found/)
  const ci = await runTests(t, missingServer, [], { ...env, CI: 'true' })
  assert.equal(ci.code, 1)
  assert.match(ci.printed, /Gopher: not found\nIn CI every server must be there/)
})

test('a server is started once for all files, which find its URL, and is stopped at the end', async (t) => {
  const shows = "import test from 'node:test'; test('url', (t) => t.skip(process.env.GOPHER_URL))"
  const { code, printed } = await runTests(t, {
    'test/a.test.js': shows,
    'test/b.test.js': shows,
    'test/support/servers.js': `export const testServers = [{
      name: 'Gopher', urlVariable: 'GOPHER_URL', debianPackages: [], find: () => '/bin',
      start: async () => (console.log('started'), { url: 'gopher:7', stop: async () => console.log('stopped') }),
    }]`,
  })
  assert.equal(code, 0, printed)
  assert.match(printed, /started\n[^]*2 tests: gopher:7[^]*stopped\n$/)
  assert.equal(printed.match(/started/g)?.length, 1)
})
