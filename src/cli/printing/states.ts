/** How states look: a sign, a word and a colour, so that none of them is needed to tell them apart. */
import type { AtomState, FlowState } from '../../machine/states.ts'
import type { Paint } from './paint.ts'

interface Look {
  readonly sign: string
  readonly word: string
  readonly paint: (paint: Paint, text: string) => string
}

const LOOKS: { readonly [State in AtomState | FlowState]: Look } = {
  PENDING: { sign: '○', word: 'waiting', paint: (paint, text) => paint.dim(text) },
  RUNNING: { sign: '●', word: 'running', paint: (paint, text) => paint.cyan(text) },
  SUCCESS: { sign: '✔', word: 'done', paint: (paint, text) => paint.green(text) },
  FAILURE: { sign: '✘', word: 'failed', paint: (paint, text) => paint.red(text) },
  RETRYING: { sign: '↻', word: 'trying again', paint: (paint, text) => paint.yellow(text) },
  REVERTING: { sign: '↶', word: 'reverting', paint: (paint, text) => paint.magenta(text) },
  REVERTED: { sign: '↶', word: 'reverted', paint: (paint, text) => paint.magenta(text) },
  REVERT_FAILURE: {
    sign: '✘',
    word: 'revert failed',
    paint: (paint, text) => paint.bold(paint.red(text)),
  },
  IGNORE: { sign: '–', word: 'skipped', paint: (paint, text) => paint.dim(text) },
  SUSPENDING: { sign: '‖', word: 'suspending', paint: (paint, text) => paint.yellow(text) },
  SUSPENDED: { sign: '‖', word: 'suspended', paint: (paint, text) => paint.yellow(text) },
  RESUMING: { sign: '●', word: 'resuming', paint: (paint, text) => paint.cyan(text) },
}

/** The look of a state; a state of a later version is shown as it is. */
export function lookOf(state: string): Look {
  return (
    (LOOKS as { readonly [state: string]: Look })[state] ?? {
      sign: '?',
      word: state,
      paint: (_, text) => text,
    }
  )
}
