/** Changes that come at the same time, in one transaction, on a real server. */
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { ZooKeeperUnavailableError } from '../../../jobboard/zookeeper/contract.ts'
import type { GuardedClient } from '../../../jobboard/zookeeper/client.ts'
import { isReply } from '../../../jobboard/zookeeper/refusals.ts'
import { Together } from '../../../jobboard/zookeeper/together.ts'
import { boardSite } from './boards.ts'

async function place(t: TestContext) {
  const site = await boardSite(t)
  if (site === null) return null
  const client = await site.client()
  const sizes: number[] = []
  const together = new Together({
    transaction: (steps, options) => {
      sizes.push(steps.length)
      return client.transaction(steps, options)
    },
  })
  let alone = 0
  const create = (path: string): Promise<void> => {
    const data = Buffer.from(path)
    return together.run([{ op: 'create', path, data }], () => {
      alone++
      return client.create(path, data)
    })
  }
  const remove = (paths: readonly string[]): Promise<void> => {
    const steps = paths.map((path) => ({ op: 'remove', path }) as const)
    return together.run(steps, () => client.transaction(steps))
  }
  return { client, sizes, create, remove, alone: () => alone }
}

async function namesOf(client: GuardedClient): Promise<readonly string[]> {
  return [...(await client.children('/')).names].sort()
}

const names = Array.from({ length: 300 }, (_, at) => `n${String(at).padStart(3, '0')}`)

test('what comes at the same time is few transactions, and what comes alone is none', async (t) => {
  const all = await place(t)
  if (all === null) return
  await Promise.all(names.map((name) => all.create(`/${name}`)))
  assert.deepEqual(await namesOf(all.client), names)
  assert.equal((await all.client.get('/n123')).data.toString(), '/n123')
  assert.equal(all.alone(), 4, 'the first ones did not wait')
  assert.deepEqual(
    all.sizes,
    [100, 100, 96],
    'the others went together, no more than a hundred at once',
  )
  const pairs = Array.from({ length: 150 }, (_, at) => names.slice(2 * at, 2 * at + 2))
  await Promise.all(pairs.map((pair) => all.remove(pair.map((name) => `/${name}`))))
  assert.deepEqual(await namesOf(all.client), [])
})

test('who is refused is told why, and takes nobody along', async (t) => {
  const all = await place(t)
  if (all === null) return
  await all.client.create('/n050', Buffer.from('there before'))
  const ends = await Promise.allSettled(names.slice(0, 100).map((name) => all.create(`/${name}`)))
  for (const [at, end] of ends.entries()) {
    if (at !== 50) assert.equal(end.status, 'fulfilled', names[at])
    else assert.ok(end.status === 'rejected' && isReply(end.reason, 'NODE_EXISTS'))
  }
  assert.deepEqual(await namesOf(all.client), names.slice(0, 100))
  assert.equal((await all.client.get('/n050')).data.toString(), 'there before')
})

test('the steps of one are all or none, also where another one is refused beside it', async (t) => {
  const all = await place(t)
  if (all === null) return
  for (const name of names.slice(0, 21)) await all.client.create(`/${name}`, Buffer.alloc(0))
  await all.client.remove('/n010')
  const pairs = Array.from({ length: 10 }, (_, at) => [
    `/n${String(at * 2).padStart(3, '0')}`,
    `/n${String(at * 2 + 1).padStart(3, '0')}`,
  ])
  const ends = await Promise.allSettled(pairs.map((pair) => all.remove(pair)))
  assert.equal(ends.filter(({ status }) => status === 'rejected').length, 1)
  assert.deepEqual(await namesOf(all.client), ['n011', 'n020'])
})

test('an outcome that nobody knows is told to all of a transaction, and nothing is sent again', async () => {
  let sent = 0
  const unknown = new ZooKeeperUnavailableError('there', 'unknown')
  const together = new Together({
    transaction: async () => {
      sent++
      throw unknown
    },
  })
  let alone = 0
  const ends = await Promise.allSettled(
    names
      .slice(0, 54)
      .map((name) => together.run([{ op: 'remove', path: `/${name}` }], async () => void alone++)),
  )
  assert.equal(ends.filter((end) => end.status === 'rejected' && end.reason === unknown).length, 50)
  assert.deepEqual([sent, alone], [1, 4])
})
