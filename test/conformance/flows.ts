/** Scenarios of single tasks, linear, unordered and graph flows, deciders. */
import { F, G, L, Nasty, NastyF, P, root, T, U } from './notation.ts'
import type { Scenario } from './scenario.ts'

export const flows: readonly Scenario[] = [
  {
    id: 'TF-001',
    title: 'a single task runs between the flow’s RUNNING and SUCCESS',
    flow: () => root('linear', [P('task1')]),
    exactly: 'flow RUN, task1 RUN, task1 OK, flow OK',
    state: 'SUCCESS',
  },
  {
    id: 'TF-002',
    title: 'a failing task is reverted itself, and the flow is REVERTED',
    flow: () => root('linear', [F('fail')]),
    exactly: 'flow RUN, FB(fail), flow RVD',
    state: 'REVERTED',
    failures: ['Woot!'],
  },
  {
    id: 'TF-005',
    title: 'empty flows succeed at once, nested ones too',
    flow: () => root('graph', [L('l1', []), G('g2', []), U('u3', [])]),
    exactly: 'flow RUN, flow OK',
    state: 'SUCCESS',
  },
  {
    id: 'TF-008',
    title: 'a nested linear flow runs where it stands',
    flow: () => root('linear', [P('task1'), L('inner', [P('task2')])]),
    exactly: 'flow RUN, task1 RUN, task1 OK, task2 RUN, task2 OK, flow OK',
    state: 'SUCCESS',
  },
  {
    id: 'TF-010',
    title: 'a failure in a nested flow reverts it and what came before it, last first',
    flow: () => root('linear', [P('task1'), L('child', [P('task2'), F('fail')])]),
    exactly:
      'flow RUN, task1 RUN, task1 OK, task2 RUN, task2 OK, FB(fail), task2 RVT, task2 RVD, task1 RVT, task1 RVD, flow RVD',
    state: 'REVERTED',
    failures: ['Woot!'],
  },
  {
    id: 'TF-011',
    title: 'a reverted flow gives nothing',
    flow: () =>
      root('linear', [
        P('one', { provides: ['one'] }),
        P('multi', { provides: ['a', 'b'] }),
        F('fail'),
      ]),
    state: 'REVERTED',
    check: (outcome) => {
      if ('output' in outcome) throw new Error('a reverted flow has an output')
    },
  },
  {
    id: 'TF-013',
    title: 'a revert that fails makes the flow FAILURE; both failures are reported',
    flow: () => root('linear', [Nasty('nasty'), F('fail')]),
    includes: ['nasty RUN, nasty OK, FB(fail), nasty RVT, nasty RVF, flow FAIL'],
    state: 'FAILURE',
    check: (outcome) => {
      const told = JSON.stringify(outcome)
      for (const message of ['Woot!', 'Gotcha!']) {
        if (!told.includes(message))
          throw new Error(`the outcome does not tell ${message}: ${told}`)
      }
    },
  },
  {
    id: 'TF-014',
    title: 'what a failed revert depends on stays as it was',
    flow: () => root('linear', [P('a'), Nasty('b'), F('c')]),
    exactly: 'flow RUN, a RUN, a OK, b RUN, b OK, FB(c), b RVT, b RVF, flow FAIL',
    state: 'FAILURE',
  },
  {
    id: 'TF-031',
    title: 'ready tasks start by priority, bigger first',
    flow: () =>
      root(
        'unordered',
        Array.from({ length: 10 }, (_, i) => P(`task${i}`, { priority: i })),
      ),
    includes: [Array.from({ length: 10 }, (_, i) => `task${9 - i} RUN`).join(', ')],
    state: 'SUCCESS',
    check: (_, events) => {
      const first = events.filter((event) => event.kind === 'task').slice(0, 10)
      if (first.some((event) => event.state !== 'RUNNING'))
        throw new Error('not all ten started first')
    },
  },
  {
    id: 'TF-032',
    title: 'priority orders reverts too',
    flow: () =>
      root('unordered', [
        P('t0', { priority: 0 }),
        P('t1', { priority: 1 }),
        P('t2', { priority: 2 }),
        F('z', { priority: -1 }),
      ]),
    includes: ['t2 RUN, t1 RUN, t0 RUN, z RUN', 't2 RVT, t1 RVT, t0 RVT'],
    state: 'REVERTED',
  },
  {
    id: 'TF-034',
    title: 'a revert that fails in an unordered flow makes the flow FAILURE',
    flow: () => root('linear', [U('u', [P('task1'), Nasty('nasty')]), F('fail')]),
    includes: ['nasty RVT, nasty RVF, flow FAIL', 'task1 RVT, task1 RVD'],
    state: 'FAILURE',
  },
  {
    id: 'TF-035',
    title: 'an unordered flow at the end is reverted before what came first',
    flow: () => root('linear', [P('task1'), P('task2'), U('u', [P('task3'), F('fail')])]),
    includes: [
      'task1 RUN, task2 RUN, fail FAIL, task2 RVD, task1 RVD',
      'task3 RUN, task3 RVD, task2 RVD, task1 RVD',
    ],
    state: 'REVERTED',
  },
  {
    id: 'TF-037',
    title: 'a failure in one branch reverts the other too',
    flow: () => root('unordered', [P('task1'), L('l', [P('task2'), F('fail')])]),
    includes: ['task2 RUN, task2 OK, task2 RVD', 'task1 RUN, task1 OK, task1 RVD'],
    state: 'REVERTED',
  },
  {
    id: 'TF-038',
    title: 'what comes before a failed revert is not reverted',
    flow: () => root('unordered', [P('task1'), L('l', [P('task2'), NastyF('fail')])]),
    never: ['task2 RVD', 'task2 RVT'],
    state: 'FAILURE',
  },
  {
    id: 'TF-040',
    title: 'two failures at the same time are both reported',
    only: 'parallel',
    flow: () => root('unordered', [F('a'), F('b')]),
    anyOrder: 'flow RUN, FB(a), FB(b), flow RVD',
    state: 'REVERTED',
    failures: ['Woot!', 'Woot!'],
  },
  {
    id: 'TF-041',
    title: 'many unordered flows in a linear one finish promptly',
    flow: () =>
      root(
        'linear',
        Array.from({ length: 10 }, (_, i) =>
          U(
            `u${i}`,
            Array.from({ length: 10 }, (_, k) => P(`${i}.${k}`)),
          ),
        ),
      ),
    includes: ['0.0 OK, 5.5 OK, 9.9 OK, flow OK'],
    state: 'SUCCESS',
  },
  {
    id: 'TF-050',
    title: 'a graph orders by symbols, whatever the order of writing',
    flow: () => root('graph', [P('task2', { requires: ['a'] }), P('task1', { provides: ['a'] })]),
    exactly: 'flow RUN, task1 RUN, task1 OK, task2 RUN, task2 OK, flow OK',
    state: 'SUCCESS',
  },
  {
    id: 'TF-052',
    title: 'a graph is reverted against its edges; what never ran is not touched',
    flow: () =>
      root('graph', [
        P('task2', { requires: ['a'], provides: ['b'] }),
        P('task4', { requires: ['c'] }),
        F('task3', { requires: ['b'], provides: ['c'] }),
        P('task1', { provides: ['a'] }),
      ]),
    exactly:
      'flow RUN, task1 RUN, task1 OK, task2 RUN, task2 OK, FB(task3), task2 RVT, task2 RVD, task1 RVT, task1 RVD, flow RVD',
    state: 'REVERTED',
  },
  {
    id: 'TF-053',
    title: 'a failed revert in a graph makes the flow FAILURE',
    flow: () =>
      root('graph', [
        Nasty('task2', { requires: ['a'], provides: ['b'] }),
        F('task3', { requires: ['b'] }),
        P('task1', { provides: ['a'] }),
      ]),
    includes: ['task2 RVF, flow FAIL'],
    never: ['task1 RVT'],
    state: 'FAILURE',
  },
  {
    id: 'TF-059',
    title: 'a link beside a symbol on the same pair is one edge',
    flow: () =>
      root('graph', [P('b', { requires: ['a'] }), P('a', { provides: ['a'] })], {
        links: [{ from: 'a', to: 'b' }],
      }),
    exactly: 'flow RUN, a RUN, a OK, b RUN, b OK, flow OK',
    state: 'SUCCESS',
  },
  {
    id: 'TF-064',
    title: 'nested flows are entered and left as one node each',
    flow: () => root('linear', [P('a'), U('ut', [P('b'), P('c')]), P('d')]),
    includes: ['a OK, b RUN, b OK, d RUN', 'a OK, c RUN, c OK, d RUN'],
    state: 'SUCCESS',
  },
]

