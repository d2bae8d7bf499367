import { after, before, describe, it } from 'node:test'
import type { Store } from '../../persistence/store.ts'
import { openStore } from '../../persistence/index.ts'
import { freshDatabase, postgres } from '../support/postgres.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { deciders, flows } from './flows.ts'
import { retries, symbols } from './retries.ts'
import { play } from './scenario.ts'

const scenarios = [...flows, ...deciders, ...retries, ...symbols]
const stores = ['memory', 'sqlite', 'postgres'] as const
const engines = ['serial', 'parallel'] as const

/** Clean-up for a whole `describe`, in the shape that the helpers ask for. */
class CleanUps {
  readonly #all: (() => unknown)[] = []
  after(cleanUp: () => unknown): void {
    this.#all.unshift(cleanUp)
  }
  async run(): Promise<void> {
    for (const cleanUp of this.#all.splice(0)) await cleanUp()
  }
}

for (const kind of stores) {
  describe(`on ${kind}`, () => {
    const cleanUps = new CleanUps()
    let store: Store | undefined
    let missing: string | undefined

    before(async () => {
      if (kind === 'memory') return
      let url = 'sqlite:'
      if (kind === 'postgres') {
        const server = await postgres()
        if ('missing' in server) {
          missing = server.missing
          return
        }
        url = await freshDatabase(cleanUps)
      } else {
        url += `${await temporaryFolder(cleanUps)}/zagflow.db`
      }
      const opened = openStore(url)
      cleanUps.after(() => opened.stop())
      await opened.migrate()
      await opened.start()
      store = opened
    })
    after(() => cleanUps.run())

    for (const engine of engines) {
      describe(`the ${engine} engine`, () => {
        for (const scenario of scenarios) {
          if (scenario.only !== undefined && scenario.only !== engine) continue
          it(`${scenario.id}: ${scenario.title}`, async (t) => {
            if (missing !== undefined) return t.skip(missing)
            await play(scenario, { engine, store })
          })
        }
      })
    }
  })
}
