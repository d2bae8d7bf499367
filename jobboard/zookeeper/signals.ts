/** What to do when a signal aborts, with one listener for each signal: any number of operations may share one. */
const actions = new WeakMap<AbortSignal, Set<() => void>>()

/** Calls `act` when the signal aborts (not when it has). Calling what it returns ends that. */
export function onAbort(signal: AbortSignal, act: () => void): () => void {
  const known = actions.get(signal) ?? listen(signal)
  known.add(act)
  return () => {
    known.delete(act)
    if (known.size > 0 || actions.get(signal) !== known) return
    actions.delete(signal)
    signal.removeEventListener('abort', runActions)
  }
}

function listen(signal: AbortSignal): Set<() => void> {
  const acts = new Set<() => void>()
  actions.set(signal, acts)
  signal.addEventListener('abort', runActions, { once: true })
  return acts
}

function runActions(event: Event): void {
  const signal = event.target
  if (!(signal instanceof AbortSignal)) return
  const acts = actions.get(signal)
  actions.delete(signal)
  for (const act of [...(acts ?? [])]) act()
}
