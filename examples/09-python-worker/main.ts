/**
 * One flow, two languages: a worker in Python counts words, one in TypeScript judges the count, and the conductor neither knows nor
 * cares. Needs RabbitMQ and a Python with pika: `node main.js amqp://localhost python3`.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { connect, flow, from, task, z } from 'zagflow'
import { Worker } from 'zagflow/worker'

const [broker = 'amqp://localhost', python = 'python3', namespace = 'zagflow'] =
  process.argv.slice(2)

// What the task takes and gives is all that a flow has to know of it: the body is in worker.py.
const count = task('text.count', {
  requires: { text: z.string() },
  provides: { words: z.int() },
  topic: 'texts',
  execute() {
    throw new Error('only workers of the topic "texts" run this')
  },
})

const judge = task('text.judge', {
  requires: { words: z.int() },
  provides: { verdict: z.string() },
  execute: ({ words }) => ({
    verdict: words > 5 ? `${words} words: long` : `${words} words: short`,
  }),
})

const review = flow(
  'review',
  { input: { text: z.string() }, output: { verdict: from('verdict') } },
  [count, judge],
)

const program = fileURLToPath(new URL('./worker.py', import.meta.url))
const folder = await mkdtemp(path.join(os.tmpdir(), 'zagflow-python-'))
const zagflow = await connect({
  persistence: `sqlite:${path.join(folder, 'zagflow.db')}`,
  broker,
  namespace,
  conductor: {},
})
const worker = new Worker({ broker, namespace, tasks: [judge] })
await worker.start()
const child = spawn(python, [program, broker, namespace, 'texts'], {
  stdio: ['ignore', 'inherit', 'inherit'],
})

for (const text of ['The quick brown fox jumps over the lazy dog', 'So it goes']) {
  const job = await zagflow.post(review, { text })
  for await (const { kind, name, state } of job.watch()) {
    if (kind === 'task' && state === 'SUCCESS') console.log(`${state} ${name}`)
  }
  console.log(await job.result())
}

child.kill()
await once(child, 'exit')
await worker.stop()
await zagflow.close()
await rm(folder, { recursive: true })
