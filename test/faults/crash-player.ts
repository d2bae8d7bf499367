/**
 * Plays a flow to its end through crashes, in this process and without waiting.
 *
 * P1  A crash is what `kill -9` is to the store: see `Incarnation`. The next life begins at once, from what was committed.
 * P2  Time stands still until nothing else can happen, then goes on to the next timer.
 * P3  A body that begins asserts that its call has no recorded answer.
 */
import assert from 'node:assert/strict'
import { manualClock } from '../../src/base/clock.ts'
import { hashJson } from '../../src/base/ids.ts'
import type { Json, JsonObject } from '../../src/base/json.ts'
import { retryStrategy } from '../../src/flow/retry-strategy.ts'
import { RUN_BOARD } from '../../src/client/local-run.ts'
import { Incarnation } from '../../src/testing/incarnation.ts'
import { idempotencyKey, type CallContext } from '../../src/worker/call-context.ts'
import type { Store } from '../../persistence/store.ts'
import { registryOf, type TestTask } from '../conductor/fixtures.ts'
import { postOf } from '../persistence/fixtures.ts'
import { document, planOf } from '../support/flows.ts'
import type { CrashCase } from './crash-cases.ts'

export interface CrashPoint {
  /** The number of the commit over all lives, from 1. */
  readonly commit: number
  readonly when: 'before' | 'after'
}

/** What came of it, in a form that can be compared. */
export interface Played {
  readonly end: { readonly state: string; readonly output: Json; readonly failures: unknown }
  readonly atoms: readonly string[]
  readonly calls: readonly string[]
  readonly commits: number
  /** How often each key began. */
  readonly begun: ReadonlyMap<string, number>
  readonly crashes: number
  readonly wanted: number
}

/** Rounds of the event loop without a sign of life after which only time can help. */
const QUIET_ROUNDS = 3

export async function play(
  given: Store,
  { root, input = {} }: CrashCase,
  crashes: readonly CrashPoint[],
): Promise<Played> {
  const clock = manualClock(1_900_000_000_000)
  const recorded = new Set<string>()
  const begun = new Map<string, number>()
  /** A body cannot fail the test: what it throws is its task's failure. */
  const wrong: string[] = []
  let commits = 0
  let crashed = 0
  let pending = 0
  let signs = 0
  let storeIsIdle = (): void => {}
  const storeIsDone = () => new Promise<void>((resolve) => (storeIsIdle = resolve))
  const left = [...crashes]
  const whole = document(root)
  const request = postOf({
    board: RUN_BOARD,
    document: whole,
    documentHash: hashJson(JSON.parse(JSON.stringify(whole)) as Json),
    input,
  })
  await given.post(request)

  const store = watched(given, {
    asked: (change) => {
      pending += change
      signs++
      if (pending === 0) storeIsIdle()
    },
    committed: (keys) => {
      for (const key of keys) recorded.add(key)
    },
  })
  const begin = ({ idempotencyKey: key }: CallContext): void => {
    signs++
    if (recorded.has(key)) wrong.push(`${key} began again after its answer was recorded`)
    begun.set(key, (begun.get(key) ?? 0) + 1)
  }
  const registry = registryOf(tasks(begin))
  registry.add(nextOf)
  const live = () =>
    new Incarnation({
      store,
      jobId: request.id,
      plan: planOf(root),
      tasks: registry,
      engine: 'parallel',
      clock,
      onEvent: () => void signs++,
      diesAt(when) {
        if (when === 'before') commits++
        const [next] = left
        if (next === undefined || next.commit !== commits || next.when !== when) return false
        left.shift()
        crashed++
        return true
      },
      onDeath: () => void signs++,
    })

  for (let life = live(), isOver = false; !isOver;) {
    let failure: unknown = null
    const ended = life.end.then(
      () => (isOver = true),
      (error: unknown) => (failure = error),
    )
    while (!isOver && failure === null && !life.isDead) {
      const seen = signs
      if (pending > 0) await storeIsDone()
      for (let quiet = 0; quiet < QUIET_ROUNDS && seen === signs; quiet++) {
        await new Promise<void>((resolve) => setImmediate(resolve))
      }
      if (seen !== signs || pending > 0 || isOver || failure !== null || life.isDead) continue
      assert.ok(clock.advanceToNext(), `${root.id} waits for something that never comes`)
    }
    if (failure !== null) throw failure
    if (isOver) await ended
    else if (await hasEnded(given, request.id)) isOver = true
    else life = live()
  }
  assert.deepEqual(wrong, [])
  return look(given, request.id, { commits, begun, crashes: crashed, wanted: crashes.length })
}

