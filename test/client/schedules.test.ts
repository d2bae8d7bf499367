import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { TestContext } from 'node:test'
import { z } from 'zod'
import type { Clock } from '../../src/base/clock.ts'
import {
  ConflictError,
  InvalidFlowError,
  InvalidInputError,
  NotFoundError,
  UsageError,
} from '../../src/base/errors.ts'
import { realClock } from '../../src/base/clock.ts'
import type { Zagflow } from '../../src/client/zagflow.ts'
import { flow } from '../../src/flow/flow.ts'
import { task } from '../../src/flow/task.ts'
import { MemoryBoard } from '../../jobboard/memory.ts'
import type { JobBoard } from '../../jobboard/jobboard.ts'
import { SqlBoard } from '../../jobboard/sql.ts'
import type { Claim, Store } from '../../persistence/store.ts'
import { eventually } from '../support/eventually.ts'
import { behind, freshStore, STORES } from '../support/stores.ts'
import { connectedTo } from './fixtures.ts'

const SOON = { withinMs: 15_000 }
const MINUTE = 60_000

const say = task('say', {
  requires: { what: z.string() },
  provides: { said: z.string() },
  execute: ({ what }) => ({ said: what }),
})
const saying = flow('saying', { input: { what: z.string() } }, [say])

/** A flow whose jobs end when they are let go. */
function gated() {
  const waiting: (() => void)[] = []
  const wait = task('wait', {
    execute: () => new Promise<void>((resolve) => void waiting.push(resolve)),
  })
  const letGo = (): void => {
    for (const one of waiting.splice(0)) one()
  }
  return { waits: flow('waits', {}, [wait]), wait, waiting, letGo }
}

const BOARDS = {
  'in the store': (store: Store): JobBoard<Claim> => new SqlBoard<Claim>({ store }),
  'outside the store': (): JobBoard<Claim> => new MemoryBoard(),
}

