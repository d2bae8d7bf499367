/**
 * A program that runs a flow durably, for tests that kill it: `node killed-run.js DATABASE JOURNAL [LAST]`. After step LAST none ends, so that
 * whoever kills it may take its time.
 */
import fs from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { run } from '../../src/client/run.ts'
import { flow } from '../../src/flow/flow.ts'
import { task } from '../../src/flow/task.ts'
import { openStore } from '../../persistence/open.ts'
import { z } from 'zod'

const [url = '', journal = '', last = '9'] = process.argv.slice(2)

const step = task('step', {
  requires: { n: z.int() },
  execute: async ({ n }, { idempotencyKey }) => {
    fs.appendFileSync(journal, `begin ${n} ${idempotencyKey}\n`)
    await sleep(n > Number(last) ? 600_000 : 15)
    fs.appendFileSync(journal, `end ${n} ${idempotencyKey}\n`)
  },
})
const steps = flow(
  'steps',
  {},
  [0, 1, 2, 3, 4, 5, 6, 7, 8, 9].map((n) => step.as(`s${n}`).with({ n })) as never,
)

const store = openStore(url)
await store.start()
const outcome = await run(steps as never, {} as never, {
  store,
  key: 'the run',
  onEvent: ({ kind, name, state }) => {
    if (kind === 'task' && state === 'SUCCESS') process.stdout.write(`committed ${name}\n`)
  },
})
await store.stop()
process.stdout.write(`ended ${outcome.state}\n`)
