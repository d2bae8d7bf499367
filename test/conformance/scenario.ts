/** A scenario: a flow, what is to be seen, and what comes of it. Run for every engine on every store. */
import assert from 'node:assert/strict'
import type { FlowEvent } from '../../engines/drive.ts'
import type { Engine } from '../../engines/engine.ts'
import type { Store } from '../../persistence/store.ts'
import { run, type Outcome } from '../../src/index.ts'
import { sequence, written, type Untyped } from './notation.ts'

export interface Scenario {
  /** Number of the scenario that it follows. */
  readonly id: string
  readonly title: string
  readonly flow: () => Untyped
  readonly input?: { readonly [symbol: string]: unknown }
  /** Names of retries, by path. */
  readonly names?: { readonly [path: string]: string }
  /** All events, in this order. */
  readonly exactly?: string
  /** All events, in any order. */
  readonly anyOrder?: string
  /** These events, in this order, among others. */
  readonly includes?: readonly string[]
  /** Events that must not be seen. */
  readonly never?: readonly string[]
  readonly state: 'SUCCESS' | 'REVERTED' | 'FAILURE'
  /** Messages of the failures that are reported, in any order; each must be contained in one, and none is left over. */
  readonly failures?: readonly string[]
  readonly output?: { readonly [symbol: string]: unknown }
  /** Only under this engine: the order of others is chance. */
  readonly only?: 'serial' | 'parallel'
  readonly check?: (outcome: Outcome<Untyped>, events: readonly FlowEvent[]) => void | Promise<void>
}

export async function play(
  scenario: Scenario,
  options: {
    readonly engine: 'serial' | 'parallel' | Engine
    readonly store?: Store | undefined
  },
): Promise<void> {
  const events: FlowEvent[] = []
  const outcome = await run(scenario.flow(), (scenario.input ?? {}) as Untyped, {
    engine: options.engine,
    store: options.store,
    onEvent: (event) => events.push(event),
  })
  const seen = written(events, scenario.names)
  const told = `\nseen: ${seen.join(', ')}`
  assert.equal(outcome.state, scenario.state, `state${told}`)
  if (scenario.exactly !== undefined) assert.deepEqual(seen, sequence(scenario.exactly))
  if (scenario.anyOrder !== undefined) {
    assert.deepEqual([...seen].sort(), [...sequence(scenario.anyOrder)].sort())
  }
  for (const part of scenario.includes ?? []) assertSubsequence(seen, sequence(part))
  for (const event of scenario.never ?? [])
    assert.ok(!seen.includes(event), `${event} was seen${told}`)
  if (scenario.failures !== undefined) {
    const messages =
      outcome.state === 'SUCCESS' ? [] : outcome.failures.map(({ message }) => message)
    assert.equal(messages.length, scenario.failures.length, `failures: ${messages.join(' | ')}`)
    for (const part of scenario.failures) {
      assert.ok(
        messages.some((message) => message.includes(part)),
        `no failure says "${part}": ${messages.join(' | ')}`,
      )
    }
  }
  if (scenario.output !== undefined) {
    assert.equal(outcome.state, 'SUCCESS')
    assert.deepEqual((outcome as Untyped).output, scenario.output)
  }
  await scenario.check?.(outcome, events)
}

function assertSubsequence(seen: readonly string[], wanted: readonly string[]): void {
  let at = 0
  for (const event of seen) if (event === wanted[at]) at++
  assert.equal(
    at,
    wanted.length,
    `missing "${wanted[at]}" of ${wanted.join(', ')}\nseen: ${seen.join(', ')}`,
  )
}
