/**
 * Does something for each item, at most `most` at a time, and resolves when all of it has ended. Throws the first error, after the
 * others were tried too.
 */
export async function atOnce<T>(
  most: number,
  items: readonly T[],
  run: (item: T) => Promise<unknown>,
): Promise<void> {
  const errors: unknown[] = []
  const rest = items.values()
  const line = async (): Promise<void> => {
    for (const item of rest) {
      try {
        await run(item)
      } catch (error) {
        errors.push(error)
      }
    }
  }
  await Promise.all(Array.from({ length: Math.min(most, items.length) }, line))
  if (errors.length > 0) throw errors[0]
}
