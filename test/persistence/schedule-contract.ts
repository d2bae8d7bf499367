/** What every store does for schedules: a part of the suite in `store-contract.ts`. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { uuidV7 } from '../../src/base/ids.ts'
import {
  tickKey,
  type NewSchedule,
  type ScheduleRecord,
  type ScheduleStep,
} from '../../persistence/schedule-store.ts'
import type { PostRequest, Store } from '../../persistence/store.ts'
import { changeOf, claim, postOf } from './fixtures.ts'
import type { OpenBench } from './store-bench.ts'

const MINUTE = 60_000

export function describeSchedules(open: OpenBench): void {
  describe('schedules', () => {
    it('keep everything that they were given, and begin with nothing posted', async (t) => {
      const { store } = await open(t)
      const given = newSchedule('nightly', {
        group: 'billing',
        spec: {
          cron: '0 2 * * *',
          zone: 'Europe/Berlin',
          input: { day: '${{ tick.date }}', nasty: `'); DROP TABLE schedules;-- ? $1 "` },
          overlap: 'queue',
          maxQueued: 3,
          labels: { team: 'é' },
        },
        reference: 'report@2',
        nextAt: 1_900_000_000_000,
        dueAt: 1_900_000_000_000,
      })
      const before = await store.now()
      const added = await store.addSchedule(given, [{ hash: 'a document', body: { flow: 'x' } }])
      assert.ok(added !== null)
      const { createdAt, updatedAt, revision, ...rest } = added
      assert.deepEqual(rest, {
        ...given,
        missedBefore: null,
        lastTickAt: null,
        lastJobId: null,
        queued: [],
        posted: 0,
        skipped: 0,
        missed: 0,
        problem: null,
      })
      assert.equal(revision, 1)
      assert.ok(createdAt >= before && createdAt === updatedAt)
      assert.deepEqual(await store.schedule('main', 'nightly'), added)
      assert.deepEqual(await store.document('a document'), { flow: 'x' })
      assert.equal(await store.schedule('other', 'nightly'), null)
    })

    it('have a name once on each board, whoever adds it at the same time', async (t) => {
      const bench = await open(t)
      const stores = [bench.store, await bench.another()]
      const added = await Promise.all(
        Array.from({ length: 8 }, (_, at) =>
          (stores[at % 2] ?? bench.store).addSchedule(
            newSchedule('one', { hash: `hash ${at}` }),
            [],
          ),
        ),
      )
      assert.equal(added.filter((one) => one !== null).length, 1)
      assert.ok(
        (await bench.store.addSchedule(newSchedule('one', { board: 'other' }), [])) !== null,
      )
    })

    it('are listed by name, or those of a group', async (t) => {
      const { store } = await open(t)
      for (const name of ['b', 'a-2', 'a', 'B']) {
        await store.addSchedule(newSchedule(name, { group: name === 'a' ? 'g' : null }), [])
      }
      const names = (list: readonly ScheduleRecord[]) => list.map(({ name }) => name)
      assert.deepEqual(names(await store.schedules('main')), ['B', 'a', 'a-2', 'b'])
      assert.deepEqual(names(await store.schedules('main', 'g')), ['a'])
      assert.deepEqual(names(await store.schedules('other')), [])
    })

    it('are changed from the revision that was read, and from no other (C1)', async (t) => {
      const bench = await open(t)
      const { store } = bench
      const first = await add(store, 'one')
      const changes = Array.from({ length: 6 }, async (_, at) => {
        const own = at % 2 === 0 ? store : await bench.another()
        return own.changeSchedule(place(first), { paused: true, missed: at, queued: [at, 5] })
      })
      const won = (await Promise.all(changes)).filter((one) => one !== null)
      assert.equal(won.length, 1)
      const [changed] = won
      assert.equal(changed?.revision, 2)
      assert.equal(changed?.paused, true)
      assert.deepEqual(changed?.queued, [changed?.missed, 5])
      assert.deepEqual(await store.schedule('main', 'one'), changed)
      const kept = await store.changeSchedule(place(changed), { queued: [] }, [
        { hash: 'kept', body: [1] },
      ])
      assert.deepEqual(kept?.queued, [])
      assert.deepEqual(await store.document('kept'), [1])
      assert.equal(await store.changeSchedule({ ...place(first), name: 'none' }, {}), null)
    })

    it('are removed, if they are as they were read; their jobs stay', async (t) => {
      const { store } = await open(t)
      const one = await add(store, 'one', { dueAt: 1, nextAt: 1 })
      await store.stepSchedules('main', [stepOf(one, [1000])])
      assert.equal(await store.removeSchedule('main', 'one', one.revision), false)
      assert.equal(await store.removeSchedule('main', 'one', one.revision + 1), true)
      assert.equal(await store.removeSchedule('main', 'one'), false)
      assert.equal(await store.schedule('main', 'one'), null)
      assert.equal((await store.scheduleJobs('main', 'one', 5)).length, 1)
    })

    it('are due by the clock of the database, the longest due first, but for those that are paused or over', async (t) => {
      const { store } = await open(t)
      const now = await store.now()
      await add(store, 'late', { dueAt: now - MINUTE })
      await add(store, 'later', { dueAt: now - 2 * MINUTE })
      await add(store, 'soon', { dueAt: now + MINUTE, nextAt: now + MINUTE })
      await add(store, 'paused', { dueAt: null, nextAt: now - MINUTE, paused: true })
      await add(store, 'over', { dueAt: null, nextAt: null })
      await add(store, 'elsewhere', { board: 'other', dueAt: now - MINUTE })
      const found = await store.dueSchedules('main', 10)
      assert.deepEqual(
        found.due.map(({ schedule }) => schedule.name),
        ['later', 'late'],
      )
      assert.ok(found.now >= now)
      assert.equal(found.nextAt, now - 2 * MINUTE)
      assert.equal(found.waits, false)
      assert.equal((await store.dueSchedules('main', 1)).due.length, 1)
      const none = await store.dueSchedules('nowhere', 10)
      assert.deepEqual({ ...none, now: 0 }, { now: 0, due: [], nextAt: null, waits: false })
    })

    it('say when the next one is due, though none is yet', async (t) => {
      const { store } = await open(t)
      const soon = (await store.now()) + MINUTE
      await add(store, 'soon', { dueAt: soon })
      const { due, nextAt } = await store.dueSchedules('main', 10)
      assert.deepEqual([due, nextAt], [[], soon])
    })

    it('whose ticks wait are given once their last job has ended, unless they have a problem', async (t) => {
      const { store } = await open(t)
      const one = await add(store, 'one', { dueAt: 1, nextAt: 1 })
      const step = stepOf(one, [1000])
      const [jobs] = await store.stepSchedules('main', [
        { ...step, change: { ...step.change, queued: [2000] } },
      ])
      const [job] = jobs ?? []
      assert.equal((await store.schedule('main', 'one'))?.lastJobId, job?.id)
      const waiting = await store.dueSchedules('main', 10)
      assert.deepEqual([waiting.due, waiting.waits], [[], true])
      const claimed = await claim(store)
      assert.equal(claimed.jobId, job?.id)
      await store.commit([changeOf(claimed, { mailRead: 0, job: { state: 'COMPLETE' } })])
      const { due } = await store.dueSchedules('main', 10)
      assert.deepEqual(
        due.map(({ schedule, isBusy }) => [schedule.name, isBusy, schedule.queued]),
        [['one', false, [2000]]],
      )
      const there = await read(store, 'one')
      await store.changeSchedule(place(there), { problem: 'no such flow' })
      assert.deepEqual((await store.dueSchedules('main', 10)).due, [])
    })

    it('say of a due one whether its last job still runs', async (t) => {
      const { store } = await open(t)
      const one = await add(store, 'one', { dueAt: 1, nextAt: 1 })
      const step = stepOf(one, [1000])
      await store.stepSchedules('main', [{ ...step, change: { ...step.change, dueAt: 2 } }])
      const { due } = await store.dueSchedules('main', 10)
      assert.equal(due[0]?.isBusy, true)
    })

    it('take a step and post its jobs together, with keys that sort by their ticks (C2, C3)', async (t) => {
      const { store } = await open(t)
      const one = await add(store, 'one', { dueAt: 1, nextAt: 1 })
      const two = await add(store, 'one-2', { dueAt: 1, nextAt: 1 })
      const steps = [stepOf(one, [9000, 10_000]), stepOf(two, [9000])]
      const taken = await store.stepSchedules('main', steps)
      assert.deepEqual(
        taken.map((jobs) =>
          jobs?.map(({ key, state, scheduledFor }) => [key, state, scheduledFor]),
        ),
        [
          [
            ['schedule:one:1970-01-01T00:00:09.000Z', 'UNCLAIMED', 9000],
            ['schedule:one:1970-01-01T00:00:10.000Z', 'UNCLAIMED', 10_000],
          ],
          [['schedule:one-2:1970-01-01T00:00:09.000Z', 'UNCLAIMED', 9000]],
        ],
      )
      const there = await read(store, 'one')
      assert.deepEqual([there.posted, there.nextAt, there.revision], [2, 11_000, 2])
      const newest = await store.scheduleJobs('main', 'one', 5)
      assert.deepEqual(
        newest.map(({ job, detail }) => [job.scheduledFor, detail.input]),
        [
          [10_000, { at: 10_000 }],
          [9000, { at: 9000 }],
        ],
      )
      assert.equal((await store.scheduleJobs('main', 'one', 1)).length, 1)
    })

    it('take a step once, however many take it at the same time: each tick has one job', async (t) => {
      const bench = await open(t)
      const stores = [bench.store, await bench.another(), await bench.another()]
      for (let round = 0; round < 5; round += 1) {
        const names = Array.from({ length: 10 }, (_, at) => `s${round}-${at}`)
        for (const name of names) await add(bench.store, name, { dueAt: 1, nextAt: 1 })
        // All have read before one steps: who reads what another's step has left would rightly take the next.
        const records = await Promise.all(names.map((name) => read(bench.store, name)))
        const steps = records.map((record) => stepOf(record, [1000 * round + 1]))
        const takers = Array.from({ length: 6 }, (_, at) => {
          const store = stores[at % 3] ?? bench.store
          return store.stepSchedules('main', at % 2 === 0 ? steps : steps.toReversed())
        })
        const taken = (await Promise.all(takers)).flat()
        const jobs = taken.flatMap((one) => one ?? [])
        assert.equal(jobs.length, 10)
        assert.equal(new Set(jobs.map(({ key }) => key)).size, 10)
        for (const name of names) assert.equal((await read(bench.store, name)).posted, 1)
      }
    })

    it('take no step that was decided before they were paused, changed or removed', async (t) => {
      const { store } = await open(t)
      const [one, two, three] = [
        await add(store, 'a'),
        await add(store, 'b'),
        await add(store, 'c'),
      ]
      await store.changeSchedule(place(one), { paused: true })
      await store.changeSchedule(place(two), { nextAt: 7 })
      await store.removeSchedule('main', 'c')
      const steps = [one, two, three].map((record) => stepOf(record, [1000]))
      assert.deepEqual(await store.stepSchedules('main', steps), [null, null, null])
      assert.deepEqual((await store.findJobs({})).jobs, [])
    })

    it('post a tick that has its job already as that job, whatever is in it', async (t) => {
      const { store } = await open(t)
      const { job } = await store.post(tickPost('one', 1000, { input: { by: 'hand' } }))
      const one = await add(store, 'one')
      const [jobs] = await store.stepSchedules('main', [stepOf(one, [1000])])
      assert.deepEqual(
        jobs?.map(({ id }) => id),
        [job.id],
      )
      assert.equal((await store.findJobs({})).jobs.length, 1)
    })

    it('post for boards outside the store as POSTING', async (t) => {
      const { store } = await open(t)
      const one = await add(store, 'one')
      const step = stepOf(one, [1000])
      const posts = step.posts.map((post) => ({ ...post, state: 'POSTING' as const }))
      const [jobs] = await store.stepSchedules('main', [{ ...step, posts }])
      assert.equal(jobs?.[0]?.state, 'POSTING')
    })

    it('post all of a step or nothing: what the database refuses leaves the schedule as it was', async (t) => {
      const { store } = await open(t)
      const [one, two] = [await add(store, 'one'), await add(store, 'two')]
      const step = stepOf(one, [1000, 2000])
      const [good, bad] = step.posts
      assert.ok(good !== undefined && bad !== undefined)
      const refused = { ...bad, postedBy: 'half a pair \ud800' }
      await assert.rejects(
        store.stepSchedules('main', [stepOf(two, [1000]), { ...step, posts: [good, refused] }]),
      )
      assert.deepEqual(await read(store, 'one'), one)
      assert.deepEqual(await read(store, 'two'), two)
      assert.deepEqual((await store.findJobs({})).jobs, [])
    })

    it('tell who listens in this process that they were changed', async (t) => {
      const { store } = await open(t)
      const told: string[] = []
      store.onHint((hint) => void (hint.kind === 'schedule' && told.push(hint.board)))
      const one = await add(store, 'one')
      await store.changeSchedule(place(one), { paused: true })
      assert.deepEqual(told, ['main', 'main'])
    })

    it('keep their documents from being pruned', async (t) => {
      const { store } = await open(t)
      await store.addSchedule(newSchedule('one', { source: 'the source', document: 'the doc' }), [
        { hash: 'the source', body: 1 },
        { hash: 'the doc', body: 2 },
      ])
      await store.prune({ olderThanMs: 0 })
      assert.equal(await store.document('the source'), 1)
      assert.equal(await store.document('the doc'), 2)
    })
  })
}

/** A schedule with everything that it needs; `over` wins. */
export function newSchedule(name: string, over: Partial<NewSchedule> = {}): NewSchedule {
  return {
    board: 'main',
    name,
    group: null,
    spec: { every: '1s' },
    hash: `hash of ${name}`,
    flow: 'checkout',
    reference: null,
    source: 's',
    document: 'd',
    paused: false,
    anchorAt: 0,
    nextAt: 1,
    dueAt: null,
    ...over,
  }
}

