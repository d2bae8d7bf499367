import type { SourceDocument } from '../flow/document.ts'
import type { JsonObject } from '../base/json.ts'
import type { Runnable } from '../flow/runnable.ts'
import type { Outcome } from '../client/outcome.ts'
import { FlowTest, type CrashPoint, type TestOptions } from './flow-test.ts'

/** One run that was interrupted, and went on. */
export interface CrashedRun<Output> {
  readonly at: CrashPoint
  readonly outcome: Outcome<Output>
  readonly test: FlowTest<Output>
}

/**
 * Runs a flow once for every moment at which its process can die, kills it there, starts it again, and yields what came of
 * it. Each time the flow should end as it does undisturbed; a task that ran, and whose result was not committed yet, runs again
 * under the same idempotency key, so make the outside world as new in `replace` when that counts.
 *
 * @example
 * for await (const { at, outcome } of crashEverywhere(checkout, input)) {
 *   assert.equal(outcome.state, "SUCCESS", `after a crash ${at.when} commit ${at.commit}`)
 * }
 */
export function crashEverywhere<Input, Output>(
  flow: Runnable<Input, Output>,
  input: NoInfer<Input>,
  options?: Omit<TestOptions, 'crashAt' | 'time'>,
): AsyncGenerator<CrashedRun<Output>, void, undefined>
export function crashEverywhere(
  flow: SourceDocument,
  input: JsonObject,
  options?: Omit<TestOptions, 'crashAt' | 'time'>,
): AsyncGenerator<CrashedRun<JsonObject>, void, undefined>
export async function* crashEverywhere(
  flow: Runnable | SourceDocument,
  input: unknown,
  options: Omit<TestOptions, 'crashAt' | 'time'> = {},
): AsyncGenerator<CrashedRun<unknown>, void, undefined> {
  const undisturbed = new FlowTest<unknown>(flow, input, options)
  await undisturbed.outcome()
  for (let commit = 1; commit <= undisturbed.commits; commit++) {
    for (const when of ['before', 'after'] as const) {
      const at = { commit, when }
      const test = new FlowTest<unknown>(flow, input, { ...options, crashAt: at })
      yield { at, outcome: await test.outcome(), test }
    }
  }
}
