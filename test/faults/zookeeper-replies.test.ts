/**
 * The answers to posts, claims and consumptions on ZooKeeper are lost, hundreds of times: one job for each key, none waits longer
 * than five seconds, none ends twice.
 */
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { connect } from '../../src/client/connect.ts'
import type { Zagflow } from '../../src/client/zagflow.ts'
import { flow, task, z } from '../../src/index.ts'
import { silentLogger } from '../../src/base/logger.ts'
import { eventually } from '../support/eventually.ts'
import { lastFirst } from '../support/last-first.ts'
import { Random } from '../support/random.ts'
import { watchStandstills } from '../support/standstill.ts'
import { freshUrl, storeAt } from '../support/stores.ts'
import { freshChroot, zookeeper } from '../support/zookeeper.ts'
import { zookeeperProxy, type ZookeeperOperation } from '../support/zookeeper-proxy.ts'
import { beginAudit } from './audit.ts'

const PAIRS = Number(process.env['ZAGFLOW_TEST_PAIRS'] ?? 300)
const SEED = Number(process.env['ZAGFLOW_TEST_FIRST_SEED'] ?? 1)
const IDLE_MS = 5000
const OPEN = 16
/** Until so many answers were lost. */
const WITHIN_MS = 400_000

const step = task('step', { provides: { done: z.boolean() }, execute: () => ({ done: true }) })
const steps = flow('steps', { input: { n: z.int() } }, [step])

/** What a request is, by its kind and, for a transaction, its first step. */
const KINDS: { readonly [kind: string]: readonly [ZookeeperOperation, ZookeeperOperation?] } = {
  create: ['create'],
  claim: ['transaction', 'set'],
  consume: ['transaction', 'remove'],
}

for (const [kind, [wanted, wantedFirst]] of Object.entries(KINDS)) {
  test(`the answer to ${kind} is lost for ${PAIRS} jobs: one job for each key, none idle for ${IDLE_MS / 1000} s, none ends twice`, async (t) => {
    const url = await freshUrl(t, 'postgres')
    if (url === null) return
    const available = await zookeeper()
    if ('missing' in available) return t.skip(available.missing)
    const store = await storeAt(t, url)
    // Conductors and posters are all in this process.
    const still = watchStandstills(t)
    const waitedMs = (from: number, to: number): number =>
      to - from - still.between(from - performance.timeOrigin, to - performance.timeOrigin)
    const audit = await beginAudit(t, url)
    const servers = await freshChroot(t)
    const [server] = servers.hosts
    assert.ok(server)
    const random = new Random(SEED)
    const proxy = await zookeeperProxy(lastFirst(t), server)
    const through = (port: number) => `zookeeper://127.0.0.1:${port}${servers.chroot}?session=4s`
    const isPost = kind === 'create'
    const open = (port: number, isConductor: boolean): Promise<Zagflow> =>
      opened(t, {
        persistence: url,
        board: through(port),
        logger: silentLogger,
        environment: {},
        ...(isConductor ? { conductor: { tasks: steps, pollMs: 50 } } : {}),
      })
    // Who has lost an answer leaves the board alone for a moment: so there are several that lose some.
    const posters = await several(isPost ? 8 : 1, () =>
      open(isPost ? proxy.port : server.port, false),
    )
    await several(isPost ? 2 : 6, () => open(isPost ? server.port : proxy.port, true))
    proxy.lose((operation, first) => {
      if (operation !== wanted || first !== wantedFirst) return null
      return random.chance(isPost ? 0.7 : 0.5) ? 'reply' : null
    })

    const ids: string[] = []
    const until = performance.now() + WITHIN_MS
    const post = async (poster: Zagflow): Promise<void> => {
      while (proxy.losses < PAIRS && performance.now() < until) {
        const n = ids.push('') - 1
        const job = await poster.post(steps, { n }, { key: `job ${n}` })
        ids[n] = job.id
        // Nobody who has lost an answer may be left with two jobs.
        if (n % 3 === 0) {
          const again = await poster.post(steps, { n }, { key: `job ${n}` })
          assert.equal(again.id, job.id)
        }
        await eventually(async () => (await unfinished(store)) < OPEN, {
          withinMs: 60_000,
          everyMs: 20,
        })
      }
    }
    await Promise.all(posters.map(post))
    assert.ok(proxy.losses >= PAIRS, `only ${proxy.losses} answers were lost`)
    await eventually(async () => (await unfinished(store)) === 0, { withinMs: 30_000 })
    proxy.lose(undefined)

    assert.equal(new Set(ids).size, ids.length)
    let longest = 0
    let after: string | undefined
    let jobs = 0
    do {
      const page = await store.findJobs({ limit: 1000, after })
      for (const { job, detail } of page.jobs) {
        jobs++
        assert.equal(detail.state, 'SUCCESS')
        const times = [job.createdAt, detail.startedAt ?? Infinity, job.endedAt ?? Infinity]
        const waits = times.slice(1).map((time, at) => waitedMs(times[at] ?? 0, time))
        longest = Math.max(longest, ...waits)
      }
      after = page.next ?? undefined
    } while (after !== undefined)
    assert.equal(jobs, ids.length, 'jobs that nobody knows of')
    const rows = await audit.check([])
    t.diagnostic(
      `${proxy.losses} answers lost among ${jobs} jobs; the longest wait was ${Math.round(longest)} ms; ${rows} changes of rows`,
    )
    assert.ok(longest <= IDLE_MS, `a job was idle for ${longest} ms`)
  })
}

function several<T>(count: number, make: () => Promise<T>): Promise<readonly T[]> {
  return Promise.all(Array.from({ length: count }, make))
}

async function opened(t: TestContext, options: Parameters<typeof connect>[0]): Promise<Zagflow> {
  const zag = await connect(options)
  lastFirst(t).after(() => zag.close())
  return zag
}

async function unfinished(store: Awaited<ReturnType<typeof storeAt>>): Promise<number> {
  const { jobs } = await store.findJobs({
    states: ['POSTING', 'UNCLAIMED', 'CLAIMED', 'PARKED'],
    limit: 100,
  })
  return jobs.length
}
