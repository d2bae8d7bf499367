import { Fifo } from '../../engines/waiting-lines.ts'
import type { Plan } from '../../src/flow/compile.ts'
import { advance } from '../../src/machine/advance.ts'
import type { CallRef, MachineEvent } from '../../src/machine/events.ts'
import { createRun, takeChanges } from '../../src/machine/run.ts'

/** Calls in flight at once, as of the engines in this process. */
const WINDOW = 1_000

/** Drives a plan through the machine alone: every call succeeds at once, every change is taken. Throws if it does not succeed. */
export function runMachine(plan: Plan): void {
  const run = createRun(plan, WINDOW)
  // Drops what it gave out: what this program keeps is not the machine's.
  const calls = new Fifo<CallRef>()
  feed({ kind: 'begin' })
  for (let call = calls.shift(); call !== undefined; call = calls.shift()) {
    feed({ kind: 'succeeded', call })
  }
  if (run.state !== 'SUCCESS') throw new Error(`expected SUCCESS, got ${run.state}`)

  function feed(event: MachineEvent): void {
    const events = [event]
    for (let at = 0; at < events.length; at++) {
      const step = advance(run, events[at] as MachineEvent, 1) // `at` is within
      for (const command of step.commands) {
        if (command.kind === 'call') {
          const { atom, direction, call } = command
          calls.push({ atom: atom.path, direction, call })
        } else if (command.kind === 'evaluate') {
          events.push({ kind: 'evaluated', id: command.id, value: { output: true } })
        }
      }
    }
    takeChanges(run)
  }
}
