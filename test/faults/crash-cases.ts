/** Flows for crashes: each kind of thing that a machine can be in the middle of. */
import type { JsonObject } from '../../src/base/json.ts'
import type { ResolvedFlow } from '../../src/flow/resolved.ts'
import { graph, linear, task, unordered } from '../support/flows.ts'

export interface CrashCase {
  readonly name: string
  readonly root: ResolvedFlow
  readonly input?: JsonObject
  readonly ends: 'SUCCESS' | 'REVERTED'
  /** False: what is reached when something fails depends on who is faster, crash or not. */
  readonly isExact: boolean
}

const work = (id: string) => task(id, { task: 'work' })
const fail = (id: string) => task(id, { task: 'fail' })
const one = task('one', { task: 'one', provides: ['x'] })
const add = task('add', { task: 'add', requires: ['x'], provides: ['y'] })
const join = task('join', { task: 'join', requires: ['x', 'y'], provides: ['z'] })
const third = (id: string) => task(id, { task: 'third', requires: ['round'] })
const likesC = task('likesC', { task: 'likesC', requires: ['value'] })

export const CASES: readonly CrashCase[] = [
  {
    name: 'values handed on',
    root: linear('values', [one, add, join, work('w')]),
    ends: 'SUCCESS',
    isExact: true,
  },
  {
    name: 'a diamond',
    root: graph(
      'diamond',
      [one, add, join, work('a'), work('b'), work('last')],
      [
        { from: 'one', to: 'a' },
        { from: 'a', to: 'b' },
        { from: 'b', to: 'last' },
        { from: 'join', to: 'last' },
      ],
    ),
    ends: 'SUCCESS',
    isExact: true,
  },
  {
    name: 'a crowd',
    root: unordered('crowd', ['a', 'b', 'c', 'd', 'e'].map(work)),
    ends: 'SUCCESS',
    isExact: true,
  },
  {
    name: 'all reverted',
    root: linear('doomed', [one, add, work('w'), fail('f')]),
    ends: 'REVERTED',
    isExact: true,
  },
  {
    name: 'attempts an hour apart, of reverts too',
    root: linear('attempts', [
      work('a'),
      task('b', {
        task: 'flaky',
        retry: { attempts: 3, delayMs: 3_600_000, factor: 2 },
        revertRetry: { attempts: 2, delayMs: 60_000 },
      }),
      fail('c'),
    ]),
    ends: 'REVERTED',
    isExact: true,
  },
  {
    name: 'rounds of a flow inside',
    root: linear('rounds', [
      work('a'),
      linear('inner', [work('b'), third('c')], {
        retry: { kind: 'times', attempts: 4, delayMs: 60_000, provides: 'round' },
      }),
      work('d'),
    ]),
    ends: 'SUCCESS',
    isExact: true,
  },
  {
    name: 'rounds of the flow itself that are not enough',
    root: linear('whole', [work('a'), third('b')], {
      retry: { kind: 'times', attempts: 2, provides: 'round' },
    }),
    ends: 'REVERTED',
    isExact: true,
  },
  {
    name: 'one value after the other',
    root: linear('forEach', [work('a'), likesC], {
      retry: { kind: 'forEach', values: ['a', 'b', 'c'], provides: 'value', delayMs: 1000 },
    }),
    ends: 'SUCCESS',
    isExact: true,
  },
  {
    name: 'a strategy decides',
    root: linear('decided', [
      work('a'),
      linear('inner', [work('b'), likesC], {
        retry: { kind: 'strategy', strategy: 'nextOf', provides: 'value' },
      }),
    ]),
    ends: 'SUCCESS',
    isExact: true,
  },
  {
    name: 'a strategy gives up',
    root: linear('given-up', [work('a'), fail('b')], {
      retry: { kind: 'strategy', strategy: 'nextOf', provides: 'value' },
    }),
    ends: 'REVERTED',
    isExact: true,
  },
  {
    name: 'a failure that the flow goes on after',
    root: linear('continued', [
      work('a'),
      linear('inner', [work('b'), work('c'), fail('d')], { onFailure: 'continue' }),
      work('e'),
    ]),
    ends: 'SUCCESS',
    isExact: true,
  },
  {
    name: 'retries within retries',
    root: linear(
      'outer',
      [
        work('a'),
        linear('inner', [work('b'), third('c')], { retry: { kind: 'times', attempts: 2 } }),
      ],
      { retry: { kind: 'times', attempts: 3, provides: 'round' } },
    ),
    ends: 'SUCCESS',
    isExact: true,
  },
  {
    name: 'conditions and deciders',
    root: graph(
      'decisions',
      [
        one,
        task('skipped', { task: 'work', when: 'x > 5' }),
        work('after'),
        work('taken'),
        work('last'),
      ],
      [
        { from: 'one', to: 'skipped' },
        { from: 'one', to: 'after', when: 'x == 2', depth: 'path' },
        { from: 'one', to: 'taken', when: 'x == 1' },
        { from: 'after', to: 'last', depth: 'atom' },
        { from: 'taken', to: 'last' },
      ],
    ),
    ends: 'SUCCESS',
    isExact: true,
  },
  {
    name: 'one of a crowd fails',
    root: unordered('race', [work('a'), fail('b'), linear('c', [work('d'), work('e')])]),
    ends: 'REVERTED',
    isExact: false,
  },
]
