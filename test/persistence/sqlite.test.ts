import path from 'node:path'
import type { TestContext } from 'node:test'
import { openStore } from '../../persistence/open.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import type { StoreBench } from './store-bench.ts'
import { describeStore } from './store-contract.ts'

for (const driver of ['sqlite', 'better-sqlite3']) {
  describeStore(`in a file, over ${driver}`, (t) => openBench(t, driver), {
    skip: await whyNot(driver),
  })
}

describeStore('in SQLite without a file', async (t) => {
  const store = openStore('sqlite::memory:')
  t.after(() => store.stop())
  await store.start()
  return { store, another: async () => store }
})

async function openBench(t: TestContext, driver: string): Promise<StoreBench> {
  const folder = await temporaryFolder(t)
  const another = async () => {
    // Power is not at stake here, and the disk is slow.
    const store = openStore(`${driver}:${path.join(folder, 'in', 'zagflow.db')}`, {
      synchronous: 'NORMAL',
    })
    t.after(() => store.stop())
    await store.start()
    return store
  }
  return { store: await another(), another }
}

async function whyNot(driver: string): Promise<string | undefined> {
  if (driver === 'sqlite') return undefined
  try {
    await import(driver)
    return undefined
  } catch {
    return `${driver} is not installed`
  }
}
