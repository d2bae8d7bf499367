/** What is stored and told of a flow as a whole. */
import type { Json } from '../../src/base/json.ts'
import type { Run } from '../../src/machine/run.ts'
import { isFinal, type FlowState } from '../../src/machine/states.ts'
import type { AtomFailure, FlowChange, JobChange, LoadedFlow } from '../../persistence/store.ts'
import type { DriveEnd } from './drive-types.ts'

/** Failures of each direction that are stored with the flow. */
const REPORTED = 100

/** Why a failed flow's job is in the trash. */
const REVERT_FAILED =
  'a revert failed: see `zagflow jobs show`, then `zagflow jobs revert JOB ATOM --again` or `--skip`'

/** The change of the flow's own row. `failures`: those that stand, where it has ended. */
export function flowChange(
  run: Run,
  end: { readonly output: Json; readonly failures: readonly AtomFailure[] },
  isFirst: boolean,
): FlowChange {
  const { state, reason } = run
  if (!isFinal(state)) return { state, reason, ...(isFirst ? { started: true } : {}) }
  const isSuccess = state === 'SUCCESS'
  return {
    state,
    reason,
    started: true,
    ended: true,
    output: isSuccess ? end.output : null,
    failures: isSuccess ? [] : end.failures,
  }
}

/** What becomes of the job of a flow that came to this end; null: it goes on. `resumed`: after a suspension, at once. */
export function jobChangeOf(finished: FlowState | null, isResumed: boolean): JobChange | null {
  switch (finished) {
    case 'SUCCESS':
    case 'REVERTED':
      return { state: 'COMPLETE' }
    case 'FAILURE':
      return { state: 'TRASHED', reason: REVERT_FAILED }
    case 'SUSPENDED':
      return isResumed ? { state: 'UNCLAIMED' } : { state: 'PARKED', parkedFor: 'suspended' }
    default:
      return null
  }
}

/** What failed and was not healed (the first 100; every atom's own stands in its row), reverts that failed for good after what they were to take back. */
export function standingFailures(run: Run): readonly AtomFailure[] {
  const failures: AtomFailure[] = []
  for (const [atom, failure] of run.failures) {
    if (failures.length >= REPORTED) break
    failures.push({ atom, ...failure })
  }
  if (run.revertFailures === 0) return failures
  for (const atom of run.atoms.unsettled()) {
    if (atom.state !== 'REVERT_FAILURE' || atom.revertFailure === null) continue
    if (failures.length >= 2 * REPORTED) break
    failures.push({ atom: atom.path, direction: 'revert', ...atom.revertFailure })
  }
  return failures
}

/** How driving ended, by what became of the job. */
export function driveEndOf(
  job: JobChange,
  flow: {
    readonly run: Run
    readonly loaded: LoadedFlow
    readonly output: Json
    readonly failures: readonly AtomFailure[]
    /** It was trashed for a fault of its own, not because a revert failed. */
    readonly isFaulty: boolean
    /** Nothing has happened since it was loaded. */
    readonly isUntouched: boolean
  },
): DriveEnd {
  const { run, loaded, isFaulty } = flow
  switch (job.state) {
    case 'COMPLETE':
    case 'TRASHED': {
      if (isFaulty && job.state === 'TRASHED') return { kind: 'trashed', reason: job.reason }
      const { state, reason } = run
      if (!isFinal(state)) return { kind: 'trashed', reason: 'trashed' }
      const { detail } = loaded
      const isOld = isFinal(detail.state) && flow.isUntouched
      const isSuccess = state === 'SUCCESS'
      return {
        kind: 'ended',
        state,
        output: isOld ? detail.output : isSuccess ? flow.output : null,
        failures: isSuccess ? [] : isOld ? detail.failures : flow.failures,
        reason,
      }
    }
    case 'PARKED':
      return { kind: 'parked', parkedFor: job.parkedFor, dueAt: job.dueAt ?? null }
    case 'UNCLAIMED':
      return { kind: 'released' }
  }
}
