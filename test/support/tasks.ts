/**
 * The programmable tasks of the tests: one body that does what its arguments say, as a task of this thread (`act`) and as one
 * of a worker thread (`compute`).
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { isMainThread } from 'node:worker_threads'
import type { RevertContext, TaskContext } from '../../src/flow/context.ts'
import { retryStrategy } from '../../src/flow/retry-strategy.ts'
import { task } from '../../src/flow/task.ts'
import { TaskError } from '../../src/base/errors.ts'
import { z } from 'zod'

/** What `act` and `compute` can do. */
export const DEEDS = [
  'succeed',
  'fail',
  'failTimes',
  'wait',
  'hang',
  'hangDeaf',
  'spin',
  'spinListening',
  'exit',
  'eatMemory',
  'throwLater',
  'junk',
  'throwJunk',
  'progress',
  'tell',
  'mutate',
  'log',
] as const

const requires = {
  does: z.enum(DEEDS),
  /** Who it is, in the journal; and which junk. */
  key: z.string().default(''),
  count: z.int().default(0),
  value: z.json().default(null),
}
const provides = { value: z.unknown() }
interface Instructions {
  readonly does: (typeof DEEDS)[number]
  readonly key: string
  readonly count: number
  readonly value: unknown
}

/** What happened in this thread, in order: `start k`, `end k`, `abort k TimeoutError`, `revert k failure`. */
export const journal: string[] = []
const gates = new Map<string, { readonly promise: Promise<void>; readonly open: () => void }>()

/** Lets the tasks that `wait` for this key go on, now and later. */
export function openGate(key: string): void {
  gateOf(key).open()
}

/** As at the start: nothing in the journal, all gates shut. */
export function resetTasks(): void {
  journal.length = 0
  gates.clear()
  tries.clear()
}

function gateOf(key: string): { readonly promise: Promise<void>; readonly open: () => void } {
  const known = gates.get(key)
  if (known !== undefined) return known
  let open = (): void => {}
  const promise = new Promise<void>((resolve) => {
    open = resolve
  })
  const gate = { promise, open }
  gates.set(key, gate)
  return gate
}

const tries = new Map<string, number>()

async function body(args: Instructions, context: TaskContext): Promise<{ value: unknown }> {
  const { does, key, count, value } = args
  journal.push(`start ${key}`)
  try {
    return { value: await deed(does, key, count, value, context) }
  } finally {
    journal.push(`end ${key}`)
  }
}

async function deed(
  does: Instructions['does'],
  key: string,
  count: number,
  value: unknown,
  context: TaskContext,
): Promise<unknown> {
  switch (does) {
    case 'succeed':
      return value
    case 'fail':
      throw new TaskError(`${key} failed`, { code: 'Planned', data: { key } })
    case 'failTimes': {
      const failed = tries.get(key) ?? 0
      tries.set(key, failed + 1)
      if (failed < count) throw new Error(`try ${failed + 1} of ${key} failed`)
      return value
    }
    case 'wait':
      await gateOf(key).promise
      return value
    case 'hang': {
      const { signal } = context
      if (!signal.aborted) {
        await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()))
      }
      const reason: unknown = signal.reason
      journal.push(`abort ${key} ${reason instanceof Error ? reason.name : 'junk'}`)
      throw reason
    }
    case 'hangDeaf':
      await gateOf(`deaf ${key}`).promise
      return 'too late'
    case 'spin':
      for (;;);
    case 'spinListening':
      while (!context.signal.aborted) context.heartbeat()
      throw context.signal.reason
    case 'exit':
      process.exit(count)
      return null
    case 'eatMemory': {
      const kept: string[][] = []
      for (;;) kept.push(Array.from({ length: 100_000 }, (_, index) => `${index}-${kept.length}`))
    }
    case 'throwLater':
      setTimeout(() => {
        throw new Error('thrown in the background')
      }, 1)
      await sleep(60_000)
      return null
    case 'junk':
      return JUNK.get(key)?.()
    case 'throwJunk':
      throw THROWN.get(key)?.()
    case 'progress':
      for (let step = 0; step <= count; step++)
        context.progress(step / Math.max(1, count), { step })
      return value
    case 'tell':
      return {
        attempt: context.attempt,
        idempotencyKey: context.idempotencyKey,
        flowId: context.flowId,
        flow: context.flow,
        atom: context.atom,
        job: context.job,
        failures: context.failures,
      }
    case 'mutate':
      if (Array.isArray(value)) value.push('changed by the task')
      return value
    case 'log':
      context.logger.info({ key, error: new Error('in a field') }, 'said by a task')
      return value
  }
}

function undo(
  given: { readonly args: Instructions; readonly result?: unknown; readonly failure?: unknown },
  context: RevertContext,
): void {
  const { key } = given.args
  const what = given.failure === undefined ? JSON.stringify(given.result) : 'failure'
  journal.push(`revert ${key} ${context.outcome} ${what}`)
  if (given.args.value === 'fail to revert') throw new Error(`${key} cannot be reverted`)
}

