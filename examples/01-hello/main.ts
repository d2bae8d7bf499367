/** One task, one flow, run in this process: nothing to install, nothing to start. */
import { flow, from, run, task, z } from 'zagflow'

const greet = task('hello.greet', {
  requires: { name: z.string() },
  provides: { greeting: z.string() },
  execute: ({ name }) => ({ greeting: `Hello, ${name}!` }),
})

const hello = flow(
  'hello',
  { input: { name: z.string() }, output: { greeting: from('greeting') } },
  [greet],
)

const outcome = await run(hello, { name: process.argv[2] ?? 'world' })
if (outcome.state === 'SUCCESS') console.log(outcome.output.greeting)
