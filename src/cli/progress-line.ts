import type { Region, Terminal } from './terminal.ts'

/** Elsewhere than on a terminal, a line now and then. */
const EVERY_MS = 5_000

/** One line that says how far something is; it is gone when that is done. */
export class ProgressLine implements Region {
  readonly #terminal: Terminal
  readonly #region: ReturnType<Terminal['attach']> | undefined
  #text = ''
  #isDrawn = false
  #saidAt = performance.now()

  constructor(terminal: Terminal) {
    this.#terminal = terminal
    if (terminal.isLive) this.#region = terminal.attach(this)
  }

  set(text: string): void {
    this.#text = text
    if (this.#region !== undefined) {
      this.#region.redraw()
      return
    }
    if (performance.now() - this.#saidAt < EVERY_MS) return
    this.#saidAt = performance.now()
    this.#terminal.say(text)
  }

  end(): void {
    this.#text = ''
    this.#region?.detach(() => '')
  }

  erase(): string {
    const isDrawn = this.#isDrawn
    this.#isDrawn = false
    return isDrawn ? '\u001b[1A\r\u001b[J' : ''
  }

  draw(): string {
    if (this.#text === '') return ''
    this.#isDrawn = true
    return `${this.#terminal.talk.dim(this.#text)}\n`
  }
}
