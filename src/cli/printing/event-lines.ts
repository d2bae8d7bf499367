/** Events as plain lines, for what is no terminal, for `watch` and for `history`. Pure but for what it remembers. */
import { lookOf } from './states.ts'
import type { Happened } from './flow-progress.ts'
import type { Paint } from './paint.ts'
import { elapsed, pad, plainText } from './text.ts'

/** Writes events as lines, each with the time since the first, and how long atoms took. */
export class EventLines {
  readonly #paint: Paint
  readonly #flow: string
  #first: number | undefined
  readonly #startedAt = new Map<string, number>()

  constructor(flow: string, paint: Paint) {
    this.#flow = flow
    this.#paint = paint
  }

  line(event: Happened): string {
    const { kind, name, state, attempt, failure, at } = event
    const paint = this.#paint
    this.#first ??= at
    const { sign, paint: colour } = lookOf(state)
    const isStart = state === 'RUNNING' || state === 'REVERTING'
    const startedAt = this.#startedAt.get(name)
    if (isStart) this.#startedAt.set(name, at)
    const took =
      isStart || startedAt === undefined || kind === 'retry' ? '' : elapsed(at - startedAt)
    const shown = name.startsWith(`${this.#flow}/`) ? name.slice(this.#flow.length + 1) : name
    const tries =
      kind === 'task' && attempt !== undefined && attempt > 1 ? `attempt ${attempt}` : ''
    const round = kind === 'retry' && attempt !== undefined ? `round ${attempt}` : ''
    const rest = [tries, round, took].filter((part) => part !== '').map((part) => paint.dim(part))
    if (failure !== undefined) rest.push(paint.red(plainText(failure.message)))
    const time = paint.dim(elapsed(at - this.#first).padStart(7))
    const label = colour(paint, `${sign} ${pad(state, 14)}`)
    const subject = kind === 'flow' ? paint.bold(shown) : shown
    return [`${time}  ${label}  ${subject}`, ...rest].join('  ')
  }

  /** How far a task is, between events. */
  progress(name: string, progress: number, at: number): string {
    const time = elapsed(at - (this.#first ?? at)).padStart(7)
    const shown = name.startsWith(`${this.#flow}/`) ? name.slice(this.#flow.length + 1) : name
    return `${this.#paint.dim(time)}  ${pad('…', 16)}  ${shown}  ${Math.floor(progress * 100)}%`
  }
}
