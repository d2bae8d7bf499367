import assert from 'node:assert/strict'
import test from 'node:test'
import { z } from 'zod'
import { UsageError } from '../../src/base/errors.ts'
import { cel, flow, task } from '../../src/flow/builders.ts'
import { leakCheck } from '../support/leak-check.ts'
import { STORES, behind, freshStore } from '../support/stores.ts'
import { beatOf, claim } from '../persistence/fixtures.ts'
import { connectedTo } from './fixtures.ts'

const noop = task('noop', { execute: () => {} })
const order = flow(
  'order',
  { input: { n: z.int(), sku: z.string(), coupon: z.string().optional() } },
  [noop],
)
const other = flow('other', { input: { name: z.string() } }, [noop])

for (const backend of STORES) {
  test(`jobs are found by a condition on their input, page by page, without gaps (${backend})`, async (t) => {
    leakCheck(t)
    const store = await freshStore(t, backend)
    if (store === null) return
    const zag = await connectedTo(t, store)
    for (let n = 0; n < 25; n++) {
      const input = {
        n,
        sku: n % 2 === 0 ? 'even' : 'odd',
        ...(n % 5 === 0 ? { coupon: 'c' } : {}),
      }
      await zag.post(order, input, { labels: { third: String(n % 3) } })
    }
    await zag.post(other, { name: 'x' })
    const found = async (search: Parameters<typeof zag.jobs>[0]) => {
      const { jobs } = await zag.jobs({ order: 'oldest', ...search })
      return jobs.map(({ detail }) => detail.input['n'])
    }
    assert.deepEqual(await found({ where: cel('n > 20 && sku == "even"') }), [22, 24])
    assert.deepEqual(await found({ where: 'has(symbols.coupon) && n >= 15' }), [15, 20])
    assert.deepEqual(await found({ where: 'input.n == 7' }), [7])
    assert.deepEqual(await found({ where: 'job.labels.third == "1" && n < 5' }), [1, 4])
    assert.deepEqual(await found({ where: 'sku == "even"', flow: 'order', input: { n: 4 } }), [4])

    const pages: unknown[] = []
    let after: string | undefined
    for (let page = 0; page < 10; page++) {
      const search = { where: 'sku == "odd" || n == 0', order: 'oldest', limit: 5, after } as const
      const { jobs, next } = await zag.jobs(search)
      pages.push(...jobs.map(({ detail }) => detail.input['n']))
      if (next === null) break
      after = next
    }
    assert.deepEqual(pages, [0, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23])

    const all = await zag.jobs({ where: 'n >= 0' })
    assert.equal(all.jobs.length, 25)
    assert.equal(all.unclear, 1, 'the other flow has no such symbol')
    assert.match(all.why ?? '', /the symbol "n" has no value here/)
    const bounded = await zag.jobs({ where: 'n == 24 || n == 0', order: 'oldest', scan: 10 })
    assert.equal(bounded.looked, 10)
    assert.equal(bounded.jobs.length, 1)
    const rest = await zag.jobs({
      where: 'n == 24 || n == 0',
      order: 'oldest',
      after: bounded.next ?? '',
    })
    assert.deepEqual(
      rest.jobs.map(({ detail }) => detail.input['n']),
      [24],
    )
    assert.equal(rest.next, null)
  })

  test(`jobs are found by the name or the id of the conductor that works on them (${backend})`, async (t) => {
    leakCheck(t)
    const store = await freshStore(t, backend)
    if (store === null) return
    const zag = await connectedTo(t, store)
    const mine = await zag.post(order, { n: 1, sku: 'a' })
    await zag.post(order, { n: 2, sku: 'b' })
    await store.beat(beatOf('blue:1', 60_000, { name: 'blue', kind: 'conductor' }))
    await claim(store, 'blue:1')
    for (const owner of ['blue', 'blue:1']) {
      assert.deepEqual(
        (await zag.jobs({ owner })).jobs.map(({ job }) => job.id),
        [mine.id],
      )
    }
    assert.deepEqual((await zag.jobs({ owner: 'green' })).jobs, [])
    assert.deepEqual((await zag.jobs({ owner: 'blue', where: 'n > 1' })).jobs, [])
  })
}

test('a condition is checked before anything is read, and what it equals is looked for by the store', async (t) => {
  leakCheck(t)
  const asked: unknown[] = []
  const memory = await freshStore(t, 'memory')
  if (memory === null) return
  const store = behind(memory, (method, args) => {
    if (method === 'findJobs') asked.push(args[0])
  })
  const zag = await connectedTo(t, store)
  for (const [where, message] of [
    ['n >', /unexpected token/],
    ['n = 1', /equality is ==/],
    ['n + 1', /a condition is true or false, got a number/],
    ['"a" > 1 && true', /where: /],
    ['failure.code == "x"', /"failure" is not known here/],
    ['job.nme == "x"', /nme/],
    ['n.matches("a")', /matches/],
    ['', /empty/],
  ] as const) {
    await assert.rejects(zag.jobs({ where }), (error) => {
      assert.ok(error instanceof UsageError, String(error))
      assert.match(error.message, message)
      return true
    })
  }
  await assert.rejects(zag.jobs({ where: 'true', scan: 0 }), UsageError)
  // @ts-expect-error no expression
  await assert.rejects(zag.jobs({ where: 7 }), UsageError)
  assert.equal(asked.length, 0)
  await zag.jobs({
    where: 'sku == "A1" && (n == 1 || n == 2) && input.m == 3 && x > 4 && y == null',
  })
  assert.deepEqual((asked.at(0) as { readonly input?: unknown }).input, { sku: 'A1', m: 3 })
})
