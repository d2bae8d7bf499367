import { setImmediate as turn } from 'node:timers/promises'
import { ParallelEngine } from '../../engines/parallel.ts'
import { SqlBoard } from '../../jobboard/sql.ts'
import { openStore } from '../../persistence/open.ts'
import type { Claim } from '../../persistence/store.ts'
import { Conductor } from '../../src/conductor/index.ts'
import { linear, unordered } from '../../src/flow/composition.ts'
import type { Runnable } from '../../src/flow/runnable.ts'
import { task } from '../../src/flow/task.ts'
import { TaskRegistry } from '../../src/worker/registry.ts'

let running = 0

/** Waits for ever. */
const hang = task('hang', {
  execute: () => {
    running++
    return new Promise<undefined>(() => {})
  },
})

/** Flows of ten tasks that hang: one of a chain, all of a fan-out. */
export function waitingFlows(kind: 'chain' | 'fan-out'): Runnable {
  const nodes = Array.from({ length: 10 }, (_, at) => hang.as(`task-${at}`))
  return kind === 'chain' ? linear('waiting', nodes) : unordered('waiting', nodes)
}

/** Bytes of heap that each flow costs from the `few`th to the `many`th. The conductor goes on until the process ends. */
export async function weighWaiting(options: {
  readonly kind: 'chain' | 'fan-out'
  readonly url: string
  readonly few: number
  readonly many: number
}): Promise<number> {
  const { kind, url, few, many } = options
  const flow = waitingFlows(kind)
  const tasksOfEach = kind === 'chain' ? 1 : 10
  const store = openStore(url, { synchronous: 'NORMAL' })
  await store.start()
  const registry = TaskRegistry.of(flow)
  const conduct = async (flows: number): Promise<void> => {
    const before = running
    const conductor = new Conductor({
      store,
      board: new SqlBoard<Claim>({ store }),
      engine: new ParallelEngine({ tasks: registry, concurrency: flows * tasksOfEach }),
      registry,
      maxFlows: flows,
      leaseMs: 600_000,
    })
    await conductor.start()
    while (running < before + flows * tasksOfEach) {
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }
  await conduct(few)
  const atFew = await heapUsed()
  await conduct(many - few)
  return ((await heapUsed()) - atFew) / (many - few)
}

/** Once what can be collected is. */
async function heapUsed(): Promise<number> {
  if (globalThis.gc === undefined) throw new Error('run it with --expose-gc')
  for (let times = 0; times < 4; times++) {
    await turn()
    globalThis.gc()
  }
  return process.memoryUsage().heapUsed
}
