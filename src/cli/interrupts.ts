/**
 * Ctrl-C and SIGTERM. The first one asks to stop; a second Ctrl-C ends the process at once.
 *
 * Owns: the process's handlers of SIGINT, SIGTERM and SIGHUP, until `end()`.
 */
export interface Interrupts {
  /** Aborted by the first signal; the reason is its name. */
  readonly signal: AbortSignal
  end(): void
}

export function onInterrupt(options: {
  /** The first signal. */
  readonly first: (name: NodeJS.Signals) => void
  /** Another one: it has to end now. */
  readonly again: (name: NodeJS.Signals) => void
}): Interrupts {
  const controller = new AbortController()
  const listener = (name: NodeJS.Signals): void => {
    if (controller.signal.aborted) {
      options.again(name)
      return
    }
    controller.abort(`interrupted by ${name === 'SIGINT' ? 'Ctrl-C' : name}`)
    options.first(name)
  }
  const names = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
  for (const name of names) process.on(name, listener)
  return {
    signal: controller.signal,
    end: () => {
      for (const name of names) process.off(name, listener)
    },
  }
}
