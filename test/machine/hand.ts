/** A run led by hand: one event at a time, so that a test says exactly what happens when. */
import type { Plan } from '../../src/flow/compile.ts'
import { advance } from '../../src/machine/advance.ts'
import type { Command, MachineEvent } from '../../src/machine/events.ts'
import type { AtomRecord, ScopeRecord } from '../../src/machine/records.ts'
import { restoreRun, type StoredRun } from '../../src/machine/resume.ts'
import { takeChanges, type Run } from '../../src/machine/run.ts'

type Call = Extract<Command, { kind: 'call' }>

export class Hand {
  run: Run
  now = 1000
  /** `name STATE` since the start or the last `restart`. */
  events: string[] = []
  calls: Call[] = []
  aborted: string[] = []
  readonly #plan: Plan
  readonly #window: number | undefined
  readonly #atoms = new Map<string, AtomRecord>()
  readonly #scopes = new Map<string, ScopeRecord>()

  constructor(plan: Plan, stored?: StoredRun, window?: number) {
    this.#plan = plan
    this.#window = window
    this.run = restoreRun(plan, stored ?? { state: 'PENDING', atoms: [], scopes: [] }, window)
    for (const atom of stored?.atoms ?? []) this.#atoms.set(atom.path, atom)
    for (const scope of stored?.scopes ?? []) this.#scopes.set(scope.path, scope)
  }

  feed(event: MachineEvent): this {
    const queue = [event]
    for (let at = 0; at < queue.length; at++) {
      const step = advance(this.run, queue[at] as MachineEvent, this.now)
      for (const { kind, name, state } of step.transitions) {
        const short = name.slice(name.lastIndexOf('/') + 1)
        this.events.push(kind === 'flow' ? `flow ${state}` : `${short} ${state}`)
      }
      for (const command of step.commands) this.#take(command, queue)
    }
    const { atoms, scopes } = takeChanges(this.run)
    for (const atom of atoms) this.#atoms.set(atom.path, atom)
    for (const scope of scopes) this.#scopes.set(scope.path, scope)
    return this
  }

  #take(command: Command, queue: MachineEvent[]): void {
    if (command.kind === 'call') this.calls.push(command)
    else if (command.kind === 'abort') this.aborted.push(command.atom.path)
    else if (command.kind === 'evaluate') {
      const { purpose } = command
      const value =
        purpose.kind === 'conditions'
          ? { when: true, links: purpose.links.map(() => true) }
          : purpose.kind === 'output'
            ? ({ output: true } as const)
            : { again: true, attempts: null }
      queue.push({ kind: 'evaluated', id: command.id, value })
    }
  }

  begin(): this {
    return this.feed({ kind: 'begin' })
  }

  /** Answers the running call of a task, by the end of its path. */
  answer(name: string, how: 'ok' | 'fail' = 'ok'): this {
    const at = this.calls.findIndex((call) => call.atom.path.endsWith(`/${name}`))
    const [call] = at < 0 ? [] : this.calls.splice(at, 1)
    if (call === undefined)
      throw new Error(`${name} is not called; called are ${this.called().join(', ')}`)
    const ref = { atom: call.atom.path, direction: call.direction, call: call.call }
    if (how === 'ok') return this.feed({ kind: 'succeeded', call: ref })
    const failure = { code: 'TaskFailed', message: `${name} failed` }
    return this.feed({ kind: 'failed', call: ref, failure, outcome: 'failure' })
  }

  /** What is called now, as `name direction call`. */
  called(): readonly string[] {
    return this.calls.map(({ atom, direction, call }) => {
      const name = atom.path.slice(atom.path.lastIndexOf('/') + 1)
      return `${name} ${direction} ${call}`
    })
  }

  /** The process dies; another one goes on from the rows. */
  restart(): this {
    const { state } = this.run
    this.events = []
    this.calls = []
    const stored = {
      state,
      atoms: [...this.#atoms.values()],
      scopes: [...this.#scopes.values()],
    }
    this.run = restoreRun(this.#plan, stored, this.#window)
    return this.begin()
  }

  state(path: string): string {
    return this.run.atoms.get(path)?.state ?? 'PENDING'
  }
}

/** The row of an atom in a state, as a crash may leave it. */
export function atomRow(
  path: string,
  state: AtomRecord['state'],
  more: Partial<AtomRecord> = {},
): AtomRecord {
  const ran = state !== 'PENDING' && state !== 'RUNNING'
  return {
    path,
    kind: 'task',
    state,
    attempt: 1,
    executeCalls: ran ? 1 : 0,
    revertCalls: state === 'REVERTED' ? 1 : 0,
    dueAt: null,
    outcome: ran ? 'success' : null,
    ignored: null,
    failure: null,
    revertFailure: null,
    rounds: null,
    replyTo: null,
    copy: null,
    starts: 0,
    ...more,
  }
}

export function scopeRow(path: string, more: Partial<ScopeRecord> = {}): ScopeRecord {
  return {
    path,
    state: 'ENTERED',
    intention: 'EXECUTE',
    dueAt: null,
    ignored: null,
    failure: null,
    ...more,
  }
}
