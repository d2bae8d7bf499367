/** `zagflow workers`: who runs tasks. */
import type { Context } from '../context.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { workerData, workerTable } from '../printing/workers.ts'

/** `zagflow workers` */
export async function workersCommand(context: Context): Promise<ExitCode> {
  const { terminal } = context
  const store = await context.sharedStore()
  const workers = await store.processes({ kind: 'worker' })
  const now = await store.now()
  if (terminal.json) {
    terminal.data({ workers: workers.map(workerData) })
    return EXIT.done
  }
  if (workers.length > 0) {
    terminal.print(workerTable(workers, now, terminal))
    return EXIT.done
  }
  terminal.say('No worker is known.')
  const conductors = await store.processes({ kind: 'conductor' })
  terminal.say(
    conductors.length === 0
      ? 'Conductors keep what workers announce, and none lives: zagflow conductor'
      : 'Start one: zagflow worker --tasks ./tasks.ts',
  )
  return EXIT.done
}
