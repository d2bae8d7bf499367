import type { TestContext } from 'node:test'
import { SqlBoard } from '../../jobboard/sql.ts'
import type { Claim, Store } from '../../persistence/store.ts'
import { beatOf, changeOf, post } from '../persistence/fixtures.ts'
import { lastFirst } from '../support/last-first.ts'
import { eventually } from '../support/eventually.ts'
import type { BoardPlace } from './board-contract.ts'

const LEASE_MS = 60_000

/** The board in a started store. */
export async function sqlPlace(t: TestContext, store: Store): Promise<BoardPlace> {
  const make = (): SqlBoard<Claim> => {
    const board = new SqlBoard<Claim>({ store })
    lastFirst(t).after(() => board.stop())
    return board
  }
  return {
    make,
    async connect() {
      const board = make()
      await board.start()
      return board
    },
    async post(_board, { priority = 0 } = {}) {
      const { id: jobId, posting, createdAt, epoch } = await post(store, { priority })
      return { jobId, posting, priority, createdAt, epoch }
    },
    async announce(conductor) {
      await store.beat(beatOf(conductor, LEASE_MS))
    },
    async end(claim: Claim) {
      const job = { state: 'COMPLETE' } as const
      const [outcome] = await store.commit([changeOf(claim, { job, mailRead: 0 })])
      if (outcome?.kind !== 'committed') throw new Error(`expected committed, got ${outcome?.kind}`)
    },
    async die(conductor) {
      await store.beat(beatOf(conductor, 1))
      await eventually(async () => {
        const { released, trashed } = await store.reap('main', { maxDeaths: 5 })
        return released.length + trashed.length > 0
      })
    },
  }
}