export const act = task('act', { requires, provides, execute: body, revert: undo })
export const compute = task('compute', {
  requires,
  provides,
  cpu: true,
  execute: body,
  revert: undo,
})
export const noop = task('noop', { execute: () => undefined })
export const asyncNoop = task('noop.async', { execute: async () => undefined })
/** Gives what it needs in `number`, so that what its arguments and results must be is declared. */
export const declared = task('declared', {
  requires: { number: z.number() },
  provides: { number: z.number(), text: z.string() },
  execute: ({ number }) => (number < 0 ? { number } : { number, text: 'ok' }) as never, // faults are wanted
})
export const whereAmI = task('whereAmI', {
  provides: { isMainThread: z.boolean() },
  cpu: import.meta.url,
  execute: () => ({ isMainThread }),
})
export const patient = retryStrategy('patient', (history) =>
  history.length < 3 ? { decision: 'RETRY', delay: '5s', value: history.length } : 'REVERT',
)
export const confused = retryStrategy('confused', () => 'PERHAPS' as never) // junk is wanted

class Account {
  readonly balance = 1
}

/** Values that no task may give, by name; with each, where in the result the fault is reported. */
export const JUNK: ReadonlyMap<string, () => unknown> = new Map<string, () => unknown>([
  ['a function', () => () => 1],
  ['a symbol', () => Symbol('s')],
  ['a BigInt', () => 10n],
  ['NaN', () => Number.NaN],
  ['Infinity', () => -Infinity],
  ['a Date', () => new Date(0)],
  ['a Map', () => new Map([[1, 2]])],
  ['a Set', () => new Set([1])],
  ['a Buffer', () => Buffer.from('x')],
  ['a class instance', () => new Account()],
  ['undefined in a list', () => [1, undefined]],
  ['a hole in a list', () => [1, , 3]], // oxlint-disable-line no-sparse-arrays -- the hole is the point
  ['itself', selfContaining],
  [
    'a getter that throws',
    () => ({
      get bad(): unknown {
        throw new Error('getter')
      },
    }),
  ],
  [
    'a Proxy that throws',
    () =>
      new Proxy(
        { a: 1 },
        {
          ownKeys() {
            throw new Error('trap')
          },
        },
      ),
  ],
  [
    'a toJSON that throws',
    () =>
      Object.assign(() => 1, {
        toJSON() {
          throw new Error('toJSON')
        },
      }),
  ],
  ['a NUL character', () => 'a\0b'],
  ['half a surrogate pair', () => '\ud800'],
  ['three megabytes', () => 'x'.repeat(3 * 1024 * 1024)],
  [
    'a million keys',
    () => Object.fromEntries(Array.from({ length: 300_000 }, (_, i) => [`key${i}`, i])),
  ],
  ['too many levels', () => nested(1_000)],
  ['the key __proto__', () => JSON.parse('{ "__proto__": { "polluted": true } }') as unknown],
  ['an Error', () => new Error('returned, not thrown')],
  ['a pending promise', () => ({ later: new Promise(() => {}) })],
])

/** What a task may throw that is no proper error, by name. */
export const THROWN: ReadonlyMap<string, () => unknown> = new Map<string, () => unknown>([
  ['null', () => null],
  ['undefined', () => undefined],
  ['a text', () => 'just a text'],
  ['an empty text', () => ''],
  ['a number', () => 42],
  ['a BigInt', () => 1n],
  ['a symbol', () => Symbol('thrown')],
  ['a function', () => () => 1],
  ['an object', () => ({ some: 'object' })],
  ['an object that contains itself', selfContaining],
  ['an error without a message', () => new Error('')],
  ['an error with a circular cause', circularCause],
  ['an error whose message throws', badMessage],
  [
    'an aggregate of 100,000',
    () =>
      new AggregateError(
        Array.from({ length: 100_000 }, (_, i) => new Error(`e${i}`)),
        'many',
      ),
  ],
  ['an error with a stack of 10 MB', hugeStack],
  ['an error with NUL characters', () => new Error('a\0b\ud800')],
  [
    'a Proxy of an error',
    () =>
      new Proxy(new Error('x'), {
        get() {
          throw new Error('trap')
        },
      }),
  ],
  ['a class instance', () => new Account()],
  ['a stack overflow', overflow],
])

function selfContaining(): unknown {
  const value: { [key: string]: unknown } = { deep: {} }
  value['deep'] = { again: value }
  return value
}

function nested(levels: number): unknown {
  let value: unknown = 1
  for (let level = 0; level < levels; level++) value = [value]
  return value
}

function circularCause(): Error {
  const error = new Error('outer')
  error.cause = new Error('inner', { cause: error })
  return error
}

function badMessage(): Error {
  return Object.defineProperty(new Error('x'), 'message', {
    get() {
      throw new Error('message getter')
    },
  })
}

function hugeStack(): Error {
  const error = new Error('long')
  error.stack = `Error: long\n${'    at nowhere (file.js:1:1)\n'.repeat(400_000)}`
  return error
}

function overflow(): unknown {
  const recurse = (): unknown => [recurse()]
  try {
    return recurse()
  } catch (error) {
    return error
  }
}
