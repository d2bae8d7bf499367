/** Values stay exactly as they were, whatever is in them: a part of the suite in `store-contract.ts`. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Failure } from '../../src/base/failure.ts'
import type { Json } from '../../src/base/json.ts'
import {
  atomOf,
  callOf,
  changeOf,
  claim,
  documentOf,
  historyOf,
  post,
  postOf,
  resultOf,
} from './fixtures.ts'
import type { OpenBench } from './store-bench.ts'

/** Texts that break what is put together by hand. */
const NASTY_TEXTS = [
  `'); DROP TABLE atoms;--`,
  '"; DELETE FROM jobs; --',
  '%',
  '_',
  '\\',
  '\\\\?',
  '?',
  ':name',
  '$1',
  '$.v',
  '{"enc":"json"}',
  "it's",
  'null',
  '',
  ' ',
  'tab\tnewline\nreturn\r',
  'ünïcödé 🚗 \u202E',
  'x'.repeat(900),
]

export function describeValues(open: OpenBench): void {
  describe('keeping values', () => {
    it('keeps texts as they are, whatever is in them', async (t) => {
      const { store } = await open(t)
      for (const text of NASTY_TEXTS) {
        const input: Record<string, Json> = { text, [`key ${text}`]: [text] }
        const { job } = await store.post(
          postOf({
            board: `board ${text}`,
            key: `key ${text}`,
            labels: { [`label ${text}`]: text },
            postedBy: text,
            traceparent: text,
            document: documentOf(`flow ${text}`),
            input,
          }),
        )
        const claimed = await claim(store, `conductor ${text}`, job.board)
        const textFailure: Failure = { code: text, message: text, stack: text, data: { text } }
        const atom = atomOf(`f/${text}`, { failure: textFailure })
        const history = historyOf(1, { name: text, failure: textFailure })
        const mail = { key: `mail ${text}`, kind: 'signal', body: { text } } as const
        assert.equal(await store.mail(job.id, mail), 'accepted')
        const [outcome] = await store.commit([
          changeOf(claimed, {
            historySeq: 1,
            flow: { state: 'RUNNING', reason: text, output: text },
            atoms: [atom],
            calls: [callOf(`f/${text}`)],
            results: [resultOf(`f/${text}`, { [text]: text })],
            history: [history],
          }),
        ])
        assert.deepEqual(outcome, { kind: 'committed' }, text)
        const [flow] = await store.load([job.id])
        assert.deepEqual(flow?.job.labels, { [`label ${text}`]: text })
        assert.equal(flow.job.flow, `flow ${text}`)
        assert.equal(flow.job.postedBy, text)
        assert.equal(flow.detail.reason, text)
        assert.equal(flow.detail.output, text)
        assert.deepEqual(flow.detail.input, input)
        assert.deepEqual(flow.atoms, [atom])
        assert.deepEqual(await store.history(job.id, {}), [history])
        const ref = { atom: `f/${text}`, direction: 'execute', call: 1 } as const
        assert.deepEqual(await store.results(job.flowId, [ref]), [{ [text]: text }])
        const [stored] = await store.readMail(`conductor ${text}`)
        assert.equal(stored?.key, mail.key)
        assert.deepEqual(stored.body, { text })
        for (const filter of [
          { key: `key ${text}` },
          { flow: `flow ${text}` },
          { labels: { [`label ${text}`]: text } },
          { input: { text } },
          { input: { [`key ${text}`]: [text] } },
          { conductor: `conductor ${text}` },
          { board: `board ${text}` },
        ]) {
          const { jobs } = await store.findJobs(filter)
          assert.deepEqual(
            jobs.map((found) => found.job.id),
            [job.id],
            JSON.stringify(filter),
          )
        }
        assert.equal((await store.job(`key ${text}`, job.board))?.job.id, job.id)
      }
    })

    it('keeps values of 2 MB, and numbers exactly', async (t) => {
      const { store } = await open(t)
      const big = 'y'.repeat(2_000_000)
      const numbers = [0.1, 1e21, -5e-324, 9007199254740991, 1.7976931348623157e308, -1]
      await post(store, { input: { big, numbers } })
      const claimed = await claim(store)
      const results = [resultOf('f/a', big), resultOf('f/b', numbers)]
      assert.deepEqual(await store.commit([changeOf(claimed, { results })]), [
        { kind: 'committed' },
      ])
      const [flow] = await store.load([claimed.jobId])
      assert.deepEqual(flow?.detail.input, { big, numbers })
      const refs = results.map(({ atom, direction, call }) => ({ atom, direction, call }))
      assert.deepEqual(await store.results(flow.detail.id, refs), [big, numbers])
    })
  })
}
