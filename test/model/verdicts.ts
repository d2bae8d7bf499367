/** What tests say about verdicts. */
import assert from 'node:assert/strict'
import { tell, type Verdict } from './search.ts'

/** Far below what CI has time for; a model that outgrows it should be cut, not waited for. */
const MOST_STATES = 300_000

/**
 * The rule holds, and it was tried: for each of `tried` some step with such a label was taken. Without that, a model in which
 * nobody is ever fenced would hold too.
 */
export function assertHolds<State>(
  verdict: Verdict<State>,
  tried: readonly RegExp[],
  mostStates = MOST_STATES,
): void {
  assert.ok(verdict.holds, `\n${tell(verdict)}`)
  assert.ok(verdict.states <= mostStates)
  for (const label of tried) {
    assert.ok(
      [...verdict.steps].some((step) => label.test(step)),
      `no step ${label} was ever taken; taken were:\n${[...verdict.steps].sort().join('\n')}`,
    )
  }
}

/** The simpler rule is broken: with this problem, by a trace that has steps with these labels in this order. */
export function assertBroken<State>(
  verdict: Verdict<State>,
  expected: { readonly problem: RegExp; readonly trace: readonly RegExp[] },
): void {
  if (verdict.holds) assert.fail(`expected ${expected.problem}, but it ${tell(verdict)}`)
  const told = `\n${tell(verdict)}`
  assert.match(verdict.problem, expected.problem, told)
  let from = 0
  for (const label of expected.trace) {
    const at = verdict.trace.findIndex((step, index) => index >= from && label.test(step))
    assert.ok(at >= 0, `expected a step ${label} after step ${from} of${told}`)
    from = at + 1
  }
}
