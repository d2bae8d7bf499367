/** What an event costs, counted: nodes and edges that are looked at, rows and commands that come of it. Never timed. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { nodesOf, type Plan } from '../../src/flow/compile.ts'
import type { ResolvedFlow } from '../../src/flow/resolved.ts'
import { advance } from '../../src/machine/advance.ts'
import type { CallRef, MachineEvent } from '../../src/machine/events.ts'
import { createRun, takeChanges, type Run } from '../../src/machine/run.ts'
import { graph, linear, planOf, task, unordered } from '../support/flows.ts'

const WINDOW = 50
/** Tasks of each layer; each task but those of the first waits for two of the layer before. */
const WIDTH = 10

const SHAPES: { readonly [name: string]: (tasks: number) => ResolvedFlow } = {
  'a chain': (tasks) => linear('chain', tasksOf(tasks)),
  'a fan-out': (tasks) => unordered('fan-out', tasksOf(tasks)),
  layers: (tasks) => graph('layers', tasksOf(tasks), linksOf(tasks)),
}

describe('an event costs its atom and the neighbours of that, whatever the size of the flow', () => {
  for (const [name, shape] of Object.entries(SHAPES)) {
    it(`in ${name}: as much with 10,000 tasks as with 1,000`, () => {
      const small = drive(shape(1_000))
      const large = drive(shape(10_000))
      assert.ok(small.begin > 0 && small.answer > 0, 'nothing was counted')
      assert.deepEqual(large, small)
      assert.ok(large.answer <= 50, `an answer looked at ${large.answer} things`)
    })
  }

  it('also where everything is taken back, but for the one event that marks the scope', () => {
    const small = drive(unordered('all', tasksOf(1_000)), { failing: 'all/t999' })
    const large = drive(unordered('all', tasksOf(10_000)), { failing: 'all/t9999' })
    assert.deepEqual(large, small)
  })
})

interface Cost {
  /** Rows, transitions and commands when the flow began. (Its first nodes are all looked at, once.) */
  readonly begin: number
  /** Most that was looked at, written and commanded when a call was answered. */
  readonly answer: number
  /** Most calls in flight. */
  readonly inflight: number
}

/** Drives a flow to its end, calls answered first in, first out. The failing atom's answer is not counted. */
function drive(flow: ResolvedFlow, options: { readonly failing?: string } = {}): Cost {
  const counter = { looks: 0 }
  const plan = counted(planOf(flow), counter)
  nodesOf(plan) // made once for a plan, whatever runs it has
  const run = countedRun(plan, counter)
  const calls: CallRef[] = []
  const feed = (event: MachineEvent): { readonly looks: number; readonly given: number } => {
    counter.looks = 0
    let given = 0
    const events = [event]
    for (let at = 0; at < events.length; at++) {
      const step = advance(run, events[at] as MachineEvent, 1) // within
      given += step.transitions.length + step.commands.length
      for (const command of step.commands) {
        if (command.kind === 'call') {
          calls.push({
            atom: command.atom.path,
            direction: command.direction,
            call: command.call,
          })
        } else if (command.kind === 'evaluate') {
          events.push({ kind: 'evaluated', id: command.id, value: { output: true } })
        }
      }
    }
    const { atoms, scopes } = takeChanges(run)
    return { looks: counter.looks, given: given + atoms.length + scopes.length }
  }
  const cost = { begin: feed({ kind: 'begin' }).given, answer: 0, inflight: run.inflight }
  const { failing } = options
  for (let at = 0; at < calls.length; at++) {
    const call = calls[at] as CallRef // within
    const failure = { code: 'TaskFailed', message: 'no' }
    if (call.atom === failing && call.direction === 'execute') {
      feed({ kind: 'failed', call, failure, outcome: 'failure' })
    } else {
      const { looks, given } = feed({ kind: 'succeeded', call })
      cost.answer = Math.max(cost.answer, looks + given)
    }
    cost.inflight = Math.max(cost.inflight, run.inflight)
  }
  assert.equal(run.state, failing === undefined ? 'SUCCESS' : 'REVERTED')
  assert.ok(cost.inflight <= WINDOW, `${cost.inflight} calls in flight`)
  return cost
}

interface Counter {
  looks: number
}

/** A plan whose lists count what is read of them. */
function counted(plan: Plan, counter: Counter): Plan {
  const { root } = plan
  return {
    ...plan,
    root: {
      ...root,
      children: countedList(root.children, counter),
      successors: countedList(
        root.successors.map((list) => countedList(list, counter)),
        counter,
      ),
      heads: root.heads,
    },
  }
}

function countedList<T>(list: readonly T[], counter: Counter): readonly T[] {
  return new Proxy(list, {
    get(target, name): unknown {
      if (typeof name === 'string' && /^\d+$/.test(name)) counter.looks++
      return Reflect.get(target, name)
    },
  })
}

/** A run whose maps count what is asked of them, and what is listed. */
function countedRun(plan: Plan, counter: Counter): Run {
  const run = createRun(plan, WINDOW)
  const root = { ...run.root, children: countedMap(run.root.children, counter) }
  run.scopes.set(root.path, root)
  return { ...run, root, atoms: countedMap(run.atoms, counter) }
}

function countedMap<T extends object>(map: T, counter: Counter): T {
  return new Proxy(map, {
    get(target, name): unknown {
      const value: unknown = Reflect.get(target, name, target)
      if (typeof value !== 'function') return value
      return (...given: readonly unknown[]): unknown => {
        counter.looks++
        const answer: unknown = Reflect.apply(value, target, given)
        return isIterator(answer) ? countedItems(answer, counter) : answer
      }
    },
  })
}

function isIterator(value: unknown): value is Iterable<unknown> {
  return typeof value === 'object' && value !== null && Symbol.iterator in value
}

function* countedItems(items: Iterable<unknown>, counter: Counter): Generator {
  for (const item of items) {
    counter.looks++
    yield item
  }
}

function tasksOf(count: number): ReturnType<typeof task>[] {
  return Array.from({ length: count }, (_, at) => task(`t${at}`))
}

function linksOf(tasks: number): { readonly from: string; readonly to: string }[] {
  return Array.from({ length: tasks - WIDTH }, (_, at) => {
    const first = Math.floor(at / WIDTH) * WIDTH
    return [0, 1].map((step) => ({
      from: `t${first + ((at + step) % WIDTH)}`,
      to: `t${at + WIDTH}`,
    }))
  }).flat()
}
