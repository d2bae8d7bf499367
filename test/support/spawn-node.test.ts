import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import test from 'node:test'
import type { TestContext } from 'node:test'
import { EndedByHand } from './ended-by-hand.ts'
import { spawnNode } from './spawn-node.ts'
import { temporaryFolder } from './temporary-folder.ts'

async function program(t: TestContext, text: string): Promise<string> {
  const file = path.join(await temporaryFolder(t), 'program.mjs')
  fs.writeFileSync(file, text)
  return file
}

test('arguments and environment reach the process, and its end and output come back', async (t) => {
  const file = await program(
    t,
    'console.log(process.argv[2], process.env.COLOUR, process.env.NODE_TEST_CONTEXT); console.error("talk"); process.exit(3)',
  )
  const child = spawnNode(t, file, ['first'], { COLOUR: 'green' })
  assert.deepEqual(await child.ended, { code: 3, signal: null })
  assert.equal(child.stdout(), 'first green undefined\n')
  assert.equal(child.stderr(), 'talk\n')
})

test('prints() waits for a line of a process that goes on running', async (t) => {
  const file = await program(
    t,
    'setTimeout(() => console.log("ready on 7"), 50); setInterval(() => {}, 1000)',
  )
  const child = spawnNode(t, file)
  assert.match(await child.prints(/ready on \d/), /ready on 7/)
  assert.equal(child.kill('SIGTERM'), true)
  assert.deepEqual(await child.ended, { code: null, signal: 'SIGTERM' })
  assert.equal(child.kill(), false)
})

test('prints() fails with what was printed instead, if the process ends before', async (t) => {
  const file = await program(t, 'console.error("no such file")')
  await assert.rejects(spawnNode(t, file).prints('ready'), /ended before .*ready[^]*no such file/)
})

test('ends() waits for the end; of a process that goes on it tells what it printed, and does not wait for ever', async (t) => {
  const file = await program(
    t,
    'console.log("up"); process.once("SIGTERM", () => console.log("no")); setInterval(() => {}, 1000)',
  )
  const child = spawnNode(t, file)
  await child.prints('up')
  child.kill('SIGTERM')
  await child.prints('no')
  await assert.rejects(child.ends({ withinMs: 50 }), /expected it to end[^]*up\nno/)
  child.kill('SIGTERM')
  assert.deepEqual(await child.ends(), { code: null, signal: 'SIGTERM' })
})

test('a process that still runs is killed after its test', async (t) => {
  const file = await program(t, 'console.log("up"); setInterval(() => {}, 1000)')
  const inner = new EndedByHand()
  const child = spawnNode(inner, file)
  await child.prints('up')
  await inner.end()
  assert.deepEqual(await child.ended, { code: null, signal: 'SIGKILL' })
})
