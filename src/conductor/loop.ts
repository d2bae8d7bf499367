import type { Clock } from '../base/clock.ts'

/**
 * Something that is done now and then, and at once when poked; never twice at a time. What it returns is the pause until the
 * next time, in ms. It must not throw.
 */
export class Loop {
  readonly #clock: Clock
  readonly #run: () => Promise<number>
  #cancelTimer: () => void = () => {}
  #underWay: Promise<void> | null = null
  #again = false
  #state: 'new' | 'started' | 'stopped' = 'new'

  constructor(clock: Clock, run: () => Promise<number>) {
    this.#clock = clock
    this.#run = run
  }

  start(inMs = 0): void {
    if (this.#state !== 'new') return
    this.#state = 'started'
    if (inMs <= 0) this.poke()
    else this.#arm(inMs)
  }

  /** Does it at once; if it is being done, again after that. */
  poke(): void {
    if (this.#state !== 'started') return
    if (this.#underWay !== null) {
      this.#again = true
      return
    }
    this.#cancelTimer()
    this.#underWay = Promise.resolve().then(() => this.#once())
  }

  /** Resolves when what is under way has ended. */
  async stop(): Promise<void> {
    this.#state = 'stopped'
    this.#cancelTimer()
    await this.#underWay
  }

  async #once(): Promise<void> {
    let pauseMs = 0
    do {
      this.#again = false
      if (this.#state !== 'started') break
      pauseMs = await this.#run()
    } while (this.#again)
    this.#underWay = null
    if (this.#state === 'started') this.#arm(pauseMs)
  }

  #arm(ms: number): void {
    this.#cancelTimer = this.#clock.setTimer(() => this.poke(), this.#clock.now() + ms)
  }
}
