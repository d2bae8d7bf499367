/**
 * The whole engine (driver, committer, machine, engine, store) with a crash before and after every commit, and with every pair of
 * crashes: the flow ends as it does undisturbed, and nothing that was recorded is executed again.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { storeAt, freshUrl } from '../support/stores.ts'
import { MemoryStore } from '../../persistence/memory.ts'
import type { Store } from '../../persistence/store.ts'
import { CASES } from './crash-cases.ts'
import { play, type CrashPoint, type Played } from './crash-player.ts'

/** Crash points of a flow that takes so many commits undisturbed; a crash makes it take a few more. */
function points(commits: number): readonly CrashPoint[] {
  const all: CrashPoint[] = []
  for (let commit = 1; commit <= commits; commit++) {
    for (const when of ['before', 'after'] as const) all.push({ commit, when })
  }
  return all
}

/** Every pair of commits; `before` and `after` take turns. */
function pairs(commits: number): readonly (readonly CrashPoint[])[] {
  const all = points(commits + 2)
  return all.flatMap((first, at) =>
    all
      .filter(({ commit }, index) => commit > first.commit && (at + index) % 2 === 0)
      .map((second) => [first, second]),
  )
}

/** Compares a disturbed run with the undisturbed one. False: it ended before all crashes came. */
function compare(played: Played, calm: Played, what: string, isExact: boolean): boolean {
  if (played.crashes < played.wanted) return false
  assert.equal(played.end.state, calm.end.state, `${what}: how it ended`)
  if (isExact) {
    assert.deepEqual(played.end, calm.end, `${what}: how it ended`)
    assert.deepEqual(played.atoms, calm.atoms, `${what}: atoms`)
    assert.deepEqual(played.calls, calm.calls, `${what}: calls`)
  }
  for (const [key, begun] of played.begun) {
    assert.ok(begun <= 1 + played.crashes, `${what}: ${key} began ${begun} times`)
  }
  return true
}

async function tryAll(
  store: Store,
  choose: (commits: number) => readonly (readonly CrashPoint[])[],
): Promise<number> {
  let tried = 0
  for (const each of CASES) {
    const calm = await play(store, each, [])
    assert.equal(calm.end.state, each.ends, `${each.name}, undisturbed`)
    for (const crashes of choose(calm.commits)) {
      const at = crashes.map(({ when, commit }) => `${when} commit ${commit}`).join(' and ')
      const what = `${each.name}, crashed ${at}`
      const played = await play(store, each, crashes).catch((error: unknown) => {
        throw new Error(`${what}: ${String(error)}`, { cause: error })
      })
      if (compare(played, calm, what, each.isExact)) tried++
    }
  }
  return tried
}

test('memory: crashes around every commit, and pairs of them, change nothing that can be seen', async (t) => {
  const store = new MemoryStore()
  const singles = await tryAll(store, (commits) => points(commits).map((point) => [point]))
  const twice = await tryAll(store, pairs)
  t.diagnostic(`${CASES.length} flows: ${singles} with one crash, ${twice} with two`)
  assert.ok(singles + twice >= 2000, `only ${singles + twice} runs were crashed`)
})

test('sqlite: crashes around every commit change nothing that can be seen', async (t) => {
  const url = await freshUrl(t, 'sqlite')
  if (url === null) return
  const store = await storeAt(t, url)
  const tried = await tryAll(store, (commits) => points(commits).map((point) => [point]))
  t.diagnostic(`${CASES.length} flows, ${tried} runs with crashes`)
  assert.ok(tried > 200, `only ${tried} runs were crashed`)
})