async function hasEnded(store: Store, jobId: string): Promise<boolean> {
  const found = await store.job(jobId)
  return found !== null && found.job.endedAt !== null
}

async function look(
  store: Store,
  jobId: string,
  played: Pick<Played, 'commits' | 'begun' | 'crashes' | 'wanted'>,
): Promise<Played> {
  const found = await store.job(jobId)
  assert.ok(found)
  const { detail } = found
  const calls = await store.calls(detail.id)
  const values = await store.results(detail.id, calls)
  const said = calls.map(
    ({ atom, direction, call, attempt, outcome }, at) =>
      `${atom} ${direction} ${call} (${attempt}): ${outcome} ${JSON.stringify(values[at]) ?? ''}`,
  )
  const atoms = (await store.atoms(detail.id)).map(
    ({ path, state, executeCalls, revertCalls, rounds }) =>
      `${path} ${state} ${executeCalls} ${revertCalls} ${JSON.stringify(rounds?.map(({ value }) => value))}`,
  )
  return {
    ...played,
    end: {
      state: detail.state,
      output: detail.output,
      failures: detail.failures.map(({ atom, message }) => `${atom}: ${message}`).sort(),
    },
    atoms: atoms.sort(),
    calls: said.sort(),
  }
}

/** Says what the store is doing, and which answers it has taken. */
function watched(
  store: Store,
  told: {
    readonly asked: (change: 1 | -1) => void
    readonly committed: (keys: readonly string[]) => void
  },
): Store {
  const seen = new Proxy(store, {
    get(target, name): unknown {
      const value: unknown = Reflect.get(target, name, target)
      if (typeof value !== 'function' || name === 'onHint') {
        return typeof value === 'function' ? value.bind(target) : value
      }
      return async (...args: readonly unknown[]) => {
        told.asked(1)
        try {
          const answer: unknown = await Reflect.apply(value, target, args)
          return answer
        } finally {
          told.asked(-1)
        }
      }
    },
  })
  const commit: Store['commit'] = async (batch) => {
    const outcomes = await seen.commit(batch)
    for (const [at, { flowId, calls }] of batch.entries()) {
      if (outcomes[at]?.kind !== 'committed') continue
      told.committed(calls.map((call) => idempotencyKey({ flowId, ...call })))
    }
    return outcomes
  }
  return new Proxy(seen, {
    get: (target, name): unknown => (name === 'commit' ? commit : Reflect.get(target, name)),
  })
}

/** What they do follows from their arguments and the attempt alone, so that it is the same in every life. */
function tasks(begin: (context: CallContext) => void): { readonly [name: string]: TestTask } {
  const refuse = (why: string): never => {
    throw new Error(why)
  }
  const executing =
    (run: (args: JsonObject, context: CallContext) => unknown): TestTask['execute'] =>
    async (args, context) => {
      begin(context)
      await new Promise<void>((resolve) => setImmediate(resolve))
      return run(args, context)
    }
  const reverting =
    (run: (context: CallContext) => unknown): NonNullable<TestTask['revert']> =>
    async (_undo: unknown, context: CallContext) => {
      begin(context)
      await new Promise<void>((resolve) => setImmediate(resolve))
      return run(context)
    }
  const revert = reverting(() => null)
  return {
    one: { execute: executing(() => ({ x: 1 })), revert },
    add: { execute: executing(({ x }) => ({ y: Number(x) + 1 })), revert },
    join: { execute: executing(({ x, y }) => ({ z: Number(x) + Number(y) })), revert },
    work: { execute: executing((_args, { atom }) => ({ at: atom })), revert },
    fail: { execute: executing(() => refuse('it always fails')), revert },
    flaky: {
      execute: executing((_args, { attempt }) => attempt === 3 || refuse(`attempt ${attempt}`)),
      revert: reverting(({ attempt }) => attempt === 2 || refuse(`revert ${attempt}`)),
    },
    third: {
      execute: executing(({ round }) => round === 3 || refuse(`round ${JSON.stringify(round)}`)),
      revert,
    },
    likesC: {
      execute: executing(({ value }) => value === 'c' || refuse(`not ${JSON.stringify(value)}`)),
      revert,
    },
  }
}

/** Gives `a`, `b`, `c`, and then up. */
const nextOf = retryStrategy('nextOf', (history) =>
  history.length < 3
    ? { decision: 'RETRY', value: 'abc'[history.length] ?? null, delay: '10m' }
    : 'REVERT',
)
