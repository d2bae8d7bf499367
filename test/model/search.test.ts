import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { explore, fault, step, STUCK, tell, type Model, type Step } from './search.ts'
import { assertBroken, assertHolds } from './verdicts.ts'

/** Two processes add one to a counter; without a lock each reads, then writes what it read plus one. */
interface Counter {
  value: number
  lock: 'none' | 'P' | 'Q'
  P: { at: 'start' | 'read' | 'done'; saw: number }
  Q: { at: 'start' | 'read' | 'done'; saw: number }
}

function counter(options: { readonly locked: boolean }): Model<Counter> {
  return {
    initial: {
      value: 0,
      lock: 'none',
      P: { at: 'start', saw: 0 },
      Q: { at: 'start', saw: 0 },
    },
    *steps(state): Generator<Step<Counter>> {
      for (const name of ['P', 'Q'] as const) {
        if (state[name].at === 'start' && !(options.locked && state.lock !== 'none')) {
          yield step(`${name} reads ${state.value}`, state, (draft) => {
            draft[name] = { at: 'read', saw: draft.value }
            if (options.locked) draft.lock = name
          })
        }
        if (state[name].at === 'read') {
          yield step(`${name} writes ${state[name].saw + 1}`, state, (draft) => {
            draft.value = draft[name].saw + 1
            draft[name].at = 'done'
            draft.lock = 'none'
          })
        }
      }
    },
    broken: ({ value, P, Q }) =>
      P.at === 'done' && Q.at === 'done' && value !== 2 ? `counted to ${value}` : null,
    goal: ({ value }) => value === 2,
  }
}

/** Two processes take two locks, in the same order or crosswise. */
interface Locks {
  one: string
  two: string
  done: string[]
}

function locks(options: { readonly crosswise: boolean }): Model<Locks> {
  return {
    initial: { one: '', two: '', done: [] },
    *steps(state): Generator<Step<Locks>> {
      for (const name of ['P', 'Q']) {
        if (state.done.includes(name)) continue
        const crossed = options.crosswise && name === 'Q'
        const [first, second] = crossed ? (['two', 'one'] as const) : (['one', 'two'] as const)
        if (state[first] === '') {
          yield step(`${name} takes ${first}`, state, (draft) => void (draft[first] = name))
        }
        if (state[first] === name && state[second] === '') {
          yield step(`${name} takes ${second}, works, lets go of both`, state, (draft) => {
            draft[first] = ''
            draft.done = [...draft.done, name].sort()
          })
        }
      }
    },
    broken: () => null,
    goal: ({ done }) => done.length === 2,
  }
}

