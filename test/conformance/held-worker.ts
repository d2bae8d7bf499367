/** A worker in a process of its own, to be killed: its task `long` says its key when it begins, and ends when it is told to. */
import { once } from 'node:events'
import { task } from '../../src/index.ts'
import { Worker } from '../../src/worker/index.ts'

const [broker = '', namespace = ''] = process.argv.slice(2)
const long = task('long', {
  async execute(_, context) {
    process.send?.(context.idempotencyKey)
    await once(process, 'message')
  },
})
const worker = new Worker({ broker, namespace, tasks: long })
await worker.start()
process.on('disconnect', () => process.exit())
process.send?.('ready')
