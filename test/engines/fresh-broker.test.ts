/** What an operator reads when conductors start on a broker that nobody has used. */
import assert from 'node:assert/strict'
import test from 'node:test'
import { WorkerBasedEngine } from '../../engines/worker-based.ts'
import { MemoryStore } from '../../persistence/memory.ts'
import { Broker } from '../../src/amqp/broker.ts'
import { silentLogger, type LogFields, type Logger } from '../../src/base/logger.ts'
import { eventually } from '../support/eventually.ts'
import { freshNamespace, rabbitmq } from '../support/rabbitmq.ts'

test('conductors that start together on a new broker warn of nothing, whether they are connected before or after', async (t) => {
  const server = await rabbitmq()
  if ('missing' in server) return t.skip(server.missing)
  const { url, namespace } = await freshNamespace(t)
  const said: string[] = []
  const keep = (fields: LogFields, message: string): void => {
    said.push(`${message} ${fields['error'] instanceof Error ? fields['error'].message : ''}`)
  }
  const logger: Logger = { ...silentLogger, warn: keep, error: keep, child: () => logger }
  const store = new MemoryStore()
  await store.start()
  const engines = await Promise.all(
    ['before', 'after', 'before'].map(async (when, at) => {
      const link = new Broker({ urls: url, namespace, logger })
      const engine = new WorkerBasedEngine({ link, store, board: 'main', logger })
      t.after(async () => {
        await engine.stop()
        await link.stop()
      })
      if (when === 'before') await link.start()
      await engine.start({ conductor: `c${at}` })
      if (when === 'after') await link.start()
      return { engine, link }
    }),
  )
  await eventually(() => engines.every(({ engine }) => engine.status().epoch > 0))
  for (const { engine, link } of engines) {
    await eventually(async () => (await link.lookAt(engine.replyTo))?.consumers === 1)
  }
  assert.deepEqual(said, [])
  assert.equal((await store.broker(namespace)).epoch, 2)
})
