import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import * as fc from 'fast-check'
import type { CallAnswer, CallRequest, Engine } from '../../engines/engine.ts'
import { ParallelEngine } from '../../engines/parallel.ts'
import { SerialEngine } from '../../engines/serial.ts'
import { task } from '../../src/flow/task.ts'
import { TaskRegistry } from '../../src/worker/index.ts'
import { requestFor } from '../support/calls.ts'

const FLOWS = 3
const ATOMS = 4
const LIMIT = 2

type Operation =
  | {
      readonly kind: 'dispatch'
      readonly flow: number
      readonly atom: number
      readonly priority: number
      readonly task: string
    }
  | { readonly kind: 'abort' | 'end'; readonly flow: number; readonly atom: number }
  | { readonly kind: 'forget'; readonly flow: number; readonly abort: boolean }
  | { readonly kind: 'turn' }

const flow = fc.nat(FLOWS - 1)
const atom = fc.nat(ATOMS - 1)
const operation: fc.Arbitrary<Operation> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('dispatch' as const),
      flow,
      atom,
      priority: fc.nat(2),
      task: fc.constantFrom('quick', 'async', 'held', 'held', 'failing'),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constantFrom('abort' as const, 'end' as const), flow, atom }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('forget' as const), flow, abort: fc.boolean() }),
  },
  { weight: 3, arbitrary: fc.constant({ kind: 'turn' as const }) },
)

/** One engine, and what its caller knows: which calls it waits for, which bodies run. */
class World {
  readonly engine: Engine & { readonly size: number }
  readonly #limitOfFlow: number
  readonly #limit: number
  /** What each atom's caller waits for; its call is the same until it was answered. */
  readonly #awaited = new Map<string, CallRequest>()
  readonly #calls = new Map<string, number>()
  readonly #bodies = new Map<string, { readonly flowId: string; readonly end: () => void }>()
  readonly #faults: string[] = []

  constructor(kind: 'serial' | 'parallel') {
    const tasks = TaskRegistry.of(
      task('quick', { execute: () => undefined }),
      task('async', { execute: async () => undefined }),
      task('failing', { execute: () => Promise.reject(new Error('planned')) }),
      task('held', { execute: (_args, context) => this.#hold(context) }),
    )
    this.#limit = kind === 'parallel' ? LIMIT : Number.POSITIVE_INFINITY
    this.#limitOfFlow = kind === 'parallel' ? LIMIT : 1
    this.engine =
      kind === 'parallel'
        ? new ParallelEngine({ tasks, concurrency: LIMIT })
        : new SerialEngine({ tasks })
  }

  perform(operation: Operation): Promise<void> | undefined {
    switch (operation.kind) {
      case 'turn':
        return turn()
      case 'dispatch':
        this.#dispatch(operation)
        return undefined
      case 'abort': {
        const request = this.#awaited.get(`${operation.flow}/${operation.atom}`)
        if (request !== undefined) this.engine.abort(request, 'planned')
        return undefined
      }
      case 'end':
        for (const [key, body] of this.#bodies) {
          if (key.startsWith(`f${operation.flow}/a${operation.atom}#`)) body.end()
        }
        return undefined
      case 'forget':
        this.engine.forget(`f${operation.flow}`, { abort: operation.abort })
        for (const [name, { flowId }] of this.#awaited) {
          if (flowId === `f${operation.flow}`) this.#awaited.delete(name)
        }
        return undefined
    }
  }

  /** Ends every body; all that is waited for must be answered then. */
  async finish(): Promise<void> {
    for (let round = 0; round < 200 && (this.#awaited.size > 0 || this.#bodies.size > 0); round++) {
      for (const { end } of this.#bodies.values()) end()
      await turn()
    }
    assert.deepEqual([...this.#awaited.keys()], [], 'calls were never answered')
    assert.deepEqual(this.#faults, [])
    assert.equal(this.engine.size, 0)
    await this.engine.stop()
  }

  #dispatch(wanted: Extract<Operation, { kind: 'dispatch' }>): void {
    const name = `${wanted.flow}/${wanted.atom}`
    if (this.#awaited.has(name)) return // an atom has one call at a time
    const flowId = `f${wanted.flow}`
    const call = (this.#calls.get(name) ?? 0) + 1
    const request = requestFor(
      wanted.task,
      {},
      {
        flowId,
        atom: `a${wanted.atom}`,
        call,
        priority: wanted.priority,
        again: true,
      },
    )
    this.#awaited.set(name, request)
    let inside = true
    this.engine.dispatch(request, {
      answer: (answeredRequest: CallRequest, answer: CallAnswer) => {
        assert.ok(!inside, 'answered inside dispatch')
        assert.equal(
          this.#awaited.get(name),
          request,
          `${name} was answered, and nobody waited for it`,
        )
        assert.equal(answeredRequest, request)
        assert.ok(answer.kind === 'succeeded' || answer.failure.message !== '')
        this.#awaited.delete(name)
        this.#calls.set(name, call) // a recorded answer: the next call is another one
      },
    })
    inside = false
  }

  /** What is thrown in a body is its failure: a fault is kept for the end. */
  #expect(holds: boolean, fault: string): void {
    if (!holds) this.#faults.push(fault)
  }

  #hold(context: {
    readonly idempotencyKey: string
    readonly flowId: string
    readonly signal: AbortSignal
  }): Promise<void> {
    const { idempotencyKey: key, flowId, signal } = context
    this.#expect(!this.#bodies.has(key), `${key} runs twice at once`)
    return new Promise((resolve, reject) => {
      const end = (): void => {
        this.#bodies.delete(key)
        resolve()
      }
      this.#bodies.set(key, { flowId, end })
      signal.addEventListener('abort', () => {
        this.#bodies.delete(key)
        reject(signal.reason as Error)
      })
      const ofFlow = [...this.#bodies.values()].filter((body) => body.flowId === flowId).length
      this.#expect(this.#bodies.size <= this.#limit, `${this.#bodies.size} run at once`)
      this.#expect(ofFlow <= this.#limitOfFlow, `${ofFlow} of one flow run at once`)
    })
  }
}

for (const kind of ['serial', 'parallel'] as const) {
  test(`${kind}: over random dispatches, aborts, losses and returns of claims each call is answered once, and no body runs twice at once`, async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(operation, { minLength: 5, maxLength: 60 }), async (operations) => {
        const world = new World(kind)
        await world.engine.start()
        for (const step of operations) await world.perform(step)
        await world.finish()
      }),
      { numRuns: 400 },
    )
  })
}
