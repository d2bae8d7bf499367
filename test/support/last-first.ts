import type { CleanUp } from './clean-up.ts'

const ends = new WeakMap<CleanUp, (() => void | Promise<void>)[]>()

/**
 * Cleans up after a test in the reverse order of registration, so that what was made last, and uses the rest, goes first. All that
 * is registered through it for one test is one list.
 */
export function lastFirst(t: CleanUp): CleanUp {
  let list = ends.get(t)
  if (list === undefined) {
    const own: (() => void | Promise<void>)[] = (list = [])
    ends.set(t, own)
    t.after(async () => {
      for (let done = own.pop(); done !== undefined; done = own.pop()) await done()
    })
  }
  const registered = list
  return { after: (done) => void registered.push(done) }
}
