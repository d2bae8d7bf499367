/** The one thing that helpers need of a test: to be told when it is over. Every `TestContext` is one. */
export interface CleanUp {
  /** Registers what is to be done after the test; in order of registration. */
  after(done: () => void | Promise<void>): void
}
