/** Tasks a second through the whole engine in memory (`run()`), beside awaiting a bare async no-op in a loop. */
import { run } from '../src/client/run.ts'
import type { Runnable } from '../src/flow/runnable.ts'
import { SHAPES, shape } from './load/shapes.ts'
import { alternate, elapsedMs, ratios, type Case } from './measure/rounds.ts'
import { goalText, printTable, spreadText, verdict } from './measure/table.ts'

const TASKS = 10_000
const BARE = 5_000_000
const GOAL = { atLeast: 1 / 200 }

const noop = async (): Promise<undefined> => undefined

async function bare(): Promise<number> {
  const ms = await elapsedMs(async () => {
    for (let call = 0; call < BARE; call++) await noop()
  })
  return BARE / (ms / 1000)
}

function engine(flow: Runnable, times: number, tasks: number): Case {
  return async () => {
    const ms = await elapsedMs(async () => {
      for (let time = 0; time < times; time++) {
        const outcome = await run(flow, {})
        if (outcome.state !== 'SUCCESS') throw new Error(`expected SUCCESS, got ${outcome.state}`)
      }
    })
    return (times * tasks) / (ms / 1000)
  }
}

const cases: { [name: string]: Case } = { bare }
for (const name of SHAPES) cases[`${name} of ${TASKS}`] = engine(shape(name, TASKS), 10, TASKS)
/** Beside its tasks a run is posted, claimed and ended, which shows where it has few: no goal is set for that. */
const SHORT = '1,000 runs of 10 each'
cases[SHORT] = engine(shape('chain', 10), 1000, 10)

const { bare: limit = [], ...engines } = await alternate(cases, { warmUps: 2 })
console.log(`Tasks a second through run(), beside ${spreadText(limit)} bare awaits a second\n`)
printTable(
  ['flow', 'tasks/s', 'one in … bare awaits', 'goal', ''],
  Object.entries(engines).map(([name, figures]) => {
    const share = ratios(figures, limit)
    return [
      name,
      spreadText(figures),
      spreadText(share.map((one) => 1 / one)),
      ...(name === SHORT
        ? ['', '']
        : [goalText({ atMost: 1 / GOAL.atLeast }), verdict(share, GOAL)]),
    ]
  }),
)
