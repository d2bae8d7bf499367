import { after, before, describe, it } from 'node:test'
import type { Store } from '../../persistence/store.ts'
import { openStore } from '../../persistence/index.ts'
import { freshDatabase, postgres } from '../support/postgres.ts'
import { CleanUps } from '../support/clean-up.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { everyScenario } from './every-scenario.ts'
import { play } from './scenario.ts'

const stores = ['memory', 'sqlite', 'postgres'] as const
const engines = ['serial', 'parallel'] as const

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
        for (const scenario of everyScenario) {
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
