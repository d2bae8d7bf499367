/**
 * Runs one test file in a process of its own.
 *
 * F1. A file that does not end within its time is killed with every process of its group.
 * F2. A file fails if a test fails, if it ends by a signal or another code than 0, or if it ends before its tests do.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

const reporter = fileURLToPath(new URL('test-reporter.mjs', import.meta.url))
const outputBytes = 6_000
const groups = new Set()

process.once('exit', () => {
  for (const pid of groups) endGroup(pid)
})

/**
 * @param file the compiled test file
 * @param options `folder` for the results, `timeoutMs`, `namePatterns`
 * @returns `{ tests, complaint?, output, durationMs }`
 */
export async function runTestFile(file, { folder, timeoutMs, namePatterns }) {
  const startedAt = performance.now()
  const results = path.join(folder, `${path.basename(file)}-${Math.random()}.jsonl`)
  const patterns = namePatterns.map((pattern) => `--test-name-pattern=${pattern}`)
  const child = spawn(
    process.execPath,
    [`--test-reporter=${reporter}`, `--test-reporter-destination=${results}`, ...patterns, file],
    {
      env: { ...process.env, NODE_TEST_CONTEXT: undefined },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true, // A group of its own, so that all of it can be ended (F1).
    },
  )
  groups.add(child.pid)
  let output = ''
  const keep = (text) => (output = (output + text).slice(-outputBytes))
  child.stdout.setEncoding('utf8').on('data', keep)
  child.stderr.setEncoding('utf8').on('data', keep)
  let timedOut = false
  const timer = setTimeout(() => {
    timedOut = true
    endGroup(child.pid)
  }, timeoutMs)
  const [code, signal] = await once(child, 'close')
  clearTimeout(timer)
  endGroup(child.pid)
  groups.delete(child.pid)
  const lines = readLines(results)
  return {
    tests: lines.filter(({ type }) => type === 'test'),
    complaint: complain({ code, signal, timedOut, timeoutMs, lines }),
    output,
    durationMs: performance.now() - startedAt,
  }
}

/** What is wrong with the file itself, apart from its tests (F2). */
function complain({ code, signal, timedOut, timeoutMs, lines }) {
  const warnings = lines.filter(({ type }) => type === 'warning').map(({ message }) => message)
  const failed = lines.some(({ outcome }) => outcome === 'fail')
  const ended = lines.at(-1)?.type === 'end'
  const last = lines.findLast(({ type }) => type === 'test')
  const where = last ? `; the last test that ended was "${last.name}"` : ''
  if (timedOut) return `it did not end within ${timeoutMs / 1_000} s${where}`
  if (signal) return `it ended by ${signal}${where}`
  if (!ended) return `it ended with code ${code} before its tests did${where}`
  if (warnings.length > 0) return warnings.join('\n')
  return code !== 0 && !failed ? `it ended with code ${code}` : undefined
}

function readLines(file) {
  if (!fs.existsSync(file)) return []
  const lines = fs.readFileSync(file, 'utf8').split('\n')
  lines.pop() // Empty, or half a line of a process that was killed.
  return lines.map((line) => JSON.parse(line))
}

function endGroup(pid) {
  try {
    process.kill(-pid, 'SIGKILL')
  } catch {
    // None of the group is left.
  }
}
