/**
 * Builds, starts the real servers, and runs the tests:
 *
 *     node scripts/test.mjs [part of a path …] [--name PATTERN] [--concurrency N] [--timeout SECONDS] [--dist FOLDER]
 *
 * Without parts of paths every file runs. `--dist` runs what was built into that folder, and builds nothing.
 * A server that is missing skips its tests, by name; with CI=true it ends the run.
 */
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { build } from './build.mjs'
import { provide, startServers } from './servers.mjs'
import { runTestFile } from './test-file.mjs'
import { TestReport } from './test-report.mjs'

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)))

const { values: options, positionals: parts } = parseArgs({
  allowPositionals: true,
  options: {
    name: { type: 'string', multiple: true, default: [] },
    concurrency: { type: 'string', default: String(os.availableParallelism()) },
    timeout: { type: 'string', default: '900' },
    dist: { type: 'string' },
  },
})
const dist = path.resolve(root, options.dist ?? 'dist')

// Ending by process.exit() lets every helper end what it started.
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(130))

process.exitCode = (await main()) ? 0 : 1

async function main() {
  if (options.dist === undefined && !build()) return false
  const files = chooseFiles()
  if (files.length === 0) return fail(`No test file has ${parts.join(' or ')} in its path.`)
  const servers = await start()
  try {
    for (const line of servers.missing) console.error(line)
    if (servers.missing.length > 0 && process.env.CI)
      return fail('In CI every server must be there, and every tool.')
    console.log(`${files.length} test files on Node.js ${process.version}`)
    return await runAll(files)
  } finally {
    await servers.stop()
  }
}

/** Runs the files, as many at once as was asked for. */
async function runAll(files) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'zagflow-tests-'))
  const report = new TestReport()
  const waiting = [...files]
  const runNext = async () => {
    for (let file = waiting.shift(); file !== undefined; file = waiting.shift()) {
      const result = await runTestFile(file, {
        folder,
        timeoutMs: Number(options.timeout) * 1_000,
        namePatterns: options.name,
      })
      report.add(path.relative(dist, file), result)
    }
  }
  try {
    await Promise.all(Array.from({ length: Number(options.concurrency) }, runNext))
    return report.close()
  } finally {
    fs.rmSync(folder, { recursive: true, force: true })
  }
}

async function start() {
  const support = path.join(dist, 'test', 'support')
  const load = (file) => import(pathToFileURL(path.join(support, file)).href)
  const { testServers, testTools = [] } = await load('servers.js')
  const { missingServer, missingTool } = await load('test-server.js')
  const missingTools = provide(testTools, missingTool)
  const { missing, stop } = await startServers(testServers, missingServer)
  return { missing: [...missing, ...missingTools], stop }
}

/** The test files that were asked for; those that take longest first, so that no core waits for them at the end. */
function chooseFiles() {
  const wanted = parts.map((part) => part.replace(/^(\.\/)?(dist\/)?/, '').replace(/\.ts$/, ''))
  const slow = ['test/faults', 'test/conformance', 'test/model']
  const rank = (name) => slow.findIndex((folder) => name.startsWith(folder)) >>> 0
  return fs
    .readdirSync(path.join(dist, 'test'), { recursive: true })
    .map((name) => path.join('test', name))
    .filter((name) => name.endsWith('.test.js'))
    .filter((name) => wanted.length === 0 || wanted.some((part) => name.includes(part)))
    .sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1))
    .map((name) => path.join(dist, name))
}

function fail(message) {
  console.error(message)
  return false
}
