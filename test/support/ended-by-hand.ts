import type { CleanUp } from './clean-up.ts'

/** A test that is over when its author says so, to test what helpers do then. */
export class EndedByHand implements CleanUp {
  readonly #cleanUps: (() => void | Promise<void>)[] = []

  after(done: () => void | Promise<void>): void {
    this.#cleanUps.push(done)
  }

  /** Runs what was registered, and what that registers, as the test runner does. */
  async end(): Promise<void> {
    for (let done = this.#cleanUps.shift(); done; done = this.#cleanUps.shift()) await done()
  }
}
