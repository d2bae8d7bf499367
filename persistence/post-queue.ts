/**
 * Posts that come at the same time, several in one statement: each alone would wait for the disk, and be parsed, planned and sent.
 *
 * Invariants
 * Q1  A post's promise settles after the statement that it was part of: what resolved is durable.
 * Q2  One that fails takes no other with it: those beside it are done again, each alone. When the database is away all are told.
 * Q3  A post that comes alone does not wait: what comes while {@link AT_ONCE} statements are under way goes together with the next.
 * Q4  What may have to wait for a row of somebody else's open transaction goes alone, so that nobody waits with it: posts with a key.
 */
import type { PostedRow } from './dialect.ts'
import { DriverError } from './errors.ts'
import type { PostRows } from './post-rows.ts'

/** Statements under way at the same time. */
const AT_ONCE = 2
/** Posts of one statement, and characters of their inputs. */
const TOGETHER = 100
const MOST_INPUT = 1_000_000

interface Post {
  readonly rows: PostRows
  readonly resolve: (posted: PostedRow) => void
  readonly reject: (error: unknown) => void
}

export class PostQueue {
  readonly #post: (all: readonly PostRows[]) => Promise<readonly PostedRow[]>
  readonly #waiting: Post[] = []
  #underWay = 0

  /** @param post answers in the order of its rows; all or nothing. */
  constructor(post: (all: readonly PostRows[]) => Promise<readonly PostedRow[]>) {
    this.#post = post
  }

  /** Throws what the statement throws. */
  add(rows: PostRows): Promise<PostedRow> {
    return new Promise((resolve, reject) => {
      const post = { rows, resolve, reject }
      if (rows.request.key !== undefined)
        void this.#together([post]) // Q4; it never throws
      else {
        this.#waiting.push(post)
        if (this.#underWay < AT_ONCE) void this.#run() // it never throws
      }
    })
  }

  async #run(): Promise<void> {
    this.#underWay++
    while (this.#waiting.length > 0) await this.#together(this.#next())
    this.#underWay--
  }

  #next(): readonly Post[] {
    let size = 0
    const beyond = this.#waiting.findIndex(({ rows }, at) => {
      size += rows.inputSize
      return at === TOGETHER || (at > 0 && size > MOST_INPUT)
    })
    return this.#waiting.splice(0, beyond === -1 ? this.#waiting.length : beyond)
  }

  async #together(posts: readonly Post[]): Promise<void> {
    try {
      const posted = await this.#post(posts.map(({ rows }) => rows))
      for (const [at, { resolve, reject }] of posts.entries()) {
        const one = posted[at]
        if (one === undefined) reject(new Error(`expected ${posts.length} answers, got ${at}`))
        else resolve(one)
      }
    } catch (error) {
      const isAway = error instanceof DriverError && error.meaning === 'away'
      if (posts.length === 1 || isAway) for (const { reject } of posts) reject(error)
      else await Promise.all(posts.map((post) => this.#together([post]))) // Q2
    }
  }
}