const kill = (from: string, to: string, depth?: string) => ({
  from,
  to,
  when: 'go',
  ...(depth === undefined ? {} : { depth }),
})

export const deciders: readonly Scenario[] = [
  {
    id: 'TF-070',
    title: 'a decider that says no ignores its branch, the other runs',
    flow: () =>
      root('graph', [P('task1'), P('task2'), P('task2_2'), P('task3')], {
        input: ['go'],
        links: [
          kill('task1', 'task2', 'all'),
          { from: 'task2', to: 'task2_2' },
          { from: 'task1', to: 'task3', when: '!go' },
        ],
      }),
    input: { go: false },
    anyOrder: 'flow RUN, task1 RUN, task1 OK, task2 IGN, task2_2 IGN, task3 RUN, task3 OK, flow OK',
    state: 'SUCCESS',
  },
  {
    id: 'TF-071',
    title: 'a whole nested flow is ignored, atom by atom',
    flow: () =>
      root('graph', [P('task1'), P('task2'), L('more', [P('task3'), P('task4')])], {
        input: ['go'],
        links: [
          { from: 'task1', to: 'task2' },
          kill('task2', 'more', 'all'),
          kill('task1', 'more', 'all'),
        ],
      }),
    input: { go: false },
    exactly: 'flow RUN, task1 RUN, task1 OK, task2 RUN, task2 OK, task3 IGN, task4 IGN, flow OK',
    state: 'SUCCESS',
  },
  {
    id: 'TF-073',
    title: 'with a depth of TaskFlow’s one no is enough at a join',
    flow: () => diamond('all'),
    input: { go: false },
    includes: ['task4 IGN, flow OK'],
    never: ['task4 RUN'],
    state: 'SUCCESS',
  },
  {
    id: 'TF-073 with path',
    title: 'with the default depth a join runs once, when its live branch is done',
    flow: () => diamond(),
    input: { go: false },
    includes: ['task3 OK, task4 RUN, task4 OK, flow OK'],
    state: 'SUCCESS',
  },
  ...depths(),
  {
    id: 'TF-077',
    title: 'depth atom: what comes after the ignored one runs with the value before it',
    flow: () =>
      root('graph', [inc('a'), inc('b'), inc('c')], {
        input: ['value', 'go'],
        links: [kill('a', 'b', 'atom'), { from: 'b', to: 'c' }],
      }),
    input: { value: 0, go: false },
    includes: ['a OK, b IGN, c RUN, c OK'],
    state: 'SUCCESS',
  },
  {
    id: 'TF-079',
    title: 'a revert passes over an ignored atom',
    flow: () =>
      root('graph', [P('a'), P('b'), F('c')], {
        input: ['go'],
        links: [kill('a', 'b', 'atom'), { from: 'b', to: 'c' }],
      }),
    input: { go: false },
    exactly: 'flow RUN, a RUN, a OK, b IGN, FB(c), a RVT, a RVD, flow RVD',
    state: 'REVERTED',
  },
  {
    id: 'TF-080',
    title: 'of several no the widest depth counts',
    flow: () =>
      root('graph', [P('a'), P('b'), P('c'), P('d')], {
        input: ['go'],
        links: [kill('a', 'c', 'atom'), kill('b', 'c', 'all'), { from: 'c', to: 'd' }],
      }),
    input: { go: false },
    includes: ['c IGN, d IGN, flow OK'],
    state: 'SUCCESS',
  },
  {
    id: 'TF-081',
    title: 'an ignored atom’s decider is not asked',
    flow: () =>
      root('graph', [P('a'), P('b'), P('c')], {
        input: ['go'],
        // The second condition would fail if it were evaluated.
        links: [kill('a', 'b', 'atom'), { from: 'b', to: 'c', when: '1 / 0 > 1', depth: 'atom' }],
      }),
    input: { go: false },
    includes: ['b IGN, c RUN, c OK'],
    state: 'SUCCESS',
  },
  {
    id: 'TF-083',
    title: 'an ignored flow’s retry is ignored with it',
    flow: () =>
      root('graph', [P('a'), L('sub', [P('s1')], { retry: { attempts: 2 } })], {
        input: ['go'],
        links: [kill('a', 'sub')],
      }),
    input: { go: false },
    names: { 'flow/sub:retry': 'r' },
    exactly: 'flow RUN, a RUN, a OK, r IGN, s1 IGN, flow OK',
    state: 'SUCCESS',
  },
  {
    id: 'TF-085',
    title: 'a round of a retry asks the deciders again',
    flow: () =>
      root('graph', [P('a'), P('b'), F('c')], {
        input: ['go'],
        retry: { attempts: 2 },
        links: [kill('a', 'b', 'atom'), { from: 'b', to: 'c' }],
      }),
    input: { go: false },
    names: { 'flow:retry': 'r' },
    exactly:
      'flow RUN, r RUN, r OK(1), a RUN, a OK, b IGN, FB(c), a RVT, a RVD, r RTY, a PEND, b PEND, c PEND, r RUN, r OK(2), a RUN, a OK, b IGN, FB(c), a RVT, a RVD, r RVT, r RVD, flow RVD',
    state: 'REVERTED',
  },
  {
    id: 'TF-086',
    title: 'nothing of the default depth leaks out of its flow',
    flow: () =>
      root(
        'linear',
        [
          G('in', [P('a'), P('b'), P('c')], { links: [kill('a', 'b'), { from: 'b', to: 'c' }] }),
          P('after'),
        ],
        { input: ['go'] },
      ),
    input: { go: false },
    exactly: 'flow RUN, a RUN, a OK, b IGN, c IGN, after RUN, after OK, flow OK',
    state: 'SUCCESS',
  },
  {
    id: 'TF-086 with all',
    title: 'depth all does leak out, as in TaskFlow',
    flow: () =>
      root(
        'linear',
        [
          G('in', [P('a'), P('b'), P('c')], {
            links: [kill('a', 'b', 'all'), { from: 'b', to: 'c' }],
          }),
          P('after'),
        ],
        { input: ['go'] },
      ),
    input: { go: false },
    includes: ['b IGN', 'c IGN', 'after IGN', 'flow OK'],
    state: 'SUCCESS',
  },
  {
    id: 'decider failure',
    title: 'a decider that cannot be evaluated is a failure of its atom, which never began',
    flow: () =>
      root('graph', [P('a'), P('b')], { links: [{ from: 'a', to: 'b', when: '1 / 0 > 1' }] }),
    exactly: 'flow RUN, a RUN, a OK, b FAIL, b RVT, b RVD, a RVT, a RVD, flow RVD',
    state: 'REVERTED',
  },
]

