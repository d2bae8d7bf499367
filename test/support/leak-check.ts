import assert from 'node:assert/strict'
import type { CleanUp } from './clean-up.ts'
import { eventually } from './eventually.ts'

/** What {@link leakCheck} forgives. */
export interface LeakCheckOptions {
  /** How long what is closing may take to be gone after the test, in milliseconds. @default 10000 */
  readonly withinMs?: number
}

/**
 * Fails the test if it leaves a timer, socket, server, child process or worker thread open that was not there when
 * this was called. Call it first: what else the test registers for its end then runs before the check.
 */
export function leakCheck(t: CleanUp, options: LeakCheckOptions = {}): void {
  const before = openResources()
  // Hooks run in the order of their registration; registering this one from a hook puts it last.
  t.after(() => t.after(() => expectNoMore(before, options.withinMs ?? 10_000)))
}

async function expectNoMore(before: ReadonlyMap<string, number>, withinMs: number): Promise<void> {
  await eventually(
    () => {
      const left = leftBehind(before, openResources())
      assert.deepEqual(left, [], `left open after the test: ${left.join(', ')}`)
      return true
    },
    { withinMs },
  )
}

/** How many open things there are of each type, of those that keep the process alive. */
function openResources(): ReadonlyMap<string, number> {
  const counts = new Map<string, number>()
  for (const type of process.getActiveResourcesInfo()) {
    counts.set(type, (counts.get(type) ?? 0) + 1)
  }
  return counts
}

function leftBehind(
  before: ReadonlyMap<string, number>,
  now: ReadonlyMap<string, number>,
): readonly string[] {
  return [...now].flatMap(([type, count]) => {
    const more = count - (before.get(type) ?? 0)
    return more > 0 ? [`${more} ${type}`] : []
  })
}
