import { after } from 'node:test'
import type { TestContext } from 'node:test'
import { openStore } from '../../persistence/open.ts'
import { freshDatabase, postgres } from '../support/postgres.ts'
import type { StoreBench } from './store-bench.ts'
import { describeStore } from './store-contract.ts'

const server = await postgres()
/** One for the file; each test has a namespace of its own in it. */
let database: Promise<string> | undefined
let benches = 0

describeStore('in PostgreSQL', openBench, {
  skip: 'missing' in server ? server.missing : undefined,
})

async function openBench(t: TestContext): Promise<StoreBench> {
  database ??= freshDatabase({ after })
  const url = await database
  const namespace = `test${(benches += 1)}`
  const another = async () => {
    const store = openStore(url, { namespace })
    t.after(() => store.stop())
    await store.migrate()
    await store.start()
    return store
  }
  return { store: await another(), another }
}
