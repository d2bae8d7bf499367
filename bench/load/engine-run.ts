import { ParallelEngine } from '../../engines/parallel.ts'
import { MemoryStore } from '../../persistence/memory.ts'
import { realClock } from '../../src/base/clock.ts'
import { silentLogger } from '../../src/base/logger.ts'
import { RUN_BOARD, runLocally } from '../../src/client/local-run.ts'
import { postRequest } from '../../src/posting/post-request.ts'
import { linear } from '../../src/flow/composition.ts'
import type { Plan } from '../../src/flow/compile.ts'
import { TaskRegistry } from '../../src/worker/registry.ts'
import { noop } from './shapes.ts'

/**
 * What `run()` does with a flow whose document was checked and compiled before: posted to a store in memory, claimed, driven
 * to its end. Throws if it does not succeed.
 */
export async function runPlan(plan: Plan): Promise<void> {
  const { document, hash } = plan
  const store = new MemoryStore({ clock: realClock })
  const engine = new ParallelEngine({ tasks: TaskRegistry.of(noop) })
  const prepared = {
    source: linear(document.flow, [noop]).document, // stored, and read by nobody
    sourceHash: hash,
    document,
    documentHash: hash,
  }
  const { job } = await store.post(
    postRequest(prepared, {}, { board: RUN_BOARD, state: 'POSTING' }),
  )
  await engine.start()
  const end = await runLocally({
    store,
    jobId: job.id,
    plan,
    engine,
    clock: realClock,
    logger: silentLogger,
    isShared: false,
    onAbort: 'cancel',
  })
  await engine.stop({ graceMs: 0 })
  if (end.kind !== 'ended' || end.state !== 'SUCCESS') throw new Error(`it ended: ${end.kind}`)
}
