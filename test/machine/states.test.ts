import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  ATOM_STATES,
  ATOM_TRANSITIONS,
  atomMayGo,
  FLOW_STATES,
  FLOW_TRANSITIONS,
  flowMayGo,
  isFinal,
} from '../../src/machine/states.ts'
import { linear, planOf, task } from '../support/flows.ts'
import { createRun, ensureAtom, goAtom, goFlow } from '../../src/machine/run.ts'
import type { TaskPlan } from '../../src/flow/compile.ts'

describe('TF-197: the state tables', () => {
  it('list each transition once, with a reason, between states that exist', () => {
    for (const [rows, states] of [
      [ATOM_TRANSITIONS, ATOM_STATES],
      [FLOW_TRANSITIONS, FLOW_STATES],
    ] as const) {
      const seen = new Set(rows.map(([from, to]) => `${from}>${to}`))
      assert.equal(seen.size, rows.length)
      for (const [from, to, reason] of rows) {
        assert.ok(
          (states as readonly string[]).includes(from) &&
            (states as readonly string[]).includes(to),
        )
        assert.ok(reason.length > 5)
      }
    }
  })

  it('refuse what must never happen', () => {
    assert.equal(atomMayGo('RUNNING', 'PENDING'), false)
    assert.equal(atomMayGo('PENDING', 'SUCCESS'), false)
    assert.equal(atomMayGo('PENDING', 'REVERTED'), false)
    assert.equal(atomMayGo('REVERTED', 'RUNNING'), false)
    assert.equal(flowMayGo('RUNNING', 'PENDING'), false)
    assert.equal(flowMayGo('REVERTED', 'RUNNING'), false)
    assert.equal(flowMayGo('RUNNING', 'REVERTED'), false)
  })

  it('leave a final state only by an operator', () => {
    const out = FLOW_TRANSITIONS.filter(([from]) => isFinal(from))
    assert.deepEqual(
      out.map(([from, to]) => [from, to]),
      [['FAILURE', 'RESUMING']],
    )
  })

  it('are enforced: another transition throws', () => {
    const run = createRun(planOf(linear('f', [task('a')])))
    const atom = ensureAtom(run.plan.root.children[0] as TaskPlan, run.root)
    assert.throws(() => goAtom(run, atom, 'SUCCESS'), /f\/a may not go from PENDING to SUCCESS/)
    assert.throws(() => goFlow(run, 'SUCCESS'), /may not go from PENDING to SUCCESS/)
  })
})
