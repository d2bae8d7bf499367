/**
 * What tests let other processes do with a store: `node child.js VERB URL NAMESPACE ARGUMENT`.
 * Each prints `ready`, waits for the moment in ARGUMENT (epoch ms) where it has one, and prints what it did.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import knex from 'knex'
import { openStore } from '../../persistence/open.ts'
import type { Store } from '../../persistence/store.ts'
import { uuidV7 } from '../../src/base/ids.ts'
import { atomOf, callOf, changeOf, historyOf, postOf } from './fixtures.ts'

const [verb, url = '', namespace = '', argument = ''] = process.argv.slice(2)
const synchronous = url.startsWith('postgres') ? {} : ({ synchronous: 'NORMAL' } as const)
const store = openStore(url, { namespace, ...synchronous })

switch (verb) {
  case 'migrate':
    await at(argument)
    print(JSON.stringify(await store.migrate()))
    break
  case 'post': {
    await store.start()
    await at(argument)
    const answers = []
    for (let n = 0; n < 20; n += 1) {
      const { job, created } = await store.post(postOf({ key: `key ${n}` }))
      answers.push([job.id, created])
    }
    print(JSON.stringify(answers))
    break
  }
  case 'work':
    await store.start()
    await at(argument)
    print(JSON.stringify(await work(store)))
    break
  case 'crash':
    await store.start()
    await crashInTransaction()
    break
  case undefined:
  default:
    throw new Error(`unknown verb ${verb}`)
}
await store.stop()

function print(line: string): void {
  process.stdout.write(`${line}\n`)
}

async function at(moment: string): Promise<void> {
  print('ready')
  await sleep(Math.max(0, Number(moment) - Date.now()))
}

/** Claims jobs and commits three times for each, until there is none; the ids that it ended. */
async function work(own: Store): Promise<readonly string[]> {
  const conductor = `process ${process.pid}`
  const done: string[] = []
  for (;;) {
    const claimIds = [uuidV7(), uuidV7(), uuidV7(), uuidV7()]
    const claims = await own.claimJobs({ board: 'main', conductor, claimIds })
    if (claims.length === 0) return done
    for (let step = 0; step < 3; step += 1) {
      const batch = claims.map((claimed) => {
        const change = changeOf(claimed, {
          revision: step,
          historySeq: step + 1,
          atoms: [atomOf(`f/${step}`)],
          calls: [callOf(`f/${step}`)],
          history: [historyOf(step + 1, { name: conductor })],
        })
        return step < 2 ? change : { ...change, job: { state: 'COMPLETE' } as const, mailRead: 0 }
      })
      for (const outcome of await own.commit(batch)) {
        if (outcome.kind !== 'committed') throw new Error(JSON.stringify(outcome))
      }
    }
    done.push(...claims.map(({ jobId }) => jobId))
  }
}

/** Posts in a transaction that also writes a row of its own, and dies before the commit. */
async function crashInTransaction(): Promise<void> {
  const own = url.startsWith('postgres')
    ? knex({ client: 'pg', connection: url })
    : knex({
        client: 'sqlite3',
        connection: { filename: url.slice('sqlite:'.length) },
        useNullAsDefault: true,
      })
  await own.transaction(async (transaction) => {
    await transaction(`${namespace}orders`).insert({ id: 'of a crash' })
    await store.post(postOf({ key: 'of a crash' }), { transaction })
    process.kill(process.pid, 'SIGKILL')
    await sleep(60_000)
  })
}
