/** What conductors work on while they are killed: flows of all shapes, and tasks that write down what they do. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { JsonObject } from '../../src/base/json.ts'
import type { ResolvedFlow } from '../../src/flow/resolved.ts'
import type { CallContext } from '../../src/worker/call-context.ts'
import type { TestTask } from '../conductor/fixtures.ts'
import { graph, linear, task, unordered } from '../support/flows.ts'
import { Random } from '../support/random.ts'
import { writeLine } from './ledger.ts'

/** A flow, how it must end, and what was asked for when it was posted. */
export interface Work {
  readonly root: ResolvedFlow
  readonly ends: 'SUCCESS' | 'REVERTED'
  readonly delayMs?: number
}

/** Tasks that behave the same whoever runs them: what they do follows from the key of the call. */
export function ledgerTasks(
  ledger: string,
  options: { readonly napMs?: number; readonly parent?: number } = {},
): { readonly [name: string]: TestTask } {
  const parent = options.parent === undefined ? {} : { parent: options.parent }
  const body = async (
    context: CallContext,
    direction: 'execute' | 'revert',
    then: () => unknown,
    ms = workMs(context.idempotencyKey),
  ): Promise<unknown> => {
    const { job, atom, idempotencyKey: key } = context
    const note = (what: 'begin' | 'end' | 'aborted'): void =>
      writeLine(ledger, { what, pid: process.pid, job, direction, atom, key, ...parent })
    note('begin')
    if (ms > 0) {
      await sleep(ms, undefined, { signal: context.signal }).catch((error: unknown) => {
        note('aborted')
        throw error
      })
    }
    note('end')
    return then()
  }
  const work = (then: (context: CallContext, args: JsonObject) => unknown): TestTask => ({
    execute: (args, context) => body(context, 'execute', () => then(context, args)),
    revert: (_undo, context) => body(context, 'revert', () => null),
  })
  const refuse = (why: string): never => {
    throw new Error(why)
  }
  return {
    work: work(() => 5),
    fail: work(() => refuse('it always fails')),
    flaky: work(({ attempt }) => (attempt < 3 ? refuse(`attempt ${attempt}`) : 5)),
    second: {
      execute: (_args, { attempt }) => (attempt < 2 ? refuse('the first time') : 5),
      revert: () => null,
    },
    round: work((_context, { round }) =>
      round === 2 ? 5 : refuse(`round ${JSON.stringify(round)}`),
    ),
    stuck: {
      execute: (_args, context) => body(context, 'execute', () => 5),
      revert: (_undo, context) =>
        body(context, 'revert', () => (context.attempt < 2 ? refuse('stuck') : null)),
    },
    crash: {
      execute: (_args, context) =>
        body(
          context,
          'execute',
          () => {
            process.kill(process.pid, 'SIGKILL')
            return sleep(60_000) // the signal is on its way
          },
          0,
        ),
      revert: (_undo, context) => body(context, 'revert', () => null),
    },
    nap: {
      execute: (_args, context) => body(context, 'execute', () => 5, options.napMs ?? 500),
      revert: (_undo, context) => body(context, 'revert', () => null),
    },
  }
}

/** Mostly short, now and then long enough to be met by whatever happens. */
function workMs(key: string): number {
  let hash = 0
  for (let i = 0; i < key.length; i++) hash = (Math.imul(hash, 31) + key.charCodeAt(i)) >>> 0
  const random = new Random(hash)
  return random.chance(0.1) ? 120 : random.chance(0.3) ? 0 : random.below(25)
}

const work = (id: string) => task(id, { task: 'work' })

const SHAPES: readonly (() => Omit<Work, 'delayMs'>)[] = [
  () => ({
    root: linear('chain', [work('a'), work('b'), work('c'), work('d')]),
    ends: 'SUCCESS',
  }),
  () => ({
    root: graph(
      'diamond',
      [work('a'), work('b'), work('c'), work('d'), work('e')],
      [
        { from: 'a', to: 'b' },
        { from: 'a', to: 'c' },
        { from: 'b', to: 'd' },
        { from: 'c', to: 'd' },
        { from: 'a', to: 'e' },
      ],
    ),
    ends: 'SUCCESS',
  }),
  () => ({
    root: unordered('crowd', ['a', 'b', 'c', 'd', 'e', 'f'].map(work)),
    ends: 'SUCCESS',
  }),
  () => ({
    root: linear('flaky', [
      work('a'),
      task('b', { task: 'flaky', retry: { attempts: 4, delayMs: 20, factor: 2 } }),
      work('c'),
    ]),
    ends: 'SUCCESS',
  }),
  () => ({
    // Waits for longer than conductors keep what waits: it is parked.
    root: linear('parked', [
      work('a'),
      task('b', { task: 'flaky', retry: { attempts: 3, delayMs: 250 } }),
      work('c'),
    ]),
    ends: 'SUCCESS',
  }),
  () => ({
    root: linear('doomed', [
      work('a'),
      task('b', { task: 'stuck', revertRetry: { attempts: 3, delayMs: 10 } }),
      work('c'),
      task('d', { task: 'fail' }),
    ]),
    ends: 'REVERTED',
  }),
  () => ({
    root: graph(
      'doomed-branch',
      [work('a'), work('b'), task('c', { task: 'fail', retry: { attempts: 2, delayMs: 10 } })],
      [
        { from: 'a', to: 'b' },
        { from: 'a', to: 'c' },
      ],
    ),
    ends: 'REVERTED',
  }),
  () => ({
    root: linear('rounds', [
      work('a'),
      linear('inner', [work('b'), task('c', { task: 'round', requires: ['round'] })], {
        retry: { kind: 'times', attempts: 3, provides: 'round' },
      }),
      work('d'),
    ]),
    ends: 'SUCCESS',
  }),
]

/** The next piece of work: all shapes come often, some of it is delayed. */
export function randomWork(random: Random): Work {
  const shape = random.pick(SHAPES)()
  return random.chance(0.15) ? { ...shape, delayMs: 100 + random.below(400) } : shape
}

/** Work that its conductor holds for a while: three naps, and something short between them. */
export function longWork(): Work {
  const nap = (id: string) => task(id, { task: 'nap' })
  return {
    root: linear('naps', [nap('a'), work('b'), nap('c'), work('d'), nap('e')]),
    ends: 'SUCCESS',
  }
}
