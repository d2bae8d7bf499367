/**
 * A worker in a process of its own, with the tasks of `worker-tasks.ts`. Argument: {@link WorkerProgramOptions} as JSON. It prints
 * `ready` when it serves and `done` when a stop has ended in order. SIGTERM stops it, a second one at once.
 */
import { fileURLToPath } from 'node:url'
import type { BrokerLink } from '../../src/amqp/broker-link.ts'
import { Broker } from '../../src/amqp/broker.ts'
import { callKeyText } from '../../src/protocol/call-key.ts'
import { readControl } from '../../src/protocol/wire.ts'
import { Worker } from '../../src/worker/worker.ts'
import type { Place } from './fleet.ts'
import { writeLine } from './ledger.ts'
import { stderrLogger } from './stderr-logger.ts'

export const WORKER_PROGRAM = fileURLToPath(new URL('./worker-program.js', import.meta.url))

export interface WorkerProgramOptions {
  readonly place: Place
  readonly ledger: string
  /** Modules of tasks, as URLs. @default those of `worker-tasks.ts` */
  readonly modules?: readonly string[]
  readonly topics?: readonly string[]
  readonly concurrency?: number
  readonly graceMs?: number
  readonly soloProcesses?: number
  /** Logs of warnings and errors, to stderr. */
  readonly logs?: boolean
}

async function main(options: WorkerProgramOptions): Promise<void> {
  const { place, ledger, concurrency, graceMs, soloProcesses, topics } = options
  const { modules = [new URL('./worker-tasks.js', import.meta.url).href] } = options
  process.env['ZAGFLOW_TEST_WORKER'] = String(process.pid) // for the processes that it starts
  const logger = options.logs === true ? { logger: stderrLogger } : {}
  const { url, namespace } = place
  const link = new Broker({
    urls: url,
    namespace,
    connectionName: `worker ${process.pid}`,
    ...logger,
  })
  await link.start()
  const worker = new Worker({
    broker: noting(link, ledger),
    modules,
    topics,
    concurrency,
    graceMs,
    soloProcesses,
    ...logger,
  })
  let stopping: Promise<void> | null = null
  process.on('SIGTERM', () => {
    const stopped = worker.stop()
    stopping ??= stopped
      .then(() => link.stop())
      .then(() => void process.stdout.write('done\n'))
      .then(() => process.exit(0))
  })
  await worker.start()
  process.stdout.write('ready\n')
}

/** The same link; copies that this worker is told to forget are written down. */
function noting(link: BrokerLink, ledger: string): BrokerLink {
  const consume: BrokerLink['consume'] = (queue, options, onDelivery) =>
    link.consume(queue, options, (delivery) => {
      if (delivery.type === 'drop') {
        const read = readControl(delivery)
        const calls = read.ok && read.message.type === 'drop' ? read.message.calls : []
        for (const call of calls) {
          const key = callKeyText(call)
          writeLine(ledger, { what: 'refused', pid: process.pid, job: call.jobId, key })
        }
      }
      onDelivery(delivery)
    })
  return new Proxy(link, {
    get(target, name): unknown {
      if (name === 'consume') return consume
      const value: unknown = Reflect.get(target, name, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}

const given = process.argv[2]
if (given !== undefined && process.argv[1] === WORKER_PROGRAM) {
  await main(JSON.parse(given) as WorkerProgramOptions)
}