async function add(
  store: Store,
  name: string,
  over: Partial<NewSchedule> = {},
): Promise<ScheduleRecord> {
  const added = await store.addSchedule(newSchedule(name, over), [])
  assert.ok(added !== null)
  return added
}

async function read(store: Store, name: string): Promise<ScheduleRecord> {
  const found = await store.schedule('main', name)
  assert.ok(found !== null)
  return found
}

function place({ board, name, revision }: ScheduleRecord) {
  return { board, name, revision }
}

function tickPost(name: string, tick: number, over: Partial<PostRequest> = {}): PostRequest {
  return postOf({
    id: uuidV7(),
    key: tickKey(name, tick),
    scheduledFor: tick,
    input: { at: tick },
    ...over,
  })
}

function stepOf(schedule: ScheduleRecord, ticks: readonly number[]): ScheduleStep {
  const posts = ticks.map((tick) => tickPost(schedule.name, tick))
  return {
    name: schedule.name,
    revision: schedule.revision,
    change: {
      nextAt: (ticks.at(-1) ?? 0) + 1000,
      dueAt: null,
      lastTickAt: ticks.at(-1) ?? null,
      lastJobId: posts.at(-1)?.id ?? null,
      posted: schedule.posted + ticks.length,
    },
    posts,
  }
}
