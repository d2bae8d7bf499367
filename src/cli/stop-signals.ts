/**
 * How processes that serve are told to stop, stage by stage: the first signal lets what runs end, the second aborts it, the third
 * ends the process.
 */

/** 1: let what runs end. 2: abort it. 3: end. `name` is for people. */
export type StopListener = (stage: number, name: string) => void

/** Something that tells when to stop; what it returns ends that. */
export type StopSource = (listener: StopListener) => () => void

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/** Signals of the operating system. */
export function onStopSignals(listener: StopListener): () => void {
  let stage = 0
  const onSignal = (name: NodeJS.Signals): void => listener(++stage, name)
  for (const name of SIGNALS) process.on(name, onSignal)
  return () => {
    for (const name of SIGNALS) process.off(name, onSignal)
  }
}

/**
 * What the process that started this one says. Signals reach both of them, from a terminal or a service manager, and the
 * other one passes them on: here they count for the first stage alone. So does the end of the other one.
 */
export function onStopMessages(listener: StopListener): () => void {
  let stage = 0
  const reach = (next: number, name: string): void => {
    while (stage < next) listener(++stage, name)
  }
  const onSignal = (name: NodeJS.Signals): void => reach(1, name)
  const onMessage = (message: unknown): void => {
    if (typeof message === 'object' && message !== null && 'stop' in message) {
      reach(Number(message.stop), 'its parent')
    }
  }
  const onDisconnect = (): void => reach(1, 'the end of its parent')
  for (const name of SIGNALS) process.on(name, onSignal)
  process.on('message', onMessage)
  process.on('disconnect', onDisconnect)
  return () => {
    for (const name of SIGNALS) process.off(name, onSignal)
    process.off('message', onMessage)
    process.off('disconnect', onDisconnect)
  }
}
