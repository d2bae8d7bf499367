/** Scenarios of retries, arguments and scopes. */
import { retryStrategy } from '../../src/index.ts'
import { C, cel, F, Fx, L, P, root, T, U, type Untyped } from './notation.ts'
import type { Scenario } from './scenario.ts'

const ROUND = (r: string, round: number, ...events: string[]) =>
  [`${r} RUN`, `${r} OK(${round})`, ...events].join(', ')
const N = P

/** Three rounds of a failing flow under a retry with three attempts. */
const thrice = [1, 2, 3]
  .map((round) => ROUND('r1', round, 't1 RUN, t1 OK, FB(t2), t1 RVT, t1 RVD'))
  .join(', r1 RTY, t1 PEND, t2 PEND, ')

export const retries: readonly Scenario[] = [
  {
    id: 'TF-100',
    title: 'a flow with a retry is reverted and runs again until it succeeds',
    flow: () =>
      root(
        'linear',
        [L('flow-1', [P('task1'), C('task2')], { retry: { attempts: 4, provides: 'x' } })],
        {
          input: ['y'],
        },
      ),
    input: { y: 2 },
    names: { 'flow/flow-1:retry': 'r1' },
    exactly: `flow RUN, ${ROUND('r1', 1, 'task1 RUN, task1 OK, FB(task2), task1 RVT, task1 RVD')}, r1 RTY, task1 PEND, task2 PEND, ${ROUND('r1', 2, 'task1 RUN, task1 OK, task2 RUN, task2 OK')}, flow OK`,
    output: { x: 2 },
    state: 'SUCCESS',
  },
  {
    id: 'TF-101',
    title: 'when the attempts are used up everything is reverted, the retry last',
    flow: () =>
      root(
        'linear',
        [L('flow-1', [P('task1'), C('task2')], { retry: { attempts: 2, provides: 'x' } })],
        {
          input: ['y'],
        },
      ),
    input: { y: 4 },
    names: { 'flow/flow-1:retry': 'r1' },
    exactly: `flow RUN, ${ROUND('r1', 1, 'task1 RUN, task1 OK, FB(task2), task1 RVT, task1 RVD')}, r1 RTY, task1 PEND, task2 PEND, ${ROUND('r1', 2, 'task1 RUN, task1 OK, FB(task2), task1 RVT, task1 RVD')}, r1 RVT, r1 RVD, flow RVD`,
    state: 'REVERTED',
    failures: ['Woot!'],
  },
  {
    id: 'TF-103',
    title: 'an inner retry that heals does not ask the outer one',
    flow: () =>
      root(
        'linear',
        [
          L(
            'flow-1',
            [
              N('task1'),
              L('flow-2', [N('task2'), C('task3')], { retry: { attempts: 3, provides: 'x' } }),
              N('task4'),
            ],
            { retry: { never: 'revert' } },
          ),
        ],
        { input: ['y'] },
      ),
    input: { y: 2 },
    names: { 'flow/flow-1:retry': 'r1', 'flow/flow-1/flow-2:retry': 'r2' },
    exactly: `flow RUN, r1 RUN, r1 OK, task1 RUN, task1 OK, ${ROUND('r2', 1, 'task2 RUN, task2 OK, FB(task3), task2 RVT, task2 RVD')}, r2 RTY, task2 PEND, task3 PEND, ${ROUND('r2', 2, 'task2 RUN, task2 OK, task3 RUN, task3 OK')}, task4 RUN, task4 OK, flow OK`,
    state: 'SUCCESS',
  },
  {
    id: 'TF-104',
    title: 'an inner retry that gives up leaves nothing outside un-reverted',
    flow: () =>
      root(
        'linear',
        [
          N('task1'),
          L('flow-2', [N('task2'), C('task3')], { retry: { attempts: 1, provides: 'x' } }),
          N('task4'),
        ],
        { input: ['y'] },
      ),
    input: { y: 2 },
    names: { 'flow/flow-2:retry': 'r1' },
    exactly: `flow RUN, task1 RUN, task1 OK, ${ROUND('r1', 1, 'task2 RUN, task2 OK, FB(task3), task2 RVT, task2 RVD')}, r1 RVT, r1 RVD, task1 RVT, task1 RVD, flow RVD`,
    state: 'REVERTED',
  },
  {
    id: 'TF-106',
    title: 'the siblings of a failed task in an unordered flow are reverted and run again',
    flow: () =>
      root('unordered', [P('task1'), C('task2')], {
        input: ['y'],
        retry: { attempts: 3, provides: 'x' },
      }),
    input: { y: 2 },
    names: { 'flow:retry': 'r' },
    anyOrder:
      'flow RUN, r RUN, r OK(1), task1 RUN, task2 RUN, task1 OK, task2 FAIL, task2 RVT, task1 RVT, task2 RVD, task1 RVD, r RTY, task1 PEND, task2 PEND, r RUN, r OK(2), task1 RUN, task2 RUN, task1 OK, task2 OK, flow OK',
    state: 'SUCCESS',
  },
  {
    id: 'TF-107',
    title: 'what an inner retry gives up, an outer one tries again',
    flow: () =>
      root(
        'linear',
        [P('task1'), L('in', [C('task2')], { retry: { attempts: 1, provides: 'x2' } })],
        { input: ['y'], retry: { attempts: 3, provides: 'x' } },
      ),
    input: { y: 2 },
    names: { 'flow:retry': 'r1', 'flow/in:retry': 'r2' },
    exactly: `flow RUN, r1 RUN, r1 OK(1), task1 RUN, task1 OK, r2 RUN, r2 OK(1), FB(task2), r2 RVT, r2 RVD, task1 RVT, task1 RVD, r1 RTY, task1 PEND, r2 PEND, task2 PEND, r1 RUN, r1 OK(2), task1 RUN, task1 OK, r2 RUN, r2 OK(1), task2 RUN, task2 OK, flow OK`,
    output: { x: 2, x2: 1 },
    state: 'SUCCESS',
  },
  {
    id: 'TF-109',
    title: 'then: revertAll passes the outer retry by when the attempts are used up',
    flow: () =>
      root(
        'linear',
        [
          P('task1'),
          L('in', [C('task2')], { retry: { attempts: 1, provides: 'x2', then: 'revertAll' } }),
        ],
        { input: ['y'], retry: { attempts: 3, provides: 'x' } },
      ),
    input: { y: 2 },
    names: { 'flow:retry': 'r1', 'flow/in:retry': 'r2' },
    exactly:
      'flow RUN, r1 RUN, r1 OK(1), task1 RUN, task1 OK, r2 RUN, r2 OK(1), FB(task2), r2 RVT, r2 RVD, task1 RVT, task1 RVD, r1 RVT, r1 RVD, flow RVD',
    state: 'REVERTED',
  },
  {
    id: 'TF-110',
    title: 'never: revertAll reverts everything; the outer retry is not used',
    flow: () =>
      root('linear', [P('task1'), L('in', [C('task2')], { retry: { never: 'revertAll' } })], {
        input: ['y'],
        retry: { attempts: 3, provides: 'x' },
      }),
    input: { y: 2 },
    names: { 'flow:retry': 'r1', 'flow/in:retry': 'r2' },
    exactly:
      'flow RUN, r1 RUN, r1 OK(1), task1 RUN, task1 OK, r2 RUN, r2 OK, FB(task2), r2 RVT, r2 RVD, task1 RVT, task1 RVD, r1 RVT, r1 RVD, flow RVD',
    state: 'REVERTED',
  },
  {
    id: 'TF-112',
    title: 'an outer revertAll asked by an inner revert reverts everything',
    flow: () =>
      root('linear', [
        P('a'),
        L('out', [P('b'), L('in', [F('c')], { retry: { never: 'revert' } })], {
          retry: { never: 'revertAll' },
        }),
      ]),
    names: { 'flow/out:retry': 'r1', 'flow/out/in:retry': 'r2' },
    exactly:
      'flow RUN, a RUN, a OK, r1 RUN, r1 OK, b RUN, b OK, r2 RUN, r2 OK, FB(c), r2 RVT, r2 RVD, b RVT, b RVD, r1 RVT, r1 RVD, a RVT, a RVD, flow RVD',
    state: 'REVERTED',
  },
  {
    id: 'TF-113',
    title: 'nested retries multiply, and in the end nothing is left un-reverted',
    flow: () =>
      root('linear', [P('a'), L('in', [F('c')], { retry: { attempts: 2 } })], {
        retry: { attempts: 2 },
      }),
    names: { 'flow:retry': 'r1', 'flow/in:retry': 'r2' },
    includes: ['r1 RVT, r1 RVD, flow RVD', 'a RVT, a RVD, r1 RTY', 'a RVT, a RVD, r1 RVT'],
    state: 'REVERTED',
    check: (_, events) => {
      const runs = events.filter((event) => event.name === 'flow/in/c' && event.state === 'RUNNING')
      if (runs.length !== 4) throw new Error(`c ran ${runs.length} times, expected 4`)
    },
  },
  {
    id: 'TF-115',
    title: 'what never ran is not set back to PENDING',
    flow: () =>
      root('linear', [C('c'), P('t1')], { input: ['y'], retry: { attempts: 3, provides: 'x' } }),
    input: { y: 2 },
    names: { 'flow:retry': 'r1' },
    exactly:
      'flow RUN, r1 RUN, r1 OK(1), FB(c), r1 RTY, c PEND, r1 RUN, r1 OK(2), c RUN, c OK, t1 RUN, t1 OK, flow OK',
    state: 'SUCCESS',
  },
  {
    id: 'TF-116',
    title: 'three attempts are three rounds',
    flow: () => root('linear', [P('t1'), F('t2')], { retry: { attempts: 3 } }),
    names: { 'flow:retry': 'r1' },
    exactly: `flow RUN, ${thrice}, r1 RVT, r1 RVD, flow RVD`,
    state: 'REVERTED',
    failures: ['Woot!'],
  },
  ...[undefined, 'revertAll' as const].map((then) => ({
    id: then === undefined ? 'TF-118' : 'TF-118 revertAll',
    title: 'forEach gives one value a round, equal ones each, until none is left',
    flow: () =>
      root('linear', [
        P('task1'),
        L('in', [Fx('task2')], { retry: { forEach: [3, 2, 3, 5], provides: 'x', then } }),
      ]),
    names: { 'flow/in:retry': 'r1' },
    exactly: `flow RUN, task1 RUN, task1 OK, ${[3, 2, 3, 5].map((x) => `r1 RUN, r1 OK(${x}), FB(task2)`).join(', r1 RTY, task2 PEND, ')}, r1 RVT, r1 RVD, task1 RVT, task1 RVD, flow RVD`,
    state: 'REVERTED' as const,
    failures: ['Woot with 5'],
  })),
  {
    id: 'TF-119',
    title: 'forEach over nothing is a failure that says so',
    flow: () =>
      root(
        'linear',
        [P('a'), L('in', [P('b')], { retry: { forEach: cel('none'), provides: 'x' } })],
        { input: ['none'] },
      ),
    input: { none: [] },
    never: ['b RUN'],
    includes: ['a OK, a RVD, flow RVD'],
    state: 'REVERTED',
    failures: ['No elements left'],
  },
  {
    id: 'TF-119 parameterized',
    title: 'forEach takes its values from the flow’s input',
    flow: () =>
      root('linear', [C('c')], {
        input: ['values', 'y'],
        retry: { forEach: cel('values'), provides: 'x' },
      }),
    input: { values: [1, 7, 9], y: 7 },
    names: { 'flow:retry': 'r1' },
    exactly:
      'flow RUN, r1 RUN, r1 OK(1), FB(c), r1 RTY, c PEND, r1 RUN, r1 OK(7), c RUN, c OK, flow OK',
    output: { x: 7 },
    state: 'SUCCESS',
  },
  {
    id: 'TF-121',
    title: 'the retry of an empty flow gives its value',
    flow: () => root('linear', [U('u', [], { retry: { attempts: 1, provides: 'x' } })]),
    output: { x: 1 },
    state: 'SUCCESS',
  },
  {
    id: 'TF-128',
    title: 'a running sibling is awaited, then reverted, before the next round',
    only: 'parallel',
    flow: () => {
      let failed: () => void = () => undefined
      const failing = new Promise<void>((resolve) => (failed = resolve))
      return root(
        'unordered',
        [
          T('task1', { execute: () => failing }),
          T('task2', {
            requires: ['x', 'y'],
            execute: ({ x, y }) => {
              queueMicrotask(() => setImmediate(failed))
              if (x !== y) throw new Error('Woot!')
            },
          }),
        ],
        { input: ['y'], retry: { attempts: 3, provides: 'x' } },
      )
    },
    input: { y: 2 },
    names: { 'flow:retry': 'r' },
    anyOrder:
      'flow RUN, r RUN, r OK(1), task1 RUN, task2 RUN, task2 FAIL, task2 RVT, task2 RVD, task1 OK, task1 RVT, task1 RVD, r RTY, task1 PEND, task2 PEND, r RUN, r OK(2), task1 RUN, task2 RUN, task2 OK, task1 OK, flow OK',
    includes: ['task2 FAIL, task1 OK, task1 RVT, task1 RVD, r RTY'],
    state: 'SUCCESS',
  },
  {
    id: 'TF-130',
    title: 'a sibling’s RETRY does not override a REVERT_ALL',
    only: 'parallel',
    flow: () =>
      root('linear', [
        N('task1'),
        U('u', [
          L('s1', [
            L(
              'a',
              [T('slow', { execute: () => new Promise((resolve) => setTimeout(resolve, 30)) })],
              {
                retry: { attempts: 4, delay: '5ms', then: 'revertAll' },
              },
            ),
            L('b', [F('f1')], { retry: { attempts: 4, delay: '5ms', then: 'revertAll' } }),
          ]),
          L('s2', [L('c', [F('f2')], { retry: { attempts: 1000, delay: '5ms' } })]),
        ]),
      ]),
    includes: ['task1 OK, task1 RVT, task1 RVD, flow RVD'],
    state: 'REVERTED',
  },
  {
    id: 'TF-131',
    title: 'a strategy that throws is a failure of its retry, and everything is reverted',
    flow: () => {
      const broken = retryStrategy('broken', () => {
        throw new Error('no idea')
      })
      return root('linear', [P('a'), F('c')], { retry: { strategy: broken } })
    },
    includes: ['c FAIL, c RVT, c RVD, a RVT, a RVD, flow RVD'],
    state: 'REVERTED',
    failures: ['Woot!', 'no idea'],
  },
  {
    id: 'TF-131 junk',
    title: 'a strategy that returns junk is a failure of its retry',
    flow: () => {
      const junk = retryStrategy('junk', (() => 'MAYBE') as Untyped)
      return root('linear', [P('a'), F('c')], { retry: { strategy: junk } })
    },
    includes: ['c FAIL, c RVT, c RVD, a RVT, a RVD, flow RVD'],
    state: 'REVERTED',
  },
  {
    id: 'strategy',
    title: 'a custom strategy decides with the history, and may give the next value',
    flow: () => {
      const third = retryStrategy('third', (history) =>
        history.length < 3 ? { decision: 'RETRY', value: history.length * 10 } : 'REVERT',
      )
      return root('linear', [C('c')], { input: ['y'], retry: { strategy: third, provides: 'x' } })
    },
    input: { y: 20 },
    names: { 'flow:retry': 'r' },
    includes: ['FB(c), r RTY, c PEND, r RUN, r OK(10)', 'r OK(20), c RUN, c OK, flow OK'],
    state: 'SUCCESS',
  },
  {
    id: 'TF-133',
    title: 'a failure that a later attempt healed is not reported again',
    flow: () =>
      root(
        'linear',
        [
          L('in', [C('c')], { retry: { attempts: 3, provides: 'x' } }),
          T('z', {
            execute: () => {
              throw new Error('only z')
            },
          }),
        ],
        {
          input: ['y'],
        },
      ),
    input: { y: 2 },
    state: 'REVERTED',
    failures: ['only z'],
  },
]

