/** What a flow came to, as text and as data. Pure. */
import type { Json } from '../../base/json.ts'
import type { Outcome } from '../../client/outcome.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { lookOf } from './states.ts'
import type { Paint } from './paint.ts'
import { plainText } from './text.ts'

const SHOWN = 20

/** The exit code of an outcome. */
export function exitCodeOfOutcome({ state }: Outcome<unknown>): ExitCode {
  switch (state) {
    case 'SUCCESS':
      return EXIT.done
    case 'REVERTED':
    case 'FAILURE':
      return EXIT.failed
    case 'SUSPENDED':
      return EXIT.notEnded
  }
}

/** An outcome for a program. */
export function outcomeData(
  flow: string,
  outcome: Outcome<Json>,
): { readonly [key: string]: unknown } {
  const { state, jobId } = outcome
  if (state === 'SUCCESS') return { job: jobId, flow, state, output: outcome.output }
  const failures = outcome.failures.map(({ atom, code, message, ...rest }) => {
    const direction = 'direction' in rest ? { direction: rest.direction } : {}
    return { atom, ...direction, code, message }
  })
  return {
    job: jobId,
    flow,
    state,
    failures,
    ...(outcome.reason === undefined ? {} : { reason: outcome.reason }),
  }
}

/** An outcome for a person: what, why, and what can be done. `again` is the command that goes on with a suspended run. */
export function outcomeText(
  flow: string,
  outcome: Outcome<unknown>,
  options: { readonly took: string; readonly again: string; readonly paint: Paint },
): string {
  const { took, again, paint } = options
  const { state, jobId } = outcome
  const { sign, word, paint: colour } = lookOf(state)
  const time = took === '' ? '' : ` after ${took}`
  const first = `${colour(paint, `${sign} ${flow} ${word}`)}${time} ${paint.dim(`(job ${jobId})`)}`
  if (state === 'SUCCESS') return first
  const lines = [first]
  if (outcome.reason !== undefined && (state !== 'FAILURE' || outcome.failures.length === 0)) {
    lines.push(`  ${plainText(outcome.reason)}`)
  }
  for (const failure of outcome.failures.slice(0, SHOWN)) {
    const revert = 'direction' in failure && failure.direction === 'revert' ? ' (its revert)' : ''
    const code = failure.code === 'TaskFailed' ? '' : paint.dim(` [${failure.code}]`)
    lines.push(`  ${failure.atom}${revert}: ${paint.red(plainText(failure.message))}${code}`)
  }
  const rest = outcome.failures.length - SHOWN
  if (rest > 0) lines.push(`  … and ${rest} more`)
  if (state === 'SUSPENDED') lines.push(`Go on with: ${again}`)
  if (state === 'FAILURE') {
    const atom = outcome.failures.find((one) => 'direction' in one && one.direction === 'revert')
    lines.push(
      `Not everything could be taken back. Look: zagflow jobs show ${jobId}`,
      ...(atom === undefined
        ? []
        : [`Then: zagflow jobs revert ${jobId} ${atom.atom} --again (or --skip)`]),
    )
  }
  return lines.join('\n')
}
