/** The one thing that helpers need of a test: to be told when it is over. Every `TestContext` is one. */
export interface CleanUp {
  /** Registers what is to be done after the test; in order of registration. */
  after(done: () => void | Promise<void>): void
}

/** Clean-up for a whole `describe`, in the shape that the helpers ask for: the last first. */
export class CleanUps implements CleanUp {
  readonly #all: (() => unknown)[] = []

  after(cleanUp: () => unknown): void {
    this.#all.unshift(cleanUp)
  }

  async run(): Promise<void> {
    for (const cleanUp of this.#all.splice(0)) await cleanUp()
  }
}
