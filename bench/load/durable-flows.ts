/** Flows of no-op tasks through everything that a service has: posted jobs, a conductor with its engine, a database. */
import type { Engine } from '../../engines/engine.ts'
import { ParallelEngine } from '../../engines/parallel.ts'
import { SqlBoard } from '../../jobboard/sql.ts'
import type { Claim, Store } from '../../persistence/store.ts'
import { postRequest } from '../../src/posting/post-request.ts'
import { prepare } from '../../src/posting/prepare.ts'
import { Conductor } from '../../src/conductor/index.ts'
import { task } from '../../src/flow/task.ts'
import { linear } from '../../src/flow/composition.ts'
import type { Runnable } from '../../src/flow/runnable.ts'
import { TaskRegistry } from '../../src/worker/registry.ts'

const TASKS = 10
/** The task of all flows here. */
export const noop = task('noop', { execute: async () => undefined })

/** A chain of ten no-op tasks, each waiting for the one before. */
export const chainOfTen: Runnable = linear(
  'ten',
  Array.from({ length: TASKS }, (_, at) => noop.as(`task-${at}`)),
)

/** A chain of so many no-op tasks. */
export function chainOf(tasks: number): Runnable {
  return linear(
    'chain',
    Array.from({ length: tasks }, (_, at) => noop.as(`task-${at}`)),
  )
}

/** Posts so many jobs, some side by side. */
export async function postJobs(store: Store, flow: Runnable, jobs: number): Promise<void> {
  const prepared = prepare(flow.document, TaskRegistry.of(flow).signatures())
  let left = jobs
  const post = async (): Promise<void> => {
    while (left-- > 0) {
      await store.post(postRequest(prepared, {}, { board: 'main', state: 'UNCLAIMED' }))
    }
  }
  await Promise.all(Array.from({ length: store.kind === 'postgres' ? 8 : 1 }, post))
}

/** Runs all posted jobs with one conductor. Resolves with the wall time in ms from its start to the last end. */
export async function runJobs(
  store: Store,
  flow: Runnable,
  options: {
    readonly jobs: number
    readonly maxFlows: number
    /** @default one in this process */
    readonly engine?: Engine | undefined
  },
): Promise<number> {
  const { engine, maxFlows } = options
  const registry = TaskRegistry.of(flow)
  let left = options.jobs
  let allEnded = (): void => {}
  let failed: (error: Error) => void = () => {}
  const over = new Promise<void>((resolve, reject) => {
    allEnded = resolve
    failed = reject
  })
  const conductor = new Conductor({
    store,
    board: new SqlBoard<Claim>({ store }),
    engine: engine ?? new ParallelEngine({ tasks: registry, concurrency: maxFlows }),
    registry: engine === undefined ? registry : undefined,
    maxFlows,
    onJob: (event) => {
      if (event.kind === 'completed' && event.state === 'SUCCESS' && --left === 0) allEnded()
      else if (event.kind === 'trashed' || event.kind === 'lost') failed(new Error(event.reason))
    },
  })
  const startedAt = performance.now()
  await conductor.start()
  try {
    await over
    return performance.now() - startedAt
  } finally {
    await conductor.stop({ graceMs: 1000 })
  }
}