export const symbols: readonly Scenario[] = [
  {
    id: 'TF-140',
    title: 'results are saved under the names that the task provides',
    flow: () =>
      root('linear', [
        T('multi', {
          provides: ['badger', 'mushroom', 'snake'],
          execute: () => ({ badger: 1, mushroom: 3, snake: 5 }),
        }),
      ]),
    output: { badger: 1, mushroom: 3, snake: 5 },
    state: 'SUCCESS',
  },
  {
    id: 'TF-142',
    title: 'bound arguments come before symbols',
    flow: () =>
      root(
        'linear',
        [
          T('sum', {
            requires: ['x', 'y', 'z'],
            provides: ['total'],
            execute: ({ x, y, z }) => ({ total: x + y + z }),
          }).with({
            x: 1,
            y: cel('b'),
            z: 9,
          }),
        ],
        { input: ['b'] },
      ),
    input: { b: 4 },
    output: { total: 14 },
    state: 'SUCCESS',
  },
  ...(
    [
      [{ a: 3 }, {}, 15],
      [{ a: 3, b: 7 }, {}, 21],
      [{ a: 3 }, { a: 10 }, 50],
      [{ a: 3, b: 7 }, { a: 10 }, 70],
      [{ a: 3, b: 7 }, { b: 1000 }, 3000],
    ] as const
  ).map(([input, bound, total]) => ({
    id: `TF-146 ${JSON.stringify(input)} ${JSON.stringify(bound)}`,
    title: 'an optional argument is given when somebody provides it',
    flow: () =>
      root(
        'linear',
        [
          T('opt', {
            requires: ['a'],
            optional: ['b'],
            provides: ['total'],
            execute: ({ a, b = 5 }) => ({ total: a * b }),
          }).with(bound),
        ],
        { input: Object.keys(input) },
      ),
    input,
    output: { total },
    state: 'SUCCESS' as const,
  })),
  {
    id: 'TF-148',
    title: 'the nearest provider wins over the flow’s input (in TaskFlow the store shadows it)',
    flow: () =>
      root(
        'linear',
        [1, 2, 3].map((i) =>
          T(`inc${i}`, {
            requires: ['value'],
            provides: ['value'],
            execute: ({ value }) => ({ value: value + 1 }),
          }),
        ),
        { input: ['value'] },
      ),
    input: { value: 0 },
    output: { value: 3 },
    state: 'SUCCESS',
  },
  {
    id: 'TF-151',
    title:
      'lookup goes to the nearest earlier atom, then outwards, and does not see siblings of an unordered flow',
    flow: () => {
      const say = (name: string) => T(name, { provides: ['who'], execute: () => ({ who: name }) })
      const ask = (name: string, as: string) =>
        T(name, { requires: ['who'], provides: [as], execute: ({ who }) => ({ [as]: who }) })
      return root('linear', [
        say('root.1'),
        ask('root.2', 'first'),
        L('subroot', [ask('sub.1', 'outer'), say('sub.2'), ask('sub.3', 'inner')]),
        U('u', [
          ask('u.1', 'unordered'),
          T('u.2', { provides: ['other'], execute: () => ({ other: 'u.2' }) }),
        ]),
        ask('root.4', 'last'),
      ])
    },
    state: 'SUCCESS',
    check: (outcome) => {
      const { first, outer, inner, unordered, last } = (outcome as Untyped).output
      const seen = [first, outer, inner, unordered, last].join(' ')
      if (seen !== 'root.1 root.1 sub.2 sub.2 sub.2') throw new Error(seen)
    },
  },
  {
    id: 'TF-154',
    title: 'a result that lacks a declared symbol is a failure of its task',
    flow: () =>
      root('linear', [
        P('before'),
        T('short', { provides: ['a', 'b'], execute: () => ({ a: 1 }) }),
        P('after', { requires: ['b'] }),
      ]),
    includes: ['short FAIL, short RVT, short RVD, before RVT, before RVD, flow RVD'],
    never: ['after RUN'],
    state: 'REVERTED',
    failures: ['b'],
  },
]
