/** A process with the tasks of one scenario after the other: told its number, it serves that one and says so. */
import { Broker } from '../../src/amqp/broker.ts'
import { silentLogger } from '../../src/base/logger.ts'
import { Worker } from '../../src/worker/index.ts'
import { TaskRegistry } from '../../src/worker/registry.ts'
import { everyScenario } from './every-scenario.ts'

const [urls = '', namespace = ''] = process.argv.slice(2)
const link = new Broker({ urls, namespace, connectionName: 'scenarios', logger: silentLogger })
await link.start()
let worker: Worker | undefined
let serving = Promise.resolve()

async function serve(number: number): Promise<void> {
  await worker?.stop({ graceMs: 1000 })
  const flow = everyScenario[number]?.flow()
  const tasks = TaskRegistry.of(flow)
  worker = undefined
  // Some flows are empty.
  if (tasks.tasks.length > 0) {
    worker = new Worker({ broker: link, namespace, tasks, concurrency: 8 })
    await worker.start()
  }
  process.send?.(number)
}

process.on('message', (number: number) => {
  serving = serving.then(() => serve(number))
})
process.on('disconnect', () => process.exit())
process.send?.('ready')
