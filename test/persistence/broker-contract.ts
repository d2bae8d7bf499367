/** What every store does for conductors whose workers are elsewhere: a part of the suite in `store-contract.ts`. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { InvalidInputError } from '../../src/base/errors.ts'
import { uuidV7 } from '../../src/base/ids.ts'
import type { CallPlace, JobChange, Store } from '../../persistence/store.ts'
import { atomOf, beatOf, changeOf, claim, post, postOf } from './fixtures.ts'
import type { OpenBench } from './store-bench.ts'

const LONG_MS = 60_000

export function describeBrokers(open: OpenBench): void {
  describe('brokers', () => {
    it('are made when they are asked for first, each with a marker and a secret of its own', async (t) => {
      const { store } = await open(t)
      const first = await store.broker('main')
      assert.equal(first.name, 'main')
      assert.equal(first.epoch, 1)
      assert.match(first.marker, /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/)
      assert.ok(Buffer.from(first.secret, 'base64url').length >= 32, 'nobody guesses 256 bits')
      assert.deepEqual(await store.broker('main'), first)
      const other = await store.broker('other')
      assert.notEqual(other.marker, first.marker)
      assert.notEqual(other.secret, first.secret)
    })

    it('are one row for all who ask first at once: two secrets would refuse each other’s tokens', async (t) => {
      const bench = await open(t)
      const stores = [bench.store, await bench.another()]
      for (let round = 0; round < 5; round += 1) {
        const asked = Array.from({ length: 8 }, (_, at) => {
          return (stores[at % 2] ?? bench.store).broker(`b${round}`)
        })
        const answers = await Promise.all(asked)
        assert.equal(new Set(answers.map((one) => JSON.stringify(one))).size, 1)
      }
    })

    it('that lost what they held get a new marker under the next epoch, and keep their secret', async (t) => {
      const { store } = await open(t)
      const first = await store.broker('main')
      const raised = await store.raiseBroker('main', 1)
      assert.equal(raised.epoch, 2)
      assert.notEqual(raised.marker, first.marker)
      assert.equal(raised.secret, first.secret, 'tokens under way stay good')
      assert.deepEqual(await store.broker('main'), raised)
      assert.deepEqual(await store.raiseBroker('main', 1), raised, 'that loss is known already')
      assert.deepEqual(await store.raiseBroker('main', 3), raised, 'nobody has seen that epoch')
      assert.equal((await store.broker('other')).epoch, 1)
    })

    it('are raised once by all who saw the same loss: one wins, and all learn what now stands', async (t) => {
      const bench = await open(t)
      const stores = [bench.store, await bench.another()]
      await bench.store.broker('main')
      for (let epoch = 1; epoch <= 5; epoch += 1) {
        const raises = Array.from({ length: 6 }, (_, at) => {
          return (stores[at % 2] ?? bench.store).raiseBroker('main', epoch)
        })
        const answers = await Promise.all(raises)
        assert.deepEqual(new Set(answers.map((one) => one.epoch)), new Set([epoch + 1]))
        assert.equal(new Set(answers.map((one) => one.marker)).size, 1)
      }
    })

    it('make the jobs due that are parked for a task when they are raised, and no others', async (t) => {
      const { store } = await open(t)
      await store.broker('main')
      const dueAt = (await store.now()) + LONG_MS
      const waiting = [
        await parked(store, { state: 'PARKED', parkedFor: 'task' }),
        await parked(store, { state: 'PARKED', parkedFor: 'task', dueAt }),
      ]
      await parked(store, { state: 'PARKED', parkedFor: 'retry', dueAt })
      await parked(store, { state: 'PARKED', parkedFor: 'suspended' })
      await post(store, { delayMs: LONG_MS })
      await store.raiseBroker('main', 7)
      assert.deepEqual(await store.promote('main', 10), [], 'who raised nothing woke nobody')
      await store.raiseBroker('main', 1)
      const promoted = await store.promote('main', 10)
      assert.deepEqual(new Set(promoted.map(({ id }) => id)), new Set(waiting))
      assert.deepEqual(new Set(promoted.map((job) => job.parkedFor)), new Set([null]))
    })

    it('wake those, too, that were parked by somebody who had not heard of it', async (t) => {
      const { store } = await open(t)
      const dueAt = (await store.now()) + LONG_MS
      const late = await parked(store, { state: 'PARKED', parkedFor: 'task', dueAt })
      await parked(store, { state: 'PARKED', parkedFor: 'retry', dueAt })
      assert.deepEqual(await store.promote('main', 10), [])
      await store.wakeParked()
      const promoted = await store.promote('main', 10)
      assert.deepEqual(
        promoted.map(({ id }) => id),
        [late],
      )
    })

    it('have names that every database stores', async (t) => {
      const { store } = await open(t)
      await assert.rejects(store.broker('a\0b'), InvalidInputError)
      await assert.rejects(store.keepReplyQueue('x'.repeat(2_000), 'c1'), InvalidInputError)
    })
  })

  describe('calls with workers elsewhere', () => {
    it('keep their queue, their copy and their starts from commit to load, until a commit clears them', async (t) => {
      const { store } = await open(t)
      const { id, flowId } = await post(store)
      const claimed = await claim(store)
      const sent = atomOf('checkout/a', { replyTo: `it's "ns.replies.ünï"`, copy: 3, starts: 2 })
      const rows = [
        sent,
        atomOf('checkout/b', { replyTo: 'q', copy: null, starts: 0 }),
        atomOf('checkout/c', { starts: 1 }),
        atomOf('checkout/d', { copy: 0 }),
        atomOf('checkout/e'),
      ]
      await commits(store, changeOf(claimed, { atoms: rows }))
      assert.deepEqual(await store.atoms(flowId), rows)
      assert.deepEqual((await store.load([id]))[0]?.atoms.toSorted(byPath), rows)
      const cleared = atomOf('checkout/a', { state: 'SUCCESS', executeCalls: 1 })
      await commits(store, changeOf(claimed, { revision: 1, atoms: [cleared] }))
      assert.deepEqual(await store.atoms(flowId), [cleared, ...rows.slice(1)])
    })

    it('wake their job when it is parked for them and a reply comes by mail (S5)', async (t) => {
      const { store } = await open(t)
      const dueAt = (await store.now()) + LONG_MS
      for (const change of [
        { state: 'PARKED', parkedFor: 'task' },
        { state: 'PARKED', parkedFor: 'task', dueAt },
      ] as const) {
        const id = await parked(store, change)
        const reply = { key: 'reply:1', kind: 'reply', body: { type: 'result' } } as const
        assert.equal(await store.mail(id, reply), 'accepted')
        assert.deepEqual(
          (await store.promote('main', 10)).map((job) => job.id),
          [id],
        )
        await claim(store, 'c2')
        assert.deepEqual(
          (await store.readMail('c2')).filter(({ jobId }) => jobId === id).map(({ key }) => key),
          ['reply:1'],
        )
      }
    })

    it('stand as their rows say: open, answered, or of a flow that has ended', async (t) => {
      const { store } = await open(t)
      const { id, flowId } = await post(store)
      const claimed = await claim(store, 'c1')
      await commits(
        store,
        changeOf(claimed, {
          atoms: [
            atomOf('checkout/a', { executeCalls: 2, revertCalls: 1 }),
            atomOf('checkout:retry', { kind: 'retry', executeCalls: 5, revertCalls: 3 }),
          ],
        }),
      )
      const place = (over: Partial<CallPlace>): CallPlace => {
        return { jobId: id, flowId, atom: 'checkout/a', direction: 'execute', call: 1, ...over }
      }
      const asked = [
        place({ call: 2 }),
        place({ call: 3 }),
        place({ direction: 'revert', call: 1 }),
        place({ direction: 'revert', call: 2 }),
        place({ atom: 'checkout:retry', direction: 'decide', call: 3 }),
        place({ atom: 'checkout:retry', direction: 'decide', call: 4 }),
        place({ atom: 'checkout/never started' }),
        place({ flowId: uuidV7() }),
        place({ jobId: uuidV7() }),
        place({ call: 3 }),
      ]
      const mine = { job: 'CLAIMED', conductor: 'c1' }
      assert.deepEqual(await store.standing(asked), [
        { ...mine, settled: true },
        { ...mine, settled: false },
        { ...mine, settled: true },
        { ...mine, settled: false },
        { ...mine, settled: true },
        { ...mine, settled: false },
        { ...mine, settled: false },
        { ...mine, settled: true },
        { job: null, conductor: null, settled: true },
        { ...mine, settled: false },
      ])
      assert.deepEqual(await store.standing([]), [])
      const open3 = place({ call: 3 })
      await commits(
        store,
        changeOf(claimed, {
          revision: 1,
          job: { state: 'PARKED', parkedFor: 'task' },
          mailRead: 0,
        }),
      )
      assert.deepEqual(await store.standing([open3]), [
        { job: 'PARKED', conductor: null, settled: false },
      ])
    })

    it('are settled when their job ended, and when it runs again', async (t) => {
      const { store } = await open(t)
      for (const end of [
        { state: 'COMPLETE' },
        { state: 'TRASHED', reason: 'a revert failed' },
      ] as const) {
        const { id, flowId } = await post(store)
        const claimed = await claim(store)
        const atoms = [atomOf('checkout/a')]
        await commits(store, changeOf(claimed, { atoms, job: end, mailRead: 0 }))
        const place = { jobId: id, flowId, atom: 'checkout/a', direction: 'execute' } as const
        const standing = { job: end.state, conductor: null, settled: true }
        assert.deepEqual(await store.standing([{ ...place, call: 1 }]), [standing])
        const again = uuidV7()
        await store.rerun(id, { flowId: again })
        const [old, present] = await store.standing([
          { ...place, call: 1 },
          { ...place, flowId: again, call: 1 },
        ])
        assert.equal(old?.settled, true)
        assert.deepEqual(present, { job: 'UNCLAIMED', conductor: null, settled: false })
        await claim(store)
      }
    })
  })

  describe('reply queues', () => {
    it('are remembered with who made them, and are orphaned once that conductor is gone', async (t) => {
      const { store } = await open(t)
      await store.beat(beatOf('c1', LONG_MS))
      await store.beat(beatOf('c2', LONG_MS))
      await store.beat(beatOf('w1', LONG_MS, { kind: 'worker' }))
      for (const queue of ['q2', 'q1']) await store.keepReplyQueue(queue, queue.replace('q', 'c'))
      await store.keepReplyQueue('q1', 'c1')
      await store.keepReplyQueue('q3', 'w1')
      const queues = (orphaned: boolean) => [
        { queue: 'q1', conductor: 'c1', orphaned: false },
        { queue: 'q2', conductor: 'c2', orphaned },
        { queue: 'q3', conductor: 'w1', orphaned: true },
      ]
      assert.deepEqual(await store.replyQueues(), queues(false), 'a worker makes none')
      await store.endProcess('c2')
      assert.deepEqual(await store.replyQueues(), queues(true))
    })

    it('become those of who makes them anew, only once their maker is gone', async (t) => {
      const { store } = await open(t)
      await store.beat(beatOf('c1', LONG_MS))
      await store.beat(beatOf('c2', LONG_MS))
      await store.keepReplyQueue('q', 'c1')
      await store.keepReplyQueue('q', 'c2')
      assert.equal((await store.replyQueues())[0]?.conductor, 'c1')
      await store.endProcess('c1')
      await store.keepReplyQueue('q', 'c2')
      assert.deepEqual(await store.replyQueues(), [
        { queue: 'q', conductor: 'c2', orphaned: false },
      ])
      assert.equal(await store.forgetReplyQueue('q'), false)
    })

    it('are forgotten when nobody needs them, again with the same answer, for it may have been lost', async (t) => {
      const { store } = await open(t)
      await store.beat(beatOf('c1', LONG_MS))
      await store.keepReplyQueue('q1', 'c1')
      await store.keepReplyQueue('q2', 'c1')
      assert.equal(await store.forgetReplyQueue('q1'), false, 'its maker lives')
      await store.endProcess('c1')
      assert.equal(await store.forgetReplyQueue('q1'), true)
      assert.equal(await store.forgetReplyQueue('q1'), true)
      assert.deepEqual(
        (await store.replyQueues()).map(({ queue }) => queue),
        ['q2'],
      )
    })

    it('are kept while a call of an unfinished job names them, also of one that may be released', async (t) => {
      const { store } = await open(t)
      const atoms = [atomOf('checkout/a'), atomOf('checkout/b', { replyTo: 'q' })]
      await store.keepReplyQueue('q', 'gone')
      const { id } = await post(store)
      let claimed = await claim(store, 'c1')
      await commits(store, changeOf(claimed, { atoms }))
      assert.equal(await store.forgetReplyQueue('q'), false, 'claimed')
      const park = { state: 'PARKED', parkedFor: 'task' } as const
      await commits(store, changeOf(claimed, { revision: 1, job: park, mailRead: 0 }))
      assert.equal(await store.forgetReplyQueue('q'), false, 'parked')
      await store.mail(id, { key: 'm', kind: 'signal', body: null })
      await store.promote('main', 1)
      assert.equal(await store.forgetReplyQueue('q'), false, 'unclaimed')
      claimed = await claim(store, 'c1')
      const trash = { state: 'TRASHED', reason: 'a revert failed' } as const
      await commits(store, changeOf(claimed, { job: trash, mailRead: 1 }))
      assert.equal(await store.forgetReplyQueue('q'), false, 'trashed')
      await store.releaseJob(id)
      claimed = await claim(store, 'c1')
      assert.equal(await store.forgetReplyQueue('q'), false, 'released')
      await commits(store, changeOf(claimed, { job: { state: 'COMPLETE' }, mailRead: 1 }))
      assert.equal(await store.forgetReplyQueue('q'), true, 'complete')
    })

    it('are not kept by the calls of a run that was given up for another', async (t) => {
      const { store } = await open(t)
      await store.keepReplyQueue('q', 'gone')
      const { id } = await post(store)
      const claimed = await claim(store, 'c1')
      await commits(
        store,
        changeOf(claimed, {
          atoms: [atomOf('checkout/a', { replyTo: 'q' })],
          job: { state: 'TRASHED', reason: 'a revert failed' },
          mailRead: 0,
        }),
      )
      await store.rerun(id, { flowId: uuidV7() })
      assert.equal(await store.forgetReplyQueue('q'), true)
    })

    it('are kept while their maker has claims: its last commits may still come', async (t) => {
      const { store } = await open(t)
      await store.beat(beatOf('c1', LONG_MS))
      await store.keepReplyQueue('q', 'c1')
      await post(store)
      const claimed = await claim(store, 'c1')
      await store.endProcess('c1')
      assert.equal(await store.forgetReplyQueue('q'), false)
      await store.reap('main', { maxDeaths: 3 })
      const late = changeOf(claimed, { atoms: [atomOf('checkout/a', { replyTo: 'q' })] })
      assert.equal(await store.forgetReplyQueue('q'), true)
      assert.deepEqual(await store.commit([late]), [{ kind: 'fenced' }])
    })

    it('are never forgotten under a commit that names them at the same time', async (t) => {
      const bench = await open(t)
      const other = await bench.another()
      await bench.store.beat(beatOf('c1', LONG_MS))
      for (let round = 0; round < 12; round += 1) {
        const maker = `maker${round}`
        const queue = `q${round}`
        await bench.store.beat(beatOf(maker, LONG_MS))
        await bench.store.keepReplyQueue(queue, maker)
        const { flowId } = await post(bench.store)
        const claimed = await claim(bench.store, maker)
        await bench.store.endProcess(maker)
        const naming = changeOf(claimed, { atoms: [atomOf('checkout/a', { replyTo: queue })] })
        // The owner that died commits once more, the job is taken from it, and the queue is tidied up, all at once.
        const [outcomes, , forgotten] = await Promise.all([
          bench.store.commit([naming]),
          round % 2 === 0 ? other.reap('main', { maxDeaths: 3 }) : undefined,
          other.forgetReplyQueue(queue),
        ])
        const named = (await bench.store.atoms(flowId)).length > 0
        assert.equal(outcomes[0]?.kind === 'committed', named)
        assert.ok(!(named && forgotten), 'a call waits in a queue that nobody remembers')
        await bench.store.reap('main', { maxDeaths: 3 })
        await claim(bench.store, 'c1')
      }
    })
  })
}

/** A job that its owner parked, by its id. */
async function parked(store: Store, job: JobChange): Promise<string> {
  const { job: posted } = await store.post(postOf({ priority: 9 }))
  const claimed = await claim(store)
  assert.equal(claimed.jobId, posted.id)
  await commits(store, changeOf(claimed, { job, mailRead: 0 }))
  return posted.id
}

async function commits(store: Store, change: ReturnType<typeof changeOf>): Promise<void> {
  assert.deepEqual(await store.commit([change]), [{ kind: 'committed' }])
}

function byPath(a: { readonly path: string }, b: { readonly path: string }): number {
  return a.path < b.path ? -1 : 1
}