function diamond(depth?: string) {
  return root('graph', [P('task1'), P('task2'), P('task3'), P('task4')], {
    input: ['go'],
    links: [
      { from: 'task1', to: 'task2' },
      { from: 'task1', to: 'task3' },
      kill('task2', 'task4', depth),
      { from: 'task3', to: 'task4', when: '!go' },
    ],
  })
}

function inc(id: string) {
  return T(id, { requires: ['go'], execute: () => ({}) })
}

/** TF-076: what each depth ignores. */
function depths(): readonly Scenario[] {
  const ignored: { readonly [depth: string]: readonly string[] } = {
    all: ['g-2', 'g_1-1', 'g-3', 'g-4'],
    flow: ['g-2', 'g-3', 'g-4'],
    neighbors: ['g-2', 'g-3'],
    atom: ['g-2'],
  }
  const all = ['g-2', 'g_1-1', 'g-3', 'g-4']
  return Object.entries(ignored).map(([depth, names]) => ({
    id: `TF-076 ${depth}`,
    title: `depth ${depth} ignores ${names.join(', ')}`,
    flow: () =>
      root('graph', [P('g-1'), P('g-2'), P('g-3'), P('g-4'), L('sub', [P('g_1-1')])], {
        input: ['go'],
        links: [
          kill('g-1', 'g-2', depth),
          { from: 'g-2', to: 'sub' },
          { from: 'g-2', to: 'g-3' },
          { from: 'g-3', to: 'g-4' },
          { from: 'g-1', to: 'sub', when: '!go', depth },
        ],
      }),
    input: { go: false },
    includes: names.map((name) => `${name} IGN`),
    never: all.filter((name) => !names.includes(name)).map((name) => `${name} IGN`),
    state: 'SUCCESS' as const,
  }))
}
