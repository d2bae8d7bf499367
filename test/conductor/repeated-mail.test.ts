/** Mail that is sent again under its key, once the first was taken: what workers say repeatedly, operators too. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { eventually } from '../support/eventually.ts'
import { linear, task } from '../support/flows.ts'
import { freshStore, STORES } from '../support/stores.ts'
import { ended, Gate, postFlow, startConductor } from './fixtures.ts'

const SOON = { withinMs: 30_000 }

for (const kind of STORES) {
  test(`${kind}: mail that comes again under the same key is taken again, so that the next one can still wake its flow`, async (t) => {
    const store = await freshStore(t, kind)
    if (store === null) return
    const gate = new Gate()
    await startConductor(t, store, { tasks: { gate: gate.task() } })
    const { id } = await postFlow(store, linear('f', [task('a', { task: 'gate' })]))
    await eventually(() => gate.entered.length === 1, SOON)
    const ask = { key: 'ask:a', kind: 'reply', body: { type: 'ask' } } as const
    for (let times = 1; times <= 3; times++) {
      assert.equal(await store.mail(id, ask), 'accepted', `time ${times}`)
      await eventually(async () => (await store.mailOf(id)).mail.length === 0, SOON)
    }
    gate.open()
    assert.equal((await ended(store, id, SOON)).detail.state, 'SUCCESS')
  })
}
