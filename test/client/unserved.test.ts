import assert from 'node:assert/strict'
import test from 'node:test'
import { MemoryStore } from '../../persistence/memory.ts'
import { eventually } from '../support/eventually.ts'
import { leakCheck } from '../support/leak-check.ts'
import { quickest } from '../support/quickest.ts'
import { connectedTo, keepingLogger, Workshop, type LogLine } from './fixtures.ts'

const WITHIN = { withinMs: 15_000 }

test('a job that no living conductor serves says so, with the command to start one', async (t) => {
  leakCheck(t)
  const lines: LogLine[] = []
  const zag = await connectedTo(t, new MemoryStore(), { logger: keepingLogger(lines) })
  const { order } = new Workshop()
  const job = await zag.post(order, { sku: 'A1' })
  await zag.post(order, { sku: 'B2' })
  await eventually(() => lines.length > 0, WITHIN)
  assert.equal(lines.length, 1, 'once, however many jobs wait')
  assert.equal(lines[0]?.level, 'warn')
  assert.match(lines[0]?.message ?? '', /no conductor serves the board "main".*zagflow conductor/)
  assert.equal(lines[0]?.fields['job'], job.id)
})

test('tasks that no living conductor has are named', async (t) => {
  leakCheck(t)
  const lines: LogLine[] = []
  const store = new MemoryStore()
  const { order, reserve } = new Workshop()
  await connectedTo(t, store, { conductor: { tasks: [reserve] } })
  const zag = await connectedTo(t, store, { logger: keepingLogger(lines) })
  await zag.post(order, { sku: 'A1' })
  const line = await eventually(
    () => lines.find(({ message }) => message.includes('no conductor that lives')),
    WITHIN,
  )
  assert.match(line.message, /has the task ship, so the job waits/)
  assert.deepEqual(line.fields['missing'], ['ship'])
})

test('a job that is served in time is not talked about', async (t) => {
  leakCheck(t)
  const { order, tasks } = new Workshop()
  let lines: LogLine[] = []
  let loud: LogLine[] = []
  // It is served within two seconds, so a second before it would be talked about.
  await quickest(2000, async () => {
    lines = []
    loud = []
    const store = new MemoryStore()
    const silent = await connectedTo(t, store, { logger: keepingLogger(lines) })
    const forgotten = await connectedTo(t, store, {
      logger: keepingLogger(loud),
      board: 'sql:forgotten',
    })
    const at = performance.now()
    const job = await silent.post(order, { sku: 'A1' })
    await forgotten.post(order, { sku: 'A1' })
    await connectedTo(t, store, { conductor: { tasks } })
    await job.result()
    return performance.now() - at
  })
  // The other connection's warning shows that the time has come.
  await eventually(() => loud.length > 0, WITHIN)
  assert.match(loud[0]?.message ?? '', /--board sql:forgotten/)
  assert.deepEqual(lines, [])
})
