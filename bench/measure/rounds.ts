/** Measuring several things alternately, so that whatever slows this machine down for a while slows all of them. */

/** Something that is measured: does its work once, and gives its figure (the unit is the benchmark's). */
export type Case = () => number | Promise<number>

/** The figures of all rounds, by case. */
export type Figures<Name extends string> = { readonly [name in Name]: readonly number[] }

export interface Spread {
  readonly median: number
  readonly low: number
  readonly high: number
}

/** Rounds that count, unless a benchmark says otherwise. */
export const ROUNDS = 5

/**
 * Runs the cases one after the other, in rounds. The first `warmUps` rounds do not count: in them code is compiled and
 * caches are filled. Garbage is collected before each case where the process may (`--expose-gc`).
 */
export async function alternate<Name extends string>(
  cases: { readonly [name in Name]: Case },
  options: { readonly rounds?: number; readonly warmUps?: number } = {},
): Promise<Figures<Name>> {
  const { rounds = ROUNDS, warmUps = 1 } = options
  const entries: [Name, Case][] = []
  for (const name in cases) entries.push([name, cases[name]])
  const figures = new Map<string, number[]>(entries.map(([name]) => [name, []]))
  for (let round = -warmUps; round < rounds; round++) {
    for (const [name, run] of entries) {
      globalThis.gc?.()
      const figure = await run()
      if (round >= 0) figures.get(name)?.push(figure)
    }
  }
  return Object.fromEntries(figures) as { [name in Name]: number[] } // its keys are those of `cases`
}

/** What one figure is of another, round by round: both of a pair were measured within moments. */
export function ratios(figures: readonly number[], of: readonly number[]): readonly number[] {
  return figures.map((figure, round) => figure / (of[round] ?? Number.NaN))
}

export function spreadOf(figures: readonly number[]): Spread {
  const sorted = [...figures].sort((a, b) => a - b)
  const middle = sorted.length / 2
  const low = sorted[0] ?? Number.NaN
  const high = sorted.at(-1) ?? Number.NaN
  const [left = Number.NaN, right = left] = sorted.slice(
    Math.ceil(middle) - 1,
    Math.floor(middle) + 1,
  )
  return { median: (left + right) / 2, low, high }
}

/** Wall time of something, in milliseconds. */
export async function elapsedMs(work: () => unknown): Promise<number> {
  const startedAt = performance.now()
  await work()
  return performance.now() - startedAt
}