for (const kind of STORES) {
  describe(`schedules in ${kind}`, () => {
    const connectOn = async (t: TestContext, options: Parameters<typeof connectedTo>[2] = {}) => {
      const store = await freshStore(t, kind)
      return store === null ? null : connectedTo(t, store, options)
    }

    for (const [where, boardOn] of Object.entries(BOARDS)) {
      it(`post each tick once, with its time, key, label and input, on a board ${where}`, async (t) => {
        const store = await freshStore(t, kind)
        if (store === null) return
        const board = boardOn(store)
        const zag = await connectedTo(t, store, { board, conductor: { tasks: saying } })
        const schedule = await zag.schedule('talk', {
          flow: saying,
          input: { what: '${{ tick.at }}' },
          every: '1s',
          labels: { team: 'a' },
          priority: 5,
        })
        assert.equal(schedule.outcome, 'added')
        const jobs = await eventually(async () => {
          const found = await schedule.jobs()
          const done = found.filter(({ job }) => job.state === 'COMPLETE')
          return done.length >= 3 ? done : undefined
        }, SOON)
        await schedule.pause()
        const { anchorAt, posted, missed, skipped } = await schedule.status()
        for (const { job, detail } of jobs) {
          const tick = job.scheduledFor ?? 0
          assert.equal((tick - anchorAt) % 1000, 0, 'nothing drifts')
          assert.ok(job.createdAt >= tick, 'never early')
          assert.deepEqual(detail.input, { what: new Date(tick).toISOString() })
          assert.equal(job.key, `schedule:talk:${new Date(tick).toISOString()}`)
          assert.deepEqual(job.labels, { schedule: 'talk', team: 'a' })
          assert.equal(job.postedBy, 'schedule talk')
          assert.equal(job.priority, 5)
        }
        const ticks = (await schedule.jobs(1000)).map(({ job }) => job.scheduledFor ?? 0)
        assert.equal(new Set(ticks).size, ticks.length)
        assert.equal(posted, ticks.length)
        // Each since the start was posted, or is counted as given up.
        const upTo = (Math.max(...ticks) - anchorAt) / 1000
        const givenUp = upTo - ticks.length
        assert.ok(givenUp >= 0 && givenUp <= missed + skipped, `${givenUp} of ${upTo}`)
      })
    }

    it('stay as they are when they are given again, and change when something is different', async (t) => {
      const zag = await connectOn(t)
      if (zag === null) return
      const options = { flow: saying, input: { what: 'a' }, cron: '0 3 * * *' } as const
      const before = await (await zag.schedule('one', options)).status()
      assert.equal((await zag.schedule('one', options)).outcome, 'same')
      assert.deepEqual(await (await zag.schedule('one')).status(), before)
      const changed = await zag.schedule('one', { ...options, zone: 'Asia/Tokyo' })
      assert.equal(changed.outcome, 'changed')
      const after = await changed.status()
      assert.equal(new Date(after.nextAt ?? 0).toISOString().slice(11, 16), '18:00')
      assert.equal(after.createdAt, before.createdAt)
      await assert.rejects(zag.schedule('one', { ...options, replace: false }), ConflictError)
    })

    it('tell what is wrong with them before anything is stored', async (t) => {
      const zag = await connectOn(t)
      if (zag === null) return
      const refused = async (
        options: unknown,
        error: new (...args: never[]) => Error,
        said: RegExp,
        name = 'it',
      ): Promise<void> => {
        await assert.rejects(zag.schedule(name, options as { flow: 'x' }), (found) => {
          assert.ok(found instanceof error, String(found))
          assert.match(found.message, said)
          return true
        })
      }
      const input = { what: 'x' }
      const cron = '* * * * *'
      await refused({ flow: saying, input, cron: '0 0 30 2 *' }, InvalidInputError, /never fire/)
      await refused({ flow: saying, input, cron, wen: 1 }, UsageError, /has no option "wen"/)
      await refused({ flow: saying, cron }, InvalidInputError, /what: missing/)
      const wrong = { what: '${{ tick.epochMs }}' }
      await refused(
        { flow: saying, input: wrong, cron },
        InvalidInputError,
        /what: wrong type; expected a text/,
      )
      await refused({ flow: 'saing', input, cron }, NotFoundError, /no registered flow "saing"/)
      await refused(
        { flow: { flow: 'x', linear: [{ task: 'none' }] }, cron },
        InvalidFlowError,
        /none/,
      )
      await refused({ flow: saying, input, cron }, UsageError, /the name of the schedule/, 'a b')
      await zag.schedule('nightly', { flow: saying, input, cron })
      await assert.rejects(zag.schedule('nigthly'), /no schedule "nigthly"; did you mean "nightly"/)
      assert.deepEqual(
        (await zag.schedules()).map(({ name }) => name),
        ['nightly'],
      )
    })

    it('do not tick while they are paused; what they missed is said by catchUp', async (t) => {
      const zag = await connectOn(t, { conductor: { tasks: saying } })
      if (zag === null) return
      const made = async (name: string, catchUp: 'none' | 'last' | 'all') => {
        return zag.schedule(name, { flow: saying, input: { what: name }, every: '1s', catchUp })
      }
      const all = [await made('none', 'none'), await made('last', 'last'), await made('all', 'all')]
      for (const one of all) {
        await eventually(async () => (await one.jobs()).length > 0, SOON)
        await one.pause()
        await one.pause()
      }
      // The first tick of each that was missed.
      const from = await Promise.all(all.map(async (one) => (await one.status()).nextAt ?? 0))
      const counts = async () => Promise.all(all.map(async (one) => (await one.jobs(1000)).length))
      const before = await counts()
      await eventually(async () => (await zag.store.now()) > Math.max(...from) + 3500, SOON)
      assert.deepEqual(await counts(), before, 'nothing was posted meanwhile')
      assert.deepEqual(
        (await zag.schedules()).map(({ state }) => state),
        ['paused', 'paused', 'paused'],
      )
      const resumedAt = await zag.store.now()
      for (const one of all) await one.resume()
      await eventually(async () => {
        const found = await Promise.all(all.map((one) => one.jobs(1000)))
        return found.every((jobs) => (jobs[0]?.job.scheduledFor ?? 0) > resumedAt + 500)
      }, SOON)
      const [none, last, every] = await Promise.all(
        all.map(async (one, at) => {
          const jobs = await one.jobs(1000)
          const ticks = jobs.map(({ job }) => job.scheduledFor ?? 0)
          return ticks.filter((tick) => tick >= (from[at] ?? 0) && tick < resumedAt).length
        }),
      )
      assert.equal(none, 0)
      assert.ok((last ?? 9) <= 1)
      assert.ok((every ?? 0) >= 2)
      assert.ok((await (await zag.schedule('none')).status()).missed >= 3)
    })

    it('make up for a long time without any conductor as catchUp says', async (t) => {
      const store = await freshStore(t, kind)
      if (store === null) return
      const zag = await connectedTo(t, store)
      const spec = { flow: saying, input: { what: 'x' }, every: '1m' } as const
      await zag.schedule('none', { ...spec, catchUp: 'none' })
      await zag.schedule('last', { ...spec, catchUp: 'last' })
      await zag.schedule('three', { ...spec, catchUp: 'all', maxCatchUp: 3 })
      const now = await store.now()
      // As if nobody had looked for an hour, and the next tick were half a minute away.
      const nextAt = now - 60 * MINUTE + 30_000
      for (const one of await store.schedules('main')) {
        await store.changeSchedule(one, { nextAt, dueAt: nextAt, anchorAt: nextAt - MINUTE })
      }
      await connectedTo(t, store, { conductor: { tasks: saying } })
      const done = await eventually(async () => {
        const all = await zag.schedules()
        return all.every(({ missed }) => missed > 0) ? all : undefined
      }, SOON)
      assert.deepEqual(
        done.map(({ name, posted, missed }) => [name, posted, missed]),
        [
          ['last', 1, 59],
          ['none', 0, 60],
          ['three', 3, 57],
        ],
      )
      assert.ok(done.every((one) => one.nextAt === nextAt + 60 * MINUTE))
    })

    it('skip ticks while the last job has not ended, and count them', async (t) => {
      const { waits, waiting, letGo } = gated()
      t.after(letGo)
      const zag = await connectOn(t, { conductor: { tasks: waits } })
      if (zag === null) return
      const schedule = await zag.schedule('one', { flow: waits, every: '1s', overlap: 'skip' })
      const skipped = await eventually(async () => {
        const status = await schedule.status()
        return status.skipped >= 2 ? status : undefined
      }, SOON)
      assert.equal(skipped.posted, 1)
      await eventually(() => waiting.length === 1, SOON)
      letGo()
      await eventually(() => waiting.length === 1, SOON)
      assert.equal((await schedule.status()).posted, 2)
    })

    it('queue ticks, and post them in order as the last job ends', async (t) => {
      const { waits, waiting, letGo } = gated()
      t.after(letGo)
      const zag = await connectOn(t, { conductor: { tasks: waits } })
      if (zag === null) return
      const options = { flow: waits, every: '1s', overlap: 'queue', maxQueued: 2 } as const
      const schedule = await zag.schedule('one', options)
      const full = await eventually(async () => {
        const status = await schedule.status()
        return status.skipped >= 1 ? status : undefined
      }, SOON)
      assert.equal(full.posted, 1)
      assert.equal(full.queued.length, 2)
      await schedule.pause()
      await eventually(() => waiting.length === 1, SOON)
      letGo()
      await schedule.resume()
      await eventually(() => waiting.length === 1, SOON)
      letGo()
      await eventually(async () => (await schedule.status()).posted === 3, SOON)
      const jobs = (await schedule.jobs(100)).toReversed()
      const [first, second, third] = jobs.map(({ job }) => job)
      assert.deepEqual([second?.scheduledFor, third?.scheduledFor], full.queued)
      assert.ok((second?.createdAt ?? 0) >= (first?.endedAt ?? Infinity), 'one after the other')
      assert.ok((third?.createdAt ?? 0) >= (second?.endedAt ?? Infinity))
    })

    it('whose flow cannot be posted keep their tick, say why, and hold up no other', async (t) => {
      const zag = await connectOn(t, { conductor: { tasks: saying } })
      if (zag === null) return
      await zag.register(saying)
      const options = { flow: 'saying', input: { what: 'x' }, every: '1s' } as const
      const stuck = await zag.schedule('a-stuck', options)
      await zag.register({ flow: 'saying', linear: [{ task: 'nobody.has.it' }] })
      const fine = await zag.schedule('fine', { ...options, flow: 'saying@1' })
      const status = await eventually(async () => {
        const found = await stuck.status()
        return found.problem === null ? undefined : found
      }, SOON)
      assert.match(status.problem ?? '', /nobody\.has\.it/)
      assert.ok((status.dueAt ?? 0) > (status.nextAt ?? Infinity), 'it is tried again later')
      await eventually(async () => (await fine.jobs()).length >= 2, SOON)
      await zag.register(saying)
      const before = (await stuck.jobs()).length
      await stuck.reset()
      await eventually(async () => (await stuck.jobs()).length > before, SOON)
      assert.equal((await stuck.status()).problem, null)
    })

    it('post the newest version of a registered flow', async (t) => {
      const zag = await connectOn(t, { conductor: { tasks: saying } })
      if (zag === null) return
      await zag.register(saying)
      const input = { what: 'x' }
      const schedule = await zag.schedule('one', { flow: 'saying', input, every: '1s' })
      await eventually(async () => (await schedule.jobs()).length > 0, SOON)
      const newer = flow('saying', { input: { what: z.string() }, labels: { v: '2' } }, [say])
      await zag.register(newer)
      const labelled = await eventually(async () => {
        return (await schedule.jobs()).find(({ job }) => job.labels['v'] === '2')
      }, SOON)
      assert.equal((await schedule.status()).document, labelled.detail.document)
    })

    it('post what nobody here knows the tasks of, as it was resolved when it was added', async (t) => {
      const store = await freshStore(t, kind)
      if (store === null) return
      const zag = await connectedTo(t, store)
      await zag.schedule('one', { flow: saying, input: { what: 'x' }, every: '1s' })
      // A conductor of other tasks.
      await connectedTo(t, store, { conductor: { tasks: gated().waits } })
      const schedule = await zag.schedule('one')
      await eventually(async () => (await schedule.jobs()).length > 0, SOON)
    })

    it('begin anew when they are reset, and end when they are removed; their jobs stay', async (t) => {
      const zag = await connectOn(t)
      if (zag === null) return
      const input = { what: 'x' }
      const schedule = await zag.schedule('one', { flow: saying, input, every: '1h' })
      const { board, name, revision } = await schedule.status()
      const queued = [1000, 2000]
      await zag.store.changeSchedule({ board, name, revision }, { nextAt: 1, dueAt: 1, queued })
      await schedule.reset()
      const { nextAt, dueAt, queued: left } = await schedule.status()
      const now = await zag.store.now()
      assert.ok(nextAt !== null && Math.abs(nextAt - now - 60 * MINUTE) < MINUTE)
      assert.deepEqual([dueAt, left], [nextAt, []])
      assert.equal(await schedule.remove(), true)
      assert.equal(await schedule.remove(), false)
      await assert.rejects(schedule.status(), NotFoundError)
      await assert.rejects(schedule.pause(), NotFoundError)
    })

    it('of a group are made true: added, changed, removed; those of others are not touched', async (t) => {
      const zag = await connectOn(t)
      if (zag === null) return
      const one = { flow: saying, input: { what: 'x' }, cron: '@daily' }
      await zag.schedule('mine', one)
      const first = await zag.syncSchedules('g', { a: one, b: one, c: one })
      assert.deepEqual(
        first.steps.map(({ name, does }) => [name, does]),
        [
          ['a', 'added'],
          ['b', 'added'],
          ['c', 'added'],
        ],
      )
      const wanted = { a: one, b: { ...one, cron: '@hourly' }, d: one }
      const plan = await zag.syncSchedules('g', wanted, { dryRun: true })
      const names = async () => (await zag.schedules()).map(({ name }) => name)
      assert.deepEqual(await names(), ['a', 'b', 'c', 'mine'], 'that was a plan')
      assert.deepEqual(await zag.syncSchedules('g', wanted), plan)
      assert.deepEqual(
        plan.steps.map(({ name, does }) => [name, does]),
        [
          ['a', 'same'],
          ['b', 'changed'],
          ['c', 'removed'],
          ['d', 'added'],
        ],
      )
      assert.deepEqual(await names(), ['a', 'b', 'd', 'mine'])
      await assert.rejects(zag.syncSchedules('g', { a: one, mine: one }), /belongs to no group/)
      const never = { ...one, cron: '0 0 30 2 *' }
      await assert.rejects(zag.syncSchedules('g', { e: one, f: never }), /never fire/)
      assert.deepEqual(await names(), ['a', 'b', 'd', 'mine'], 'all or nothing is checked before')
      await assert.rejects(zag.schedule('a', one), /belongs to the group "g"/)
    })

    it('that are due at once, a thousand of them, are posted quickly', async (t) => {
      const store = await freshStore(t, kind)
      if (store === null) return
      const zag = await connectedTo(t, store)
      const count = 1000
      const now = await store.now()
      await inLanes(count, async (at) => {
        const name = `s${at}`
        await zag.schedule(name, { flow: saying, input: { what: name }, every: '1h' })
        const due = { nextAt: now, dueAt: now, anchorAt: now - 60 * MINUTE }
        await store.changeSchedule({ board: 'main', name, revision: 1 }, due)
      })
      // No task of theirs: what is measured is posting.
      let rounds = 0
      const counted = behind(store, (method) => void (method === 'stepSchedules' && rounds++))
      const started = performance.now()
      await connectedTo(t, counted, { conductor: { tasks: gated().waits } })
      await eventually(
        async () => {
          const { due } = await store.dueSchedules('main', 1)
          return due.length === 0
        },
        { withinMs: 150_000 },
      )
      const tookMs = performance.now() - started
      const all = await zag.schedules()
      assert.ok(all.every(({ posted }) => posted === 1))
      t.diagnostic(
        `${count} ticks were posted within ${Math.round(tookMs)} ms of the start of a conductor`,
      )
      // Hundreds go together; what a round of them takes is the machine's.
      assert.ok(rounds <= 20, `${rounds} rounds`)
      assert.ok(tookMs < 120_000, `${tookMs} ms`)
    })
  })
}

