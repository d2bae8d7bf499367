/**
 * The story in three acts: the pipeline runs to its end; it is killed in the middle and goes on; a task fails and everything
 * is taken back. `npm run demo` starts this.
 */
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import knex from 'knex'

const main = fileURLToPath(new URL('./main.js', import.meta.url))
const folder = process.argv[2] ?? (await mkdtemp(path.join(os.tmpdir(), 'zagflow-demo-')))

/** Runs the program; `kill` kills it (SIGKILL) when a line says so. */
function start(name: string, args: readonly string[], kill?: string): Promise<number | null> {
  const child = spawn(process.execPath, [main, path.join(folder, name), ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  child.stdout.setEncoding('utf8')
  child.stdout.on('data', (text: string) => {
    process.stdout.write(text.replace(/^(?=.)/gm, '  '))
    if (kill !== undefined && text.includes(kill)) child.kill('SIGKILL')
  })
  return new Promise((resolve) => child.on('close', resolve))
}

/** Rows in the warehouse of an act. */
async function loadedRows(name: string): Promise<number> {
  const filename = path.join(folder, name, 'warehouse.db')
  const db = knex({ client: 'sqlite3', connection: { filename }, useNullAsDefault: true })
  try {
    const [row] = await db('means').count({ rows: '*' })
    return Number(row?.['rows'])
  } finally {
    await db.destroy()
  }
}

const expect = (holds: boolean, what: string) => {
  console.log(`  ${holds ? '✓' : '✗'} ${what}\n`)
  if (!holds) process.exitCode = 1
}

console.log('1. A flow over real data: posted, claimed, run, checkpointed to SQLite\n')
const first = await start('first', [])
const rows = await loadedRows('first')
expect(first === 0 && rows > 0, `the flow ended in SUCCESS; ${rows} rows are in the warehouse`)

console.log('2. The same, killed in the middle (kill -9), and started again\n')
await start('second', ['--step-ms', '400'], 'RUNNING    pipeline.load')
console.log('  --- killed; started again ---')
const second = await start('second', ['--step-ms', '400'])
const again = await loadedRows('second')
expect(
  second === 0 && again === rows,
  `it went on where it was, and loaded ${again} rows, none twice`,
)

console.log('3. The report fails: everything is reverted, step by step\n')
const third = await start('third', ['--fail-report'])
const left = await loadedRows('third')
const isGone = !existsSync(path.join(folder, 'third', 'report.html'))
expect(
  third === 1 && left === 0 && isGone,
  `the flow ended REVERTED; ${left} rows are left, and no report`,
)

console.log(`The report: ${path.join(folder, 'first', 'report.html')}`)