describe('the search', () => {
  test('finds a planted lost update by its shortest trace', () => {
    const verdict = explore(counter({ locked: false }))
    assert.ok(!verdict.holds)
    assert.equal(verdict.problem, 'counted to 1')
    assert.deepEqual(verdict.trace, ['P reads 0', 'Q reads 0', 'P writes 1', 'Q writes 1'])
    assert.equal(verdict.last.value, 1)
  })

  test('finds nothing where there is nothing, and counts the states', () => {
    const verdict = explore(counter({ locked: true }))
    assert.ok(verdict.holds)
    // Start; P or Q reads; P or Q has written; then the other reads; both are done, in two orders.
    assert.equal(verdict.states, 9)
    assert.ok(verdict.steps.has('Q writes 2'))
  })

  test('finds a planted deadlock, and the shortest way into it', () => {
    const verdict = explore(locks({ crosswise: true }))
    assert.ok(!verdict.holds)
    assert.equal(verdict.problem, STUCK)
    assert.deepEqual(verdict.trace, ['P takes one', 'Q takes two'])
    assert.ok(explore(locks({ crosswise: false })).holds)
  })

  test('follows a stuck state on to where nothing more happens', () => {
    const model: Model<string> = {
      initial: 'at the fork',
      *steps(at) {
        if (at === 'at the fork') {
          yield { label: 'left', next: 'home' }
          yield { label: 'right', next: 'in the wood' }
        }
        if (at === 'in the wood') yield { label: 'deeper', next: 'in the swamp' }
      },
      broken: () => null,
      goal: (at) => at === 'home',
    }
    const verdict = explore(model)
    assert.ok(!verdict.holds)
    assert.equal(verdict.last, 'in the swamp')
    assert.deepEqual(verdict.trace, ['right', 'deeper'])
  })

  test('takes a livelock for stuck too: many steps, none of them to the goal', () => {
    const model: Model<number> = {
      initial: 0,
      steps: (n) => [{ label: 'round', next: n === 3 ? 1 : n + 1 }],
      broken: () => null,
      goal: (n) => n === 0,
    }
    const verdict = explore(model)
    assert.ok(!verdict.holds)
    assert.deepEqual(verdict.trace, ['round'])
  })

  test('no way to the goal may need a fault, and equal processes are told apart by their identity only', () => {
    const model: Model<{ P: boolean; Q: boolean }> = {
      initial: { P: false, Q: false },
      *steps(state) {
        yield step('P moves', state, (draft) => void (draft.P = true))
        yield step('Q moves', state, (draft) => void (draft.Q = true))
        yield fault('both fall back', state, (draft) => void Object.assign(draft, model.initial))
      },
      broken: () => null,
      goal: ({ P, Q }) => P !== Q,
      identity: ({ P, Q }) => JSON.stringify([P && Q, P || Q]),
    }
    assertBroken(explore(model), { problem: /stuck/, trace: [/P moves/, /Q moves/] })
    const { goal: _, ...rest } = model
    const verdict = explore(rest)
    assert.equal(verdict.holds && verdict.states, 3)
  })

  test('looks at the initial state as well', () => {
    const verdict = explore({ initial: 1, steps: () => [], broken: () => 'wrong from the start' })
    assert.ok(!verdict.holds)
    assert.deepEqual(verdict.trace, [])
  })

  test('says that there are too many states instead of calling the rest good', () => {
    const counting: Model<number> = {
      initial: 0,
      steps: (n) => [{ label: 'one more', next: n + 1 }],
      broken: () => null,
      maxStates: 100,
    }
    assert.throws(() => explore(counting), /more than 100 states/)
    // Exactly as many as allowed is fine.
    const upTo99 = (n: number): Step<number>[] => (n < 99 ? [{ label: '+', next: n + 1 }] : [])
    assert.ok(explore({ ...counting, steps: upTo99 }).holds)
  })

  test('refuses a step that changes the state that it starts from', () => {
    const model: Model<{ n: number }> = {
      initial: { n: 0 },
      steps: (state) => {
        state.n = 1
        return []
      },
      broken: () => null,
    }
    assert.throws(() => explore(model), /changed the state/)
  })

  test('tells a trace as numbered lines, with the problem and the last state', () => {
    const told = tell(explore(counter({ locked: false }))).split('\n')
    assert.equal(told[0], '  1. P reads 0')
    assert.equal(told[4], '  => counted to 1')
    assert.match(told[5] ?? '', /"value":1/)
  })
})

describe('the assertions about verdicts', () => {
  test('assertHolds fails for what is broken, and for what was never tried', () => {
    const holds = explore(counter({ locked: true }))
    assertHolds(holds, [/reads 1/])
    assert.throws(() => assertHolds(holds, [/dies/]), /no step \/dies\/ was ever taken/)
    assert.throws(() => assertHolds(explore(counter({ locked: false })), []), /counted to 1/)
  })

  test('assertBroken fails for what holds, for another problem and for another order', () => {
    const lost = explore(counter({ locked: false }))
    assertBroken(lost, { problem: /counted/, trace: [/P reads/, /Q writes/] })
    assert.throws(() => assertBroken(lost, { problem: /stuck/, trace: [] }), /counted to 1/)
    const backwards = { problem: /counted/, trace: [/Q writes/, /P reads/] }
    assert.throws(() => assertBroken(lost, backwards), /expected a step/)
    const holds = explore(counter({ locked: true }))
    assert.throws(
      () => assertBroken(holds, { problem: /./, trace: [] }),
      /but it holds in 9 states/,
    )
  })
})