/** Does it so often, ten at a time. */
async function inLanes(count: number, run: (at: number) => Promise<void>): Promise<void> {
  let next = 0
  const lane = async (): Promise<void> => {
    while (next < count) await run(next++)
  }
  await Promise.all(Array.from({ length: 10 }, lane))
}

describe('the clock of the database', () => {
  for (const aheadMs of [-3_600_000, 3_600_000]) {
    it(`says what is due, though that of the machine is ${aheadMs / 3_600_000} h wrong`, async (t) => {
      const store = await freshStore(t, 'postgres')
      if (store === null) return
      const clock: Clock = {
        now: () => realClock.now() + aheadMs,
        setTimer: (fire, atMs) => realClock.setTimer(fire, atMs - aheadMs),
      }
      const zag: Zagflow = await connectedTo(t, store, { clock, conductor: { tasks: saying } })
      const schedule = await zag.schedule('one', {
        flow: saying,
        input: { what: 'x' },
        every: '1s',
      })
      const jobs = await eventually(async () => {
        const found = await schedule.jobs()
        return found.length >= 3 ? found : undefined
      }, SOON)
      for (const { job } of jobs) {
        const late = job.createdAt - (job.scheduledFor ?? 0)
        assert.ok(late >= 0 && late < 60_000, `${late} ms late`)
      }
    })
  }
})
