/** Schedules on a board outside the store, a real one: posted once by several conductors, and run. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { flow } from '../../src/flow/flow.ts'
import { task } from '../../src/flow/task.ts'
import { eventually } from '../support/eventually.ts'
import { freshStore } from '../support/stores.ts'
import { freshChroot, zookeeper } from '../support/zookeeper.ts'
import { connectedTo } from './fixtures.ts'

const SOON = { withinMs: 30_000 }
const ran = task('ran', { execute: () => undefined })
const running = flow('running', {}, [ran])

describe('schedules on a board in ZooKeeper', () => {
  for (const kind of ['sqlite', 'postgres'] as const) {
    it(`tick once each, whichever of the conductors posts them, over ${kind}`, async (t) => {
      const server = await zookeeper()
      if ('missing' in server) return t.skip(server.missing)
      const store = await freshStore(t, kind)
      if (store === null) return
      const { url: board } = await freshChroot(t)
      const zag = await connectedTo(t, store, { board })
      for (const name of ['blue', 'green']) {
        await connectedTo(t, store, { board, conductor: { tasks: running, name } })
      }
      const delayed = await zag.post(running, {}, { delay: '1s' })
      const at = new Date((await store.now()) + 1500)
      const later = await zag.post(running, {}, { at })
      const schedules = []
      for (const name of ['a', 'b', 'c']) {
        schedules.push(await zag.schedule(name, { flow: running, every: '1s', overlap: 'queue' }))
      }
      for (const schedule of schedules) {
        const jobs = await eventually(async () => {
          const found = await schedule.jobs(100)
          return found.filter(({ job }) => job.state === 'COMPLETE').length >= 4 ? found : undefined
        }, SOON)
        const ticks = jobs.map(({ job }) => job.scheduledFor ?? 0).toReversed()
        const { anchorAt } = await schedule.status()
        assert.deepEqual(
          ticks,
          ticks.map((_, index) => anchorAt + (index + 1) * 1000),
        )
      }
      for (const job of [delayed, later]) await job.outcome()
      const details = await later.details()
      assert.ok((details.flow.startedAt ?? 0) >= at.getTime(), 'a delay is never short')
    })
  }
})
