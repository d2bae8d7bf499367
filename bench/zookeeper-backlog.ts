/**
 * A long backlog beside a short one: 100,000 jobs of one no-op task against 1,000, through a board in ZooKeeper with PostgreSQL. They are posted
 * while nobody runs them (what the board has no room for waits in the database), then two conductors in two processes, which have run
 * some thousands before, run them all.
 *
 * Posting: from the first to the last. Claiming, finishing: from the first claim (end) to the last. Emptying: from the last end until
 * nothing is left on the board.
 *
 * `--few 1000 --many 100000 --at-once 100 --rounds 3`
 */
import { parseArgs } from 'node:util'
import { connect } from '../src/client/connect.ts'
import { eventually } from '../test/support/eventually.ts'
import { postAll, startFleet } from './load/zookeeper-jobs.ts'
import { missingServers, startServers, type Servers } from './load/zookeeper-place.ts'
import { elapsedMs, ratios } from './measure/rounds.ts'
import { digits, goalText, printTable, spreadText, verdict } from './measure/table.ts'

const { values } = parseArgs({
  options: {
    few: { type: 'string', default: '1000' },
    many: { type: 'string', default: '100000' },
    'at-once': { type: 'string', default: '100' },
    rounds: { type: 'string', default: '3' },
  },
})
const FEW = Number(values.few)
const MANY = Number(values.many)
const AT_ONCE = Number(values['at-once'])
const WARM_UP = 4000
const PHASES = ['posting', 'claiming', 'finishing'] as const
const GOAL = { atMost: 1.5 }

/** µs of each job. */
type Phases = { readonly [phase in (typeof PHASES)[number]]: number }

const missing = missingServers()
if (missing !== undefined) console.log(`not measured: ${missing}`)
else await measure()

async function measure(): Promise<void> {
  const servers = await startServers()
  const all: { readonly few: Phases[]; readonly many: Phases[] } = { few: [], many: [] }
  for (let round = 1; round <= Number(values.rounds); round++) {
    for (const [name, jobs] of [['few', FEW] as const, ['many', MANY] as const]) {
      const phases = await runAll(servers, jobs)
      all[name].push(phases)
      const shown = PHASES.map((phase) => `${phase} ${digits(phases[phase])}`)
      console.log(`round ${round}, ${jobs} jobs, µs a job: ${shown.join(', ')}`)
    }
  }
  console.log('\nMicroseconds a job\n')
  printTable(
    ['phase', `${FEW} jobs`, `${MANY} jobs`, 'times', 'goal', ''],
    PHASES.map((phase) => {
      const [few, many] = [all.few.map((one) => one[phase]), all.many.map((one) => one[phase])]
      const times = ratios(many, few)
      const [goal, met] = [goalText(GOAL), verdict(times, GOAL)]
      return [phase, spreadText(few), spreadText(many), spreadText(times), goal, met]
    }),
  )
  await servers.stop()
}

async function runAll(servers: Servers, jobs: number): Promise<Phases> {
  const place = await servers.place()
  const { persistence, board } = place
  const zag = await connect({ persistence, board, environment: {} })
  // What is measured is warm, however few jobs there are.
  const fleet = await startFleet(place, { size: 2, maxFlows: AT_ONCE })
  await Promise.all([postAll(zag, WARM_UP, AT_ONCE), fleet.ended(WARM_UP)])
  await fleet.rest()
  const postedMs = await elapsedMs(() => postAll(zag, jobs, AT_ONCE))
  await zag.close()
  await fleet.work()
  const { firstClaim, lastClaim, firstEnd, lastEnd } = await fleet.ended(jobs)
  await eventually(
    async () => (await servers.childrenOf(`${place.chroot}/boards/main/claims`)) === 0,
  )
  await fleet.stop()
  await place.remove()
  const each = (ms: number): number => (ms * 1000) / jobs
  return {
    posting: each(postedMs),
    claiming: each(lastClaim - firstClaim),
    finishing: each(lastEnd - firstEnd),
  }
}
