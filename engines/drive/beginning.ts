/** How a flow begins that was just claimed, by its stored state and the mail that waits for it. */
import { isFinal, type FlowState } from '../../src/machine/states.ts'
import type { StoredMail } from '../../persistence/store.ts'

/**
 * `go`: the machine is told to begin. `heed`: only its mail says what is to be done. A state: it stands there already, and all
 * that is left is to say so to the board.
 */
export type Beginning = 'go' | 'heed' | FlowState

export function beginningOf(state: FlowState, mail: readonly StoredMail[]): Beginning {
  const has = (kind: StoredMail['kind']) => mail.some((piece) => piece.kind === kind)
  if (isFinal(state)) {
    // It had ended, but its end was not taken off the board.
    return has('resolve-revert') ? 'heed' : state
  }
  // What was cancelled or suspended before it began, or while it stood still, must not start anything.
  const isNew = state === 'PENDING' || state === 'RESUMING'
  const isStopped = has('cancel') || (isNew && has('suspend'))
  if (state === 'SUSPENDED' && !has('resume') && !isStopped) return 'SUSPENDED'
  return (state === 'SUSPENDED' || isNew) && isStopped ? 'heed' : 'go'
}
