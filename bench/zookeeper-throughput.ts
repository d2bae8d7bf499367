/**
 * Jobs of one no-op task through a board in ZooKeeper with PostgreSQL: posted by one process and run by two conductors in two more,
 * each with its own board and store, beside bare create, claim and delete transactions of two processes on the same server, as many at
 * once. From the first post to the last end; besides, the same jobs posted before the clock starts.
 *
 * `--jobs 2000 --at-once 100 --rounds 5`
 */
import { parseArgs } from 'node:util'
import { connect } from '../src/client/connect.ts'
import { bareCycles } from './load/bare-zookeeper.ts'
import { postAll, startFleet } from './load/zookeeper-jobs.ts'
import { missingServers, startServers } from './load/zookeeper-place.ts'
import { alternate, ratios } from './measure/rounds.ts'
import { goalText, printTable, spreadText, verdict } from './measure/table.ts'

const { values } = parseArgs({
  options: {
    jobs: { type: 'string', default: '2000' },
    'at-once': { type: 'string', default: '100' },
    rounds: { type: 'string', default: '5' },
  },
})
const JOBS = Number(values.jobs)
const AT_ONCE = Number(values['at-once'])
const CONDUCTORS = 2
const GOAL = { atLeast: 0.2 }

const missing = missingServers()
if (missing !== undefined) console.log(`not measured: ${missing}`)
else await measure()

async function measure(): Promise<void> {
  const servers = await startServers()
  const bare = await bareCycles(servers.zookeeper, CONDUCTORS)
  const perSecond = (ms: number): number => JOBS / (ms / 1000)

  /** From the first post to the last end. */
  const together = async (): Promise<number> => {
    const place = await servers.place()
    const fleet = await startFleet(place, { size: CONDUCTORS, maxFlows: AT_ONCE })
    const zag = await connect({ ...urls(place), environment: {} })
    await postAll(zag, 20, 1)
    await fleet.ended(20)
    const startedAt = performance.now()
    const posting = postAll(zag, JOBS, AT_ONCE)
    const { lastEnd } = await fleet.ended(JOBS)
    await posting
    await zag.close()
    await fleet.stop()
    await place.remove()
    return perSecond(lastEnd - startedAt)
  }

  /** From the first claim to the last end of what was posted before. */
  const posted = async (): Promise<number> => {
    const place = await servers.place()
    const zag = await connect({ ...urls(place), environment: {} })
    await postAll(zag, JOBS, AT_ONCE)
    const fleet = await startFleet(place, { size: CONDUCTORS, maxFlows: AT_ONCE })
    const { firstClaim, lastEnd } = await fleet.ended(JOBS)
    await zag.close()
    await fleet.stop()
    await place.remove()
    return perSecond(lastEnd - firstClaim)
  }

  const figures = await alternate(
    {
      bare: async () => perSecond(await bare.run(JOBS, AT_ONCE)),
      together,
      posted,
    },
    { rounds: Number(values.rounds) },
  )
  const share = ratios(figures.together, figures.bare)
  const later = ratios(figures.posted, figures.bare)
  console.log(
    `Jobs a second: ${JOBS} jobs of one task, ${CONDUCTORS} conductors, ${AT_ONCE} at once each, beside bare cycles\n`,
  )
  printTable(
    ['', 'jobs/s', 'bare cycles/s', 'jobs per bare cycle', 'goal', ''],
    [
      [
        'posted, claimed, run, ended',
        spreadText(figures.together),
        spreadText(figures.bare),
        spreadText(share),
        goalText(GOAL),
        verdict(share, GOAL),
      ],
      [
        'posted before',
        spreadText(figures.posted),
        spreadText(figures.bare),
        spreadText(later),
        '',
        '',
      ],
    ],
  )
  bare.stop()
  await servers.stop()
}

function urls({ persistence, board }: { readonly persistence: string; readonly board: string }) {
  return { persistence, board }
}
