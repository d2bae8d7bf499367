/**
 * Kills the process that runs a flow, starts it again, and looks at what ran: what had finished did not run again; what was
 * running did, under the same idempotency key.
 */
import { spawn } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

const folder = await mkdtemp(path.join(os.tmpdir(), 'zagflow-journey-'))
const ledger = path.join(folder, 'ledger.txt')
const program = fileURLToPath(new URL('./run.js', import.meta.url))

function start(killAt?: string): Promise<void> {
  const child = spawn(process.execPath, [program, path.join(folder, 'zagflow.db'), ledger], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  child.stdout.setEncoding('utf8')
  child.stdout.on('data', (text: string) => {
    process.stdout.write(text)
    if (killAt !== undefined && text.includes(killAt)) child.kill('SIGKILL')
  })
  return new Promise((resolve) => child.on('close', () => resolve()))
}

await start('arrive RUNNING')
console.log('--- killed ---')
await start()

const lines = (await readFile(ledger, 'utf8')).trim().split('\n')
const count = (what: string) => {
  const keys = lines
    .filter((line) => line.startsWith(what))
    .map((line) => line.replace(/^.*\//, ''))
  return [...new Set(keys)]
    .map((key) => `${key} ${keys.filter((other) => other === key).length}×`)
    .join(', ')
}
console.log(`began: ${count('begin')}`)
console.log(`ended: ${count('end')}`)
await rm(folder, { recursive: true })
