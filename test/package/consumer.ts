/**
 * A user's program, to be compiled against the published types and run with the published code: see
 * `scripts/check-package.mjs`. It greets, durably, in a SQLite file of its working folder.
 */
import { flow, from, run, task, z } from 'zagflow'
import type { Outcome } from 'zagflow'
import * as engines from 'zagflow/engines'
import * as jobboard from 'zagflow/jobboard'
import { openStore } from 'zagflow/persistence'
import * as testing from 'zagflow/testing'
import * as worker from 'zagflow/worker'

const greet = task('greet', {
  requires: { who: z.string() },
  provides: { greeting: z.string() },
  execute({ who }) {
    return { greeting: `Hello, ${who}` }
  },
})

const shout = task('shout', {
  requires: { greeting: z.string() },
  provides: { shouted: z.string() },
  execute({ greeting }) {
    return { shouted: greeting.toUpperCase() }
  },
})

const hello = flow(
  'hello',
  { version: 1, input: { who: z.string() }, output: { text: from('shouted') } },
  [greet, shout],
)

const store = openStore('sqlite:consumer.db')
await store.start()
const outcome: Outcome<{ readonly text: string }> = await run(hello, { who: 'world' }, { store })
await store.stop()

// @ts-expect-error: the types are not `any`, so an input of the wrong type does not compile.
const refused = () => run(hello, { who: 1 })

const entries = [engines, jobboard, testing, worker].map((entry) => Object.keys(entry).length)
if (entries.includes(0) || typeof refused !== 'function') throw new Error('an entry is empty')
process.stdout.write(`${outcome.state === 'SUCCESS' ? outcome.output.text : outcome.state}\n`)
