/** The same scenarios with their tasks in another process, behind RabbitMQ. */
import assert from 'node:assert/strict'
import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { WorkerBasedEngine } from '../../engines/worker-based.ts'
import { openStore } from '../../persistence/index.ts'
import type { Store } from '../../persistence/store.ts'
import { Broker } from '../../src/amqp/broker.ts'
import { silentLogger } from '../../src/base/logger.ts'
import { CleanUps } from '../support/clean-up.ts'
import { freshDatabase, postgres } from '../support/postgres.ts'
import { freshNamespace, rabbitmq } from '../support/rabbitmq.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { everyScenario } from './every-scenario.ts'
import { play } from './scenario.ts'

const PROGRAM = fileURLToPath(new URL('./worker-program.js', import.meta.url))

for (const kind of ['sqlite', 'postgres'] as const) {
  describe(`over workers, on ${kind}`, () => {
    const cleanUps = new CleanUps()
    let missing: string | undefined
    let store: Store
    let engine: WorkerBasedEngine
    let worker: ChildProcess

    before(async () => {
      const servers = [await rabbitmq(), ...(kind === 'postgres' ? [await postgres()] : [])]
      for (const server of servers) if ('missing' in server) missing ??= server.missing
      if (missing !== undefined) return
      store = openStore(
        kind === 'postgres'
          ? await freshDatabase(cleanUps)
          : `sqlite:${await temporaryFolder(cleanUps)}/zagflow.db`,
      )
      cleanUps.after(() => store.stop())
      await store.migrate()
      await store.start()
      const { url, namespace } = await freshNamespace(cleanUps)
      worker = fork(PROGRAM, [url, namespace])
      cleanUps.after(() => worker.kill('SIGKILL'))
      await nextWord(worker)
      const link = new Broker({
        urls: url,
        namespace,
        connectionName: 'conformance',
        logger: silentLogger,
      })
      cleanUps.after(() => link.stop())
      await link.start()
      engine = new WorkerBasedEngine({ link, store, board: 'main', graceMs: 200 })
      cleanUps.after(() => engine.stop())
      await engine.start()
    })
    after(() => cleanUps.run())

    for (const [number, scenario] of everyScenario.entries()) {
      if (scenario.only === 'serial') continue
      it(`${scenario.id}: ${scenario.title}`, async (t) => {
        if (missing !== undefined) return t.skip(missing)
        worker.send(number)
        assert.equal(await nextWord(worker), number)
        await play(scenario, { engine, store })
      })
    }
  })
}

/** What the process says next; throws when it ended instead. */
async function nextWord(worker: ChildProcess): Promise<unknown> {
  const over = new AbortController()
  try {
    const message = once(worker, 'message', { signal: over.signal })
    const exit = once(worker, 'exit', { signal: over.signal }).then(() => {
      throw new Error('the process of workers ended')
    })
    message.catch(() => undefined)
    exit.catch(() => undefined)
    const [word] = (await Promise.race([message, exit])) as [unknown]
    return word
  } finally {
    over.abort()
  }
}
