/** A service that posts: argument {@link PosterOptions} as JSON; prints `{ ids, errors }`. */
import { connect } from '../../src/client/connect.ts'
import { flow, task, z } from '../../src/index.ts'

export interface PosterOptions {
  readonly persistence: string
  readonly board: string
  readonly key: string
  readonly n: number
  /** Posts, at least: those that are under way then are made, too. */
  readonly count: number
}

const step = task('step', { provides: { done: z.boolean() }, execute: () => ({ done: true }) })
const steps = flow('steps', { input: { n: z.int() } }, [step])

/** Posts that are under way at the same time. */
const LINES = 10

async function main({ persistence, board, key, n, count }: PosterOptions): Promise<void> {
  await using zag = await connect({ persistence, board, environment: {} })
  const ids: string[] = []
  const errors: string[] = []
  const post = async (): Promise<void> => {
    try {
      ids.push((await zag.post(steps, { n }, { key })).id)
    } catch (error) {
      errors.push(error instanceof Error ? error.name : String(error))
    }
  }
  const lines = Array.from({ length: LINES }, async () => {
    while (ids.length + errors.length < count) await post()
  })
  await Promise.all(lines)
  process.stdout.write(JSON.stringify({ ids, errors }))
}

await main(JSON.parse(process.argv[2] ?? '{}') as PosterOptions)
