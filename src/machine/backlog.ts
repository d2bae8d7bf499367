/**
 * What waits for room: starts and reverts whose turn has come while as many calls are in flight as the run may have
 * (`Run.window`). So a flow of 100,000 tasks side by side costs a step, a commit and the engine no more than one of 1,000.
 *
 * Invariants
 * B1  Bigger priority first, then in the order in which their turns came.
 * B2  It is a plan, not a state: nothing of it is stored, whatever is taken is looked at again then, and after a restore
 *     what is ready is found anew.
 * B3  What no longer applies is passed over, for all that a scope queued in a row at the cost of one look.
 * B4  Adding and taking cost O(log of the distinct priorities), and no object for each child. What a flow begins with is added at
 *     once, and not looked at before its turn.
 */
import type { ScopeRun } from './run.ts'

export type Turn = 'start' | 'revert'

/** Children of one scope, of one priority, that were added one after the other. */
interface Batch {
  readonly turn: Turn
  readonly scope: ScopeRun
  readonly entry: number
  readonly indexes: readonly number[]
  /** `indexes`, where it may be added to. */
  readonly added: number[] | null
  next: number
}

interface Line {
  readonly priority: number
  batches: Batch[]
  head: number
}

export class Backlog {
  /** By priority, the biggest last. */
  readonly #lines: Line[] = []

  /** The biggest priority that waits; -Infinity: nothing waits. */
  get best(): number {
    return this.#lines.at(-1)?.priority ?? -Infinity
  }

  add(turn: Turn, scope: ScopeRun, index: number, priority: number): void {
    const { batches } = this.#lineOf(priority)
    const last = batches.at(-1)
    if (last?.scope === scope && last.turn === turn && last.entry === scope.entry && last.added) {
      last.added.push(index)
    } else {
      const added = [index]
      batches.push({ turn, scope, entry: scope.entry, indexes: added, added, next: 0 })
    }
  }

  /** Adds starts of one priority from a list that never changes, those before `from` left out. Costs as much as one. */
  addList(scope: ScopeRun, indexes: readonly number[], from: number, priority: number): void {
    const { batches } = this.#lineOf(priority)
    batches.push({ turn: 'start', scope, entry: scope.entry, indexes, added: null, next: from })
  }

  /** The next child whose turn still applies. */
  take(): { readonly turn: Turn; readonly scope: ScopeRun; readonly index: number } | undefined {
    for (let line = this.#lines.at(-1); line !== undefined; line = this.#lines.at(-1)) {
      const batch = line.batches[line.head]
      if (batch === undefined) {
        this.#lines.pop()
        continue
      }
      const index = batch.indexes[batch.next]
      if (index === undefined || isVoid(batch)) {
        nextBatch(line)
        continue
      }
      batch.next++
      return { turn: batch.turn, scope: batch.scope, index }
    }
    return undefined
  }

  clear(): void {
    this.#lines.length = 0
  }

  #lineOf(priority: number): Line {
    let low = 0
    let high = this.#lines.length
    while (low < high) {
      const middle = (low + high) >> 1
      if ((this.#lines[middle] as Line).priority < priority)
        low = middle + 1 // within
      else high = middle
    }
    const found = this.#lines[low]
    if (found?.priority === priority) return found
    const line: Line = { priority, batches: [], head: 0 }
    this.#lines.splice(low, 0, line)
    return line
  }
}

/** B3. */
function isVoid({ turn, scope, entry }: Batch): boolean {
  if (scope.entry !== entry) return true
  return turn === 'start' && (scope.reverting || scope.stalled)
}

function nextBatch(line: Line): void {
  line.head++
  if (line.head < 1024 || line.head * 2 < line.batches.length) return
  line.batches = line.batches.slice(line.head)
  line.head = 0
}
