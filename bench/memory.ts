/**
 * Memory of a claimed flow that waits for its tasks: the slope between 1,000 and 10,000 flows of 10 tasks in one conductor,
 * half of them with one running task (a chain), half with ten (a fan-out). Each round is a process of its own.
 *
 * The jobs are in a SQLite file, so that what is weighed is the conductor and not its store.
 */
import { spawnSync } from 'node:child_process'
import fs from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { openStore } from '../persistence/open.ts'
import { waitingFlows, weighWaiting } from './load/waiting-flows.ts'
import { postJobs } from './load/durable-flows.ts'
import { alternate } from './measure/rounds.ts'
import { goalText, printTable, spreadText, verdict } from './measure/table.ts'

const FEW = 1_000
const MANY = 10_000
const GOAL = { atMost: 20 }
const KINDS = ['chain', 'fan-out'] as const

const [kind, file] = process.argv.slice(2)
if (kind === 'chain' || kind === 'fan-out') {
  const bytes = await weighWaiting({ kind, url: `sqlite:${file}`, few: FEW, many: MANY })
  console.log(JSON.stringify(bytes))
  process.exit() // the tasks hang for good
}

const folder = await fs.mkdtemp(path.join(os.tmpdir(), 'zagflow-bench-'))
try {
  for (const name of KINDS) await post(name)
  const figures = await alternate(
    { chain: () => weigh('chain'), 'fan-out': () => weigh('fan-out') },
    { warmUps: 0 },
  )
  console.log(`kB of heap for each waiting flow of 10 tasks: slope from ${FEW} to ${MANY} flows\n`)
  printTable(
    ['flow', 'tasks that run', 'kB a flow', 'goal', ''],
    KINDS.map((name) => [
      name,
      name === 'chain' ? '1' : '10',
      spreadText(figures[name]),
      goalText(GOAL),
      verdict(figures[name], GOAL),
    ]),
  )
} finally {
  await fs.rm(folder, { recursive: true, force: true })
}

async function post(name: (typeof KINDS)[number]): Promise<void> {
  const store = openStore(`sqlite:${path.join(folder, name)}`, { synchronous: 'NORMAL' })
  await store.start()
  await postJobs(store, waitingFlows(name), MANY)
  await store.stop()
}

/** In a process of its own, on a copy of the posted jobs. */
async function weigh(name: (typeof KINDS)[number]): Promise<number> {
  const copy = path.join(folder, 'copy')
  await fs.copyFile(path.join(folder, name), copy)
  const { stdout, status } = spawnSync(
    process.execPath,
    ['--expose-gc', fileURLToPath(import.meta.url), name, copy],
    { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] },
  )
  for (const suffix of ['', '-wal', '-shm']) await fs.rm(copy + suffix, { force: true })
  if (status !== 0) throw new Error(`weighing ${name} ended with ${status}`)
  return Number(stdout) / 1000
}
