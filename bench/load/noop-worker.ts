/** A worker process whose tasks do nothing. */
import { Worker } from '../../src/worker/index.ts'
import { noop } from './durable-flows.ts'

const [broker = '', namespace = '', concurrency = '100'] = process.argv.slice(2)
const worker = new Worker({ broker, namespace, tasks: noop, concurrency: Number(concurrency) })
await worker.start()
process.send?.('ready')
