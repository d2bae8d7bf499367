/** `zagflow worker`: runs tasks that conductors send through the broker, until it is told to stop. */
import { UsageError } from '../../base/errors.ts'
import type { Context } from '../context.ts'
import type { ExitCode } from '../exit-codes.ts'
import { onStopSignals } from '../stop-signals.ts'
import type { WorkerInput } from '../worker-service.ts'

export interface WorkerFlags {
  readonly topic: readonly string[]
  readonly processes?: number
}

/** `zagflow worker` */
export async function workerCommand(context: Context, flags: WorkerFlags): Promise<ExitCode> {
  const { settings, terminal } = context
  const broker = context.requireBroker('a worker needs a broker: its calls come from there')
  if (settings.tasks.length === 0) {
    throw new UsageError('a worker needs the tasks that it runs', {
      hint: 'zagflow worker --tasks ./tasks.ts',
    })
  }
  const { tasks, concurrency, name, graceMs, log } = settings
  const { urls, namespace, shown } = broker
  const topics = flags.topic.length === 0 ? ['default'] : flags.topic
  const input: WorkerInput = {
    broker: { urls, namespace, shown },
    modules: tasks,
    topics,
    concurrency,
    name,
    graceMs,
    log,
    json: terminal.json,
  }
  const { processes = 1 } = flags
  if (processes === 1) {
    const { serveWorker } = await import('../worker-service.ts')
    return serveWorker(input, terminal, onStopSignals)
  }
  const { WorkerProcesses } = await import('../worker-processes.ts')
  return new WorkerProcesses(input, processes, terminal).run()
}
