/**
 * Cost per task by the size of the flow: it must be flat. Chains, fan-outs and layered graphs of no-op tasks, through the
 * whole engine in memory (what `run()` does) and through the machine alone. What is done once for a flow (checking, compiling)
 * is measured by `compile`.
 */
import { compile, type Plan } from '../src/flow/compile.ts'
import { runPlan } from './load/engine-run.ts'
import { runMachine } from './load/machine-run.ts'
import { resolvedShape, SHAPES, type ShapeName } from './load/shapes.ts'
import { alternate, elapsedMs, ratios, type Case } from './measure/rounds.ts'
import { goalText, printTable, spreadText, verdict } from './measure/table.ts'

const BASE = 1_000
const SIZES = [10_000, 100_000]
/** Tasks measured of each size in a round: small flows are run several times. */
const TASKS_A_ROUND = 100_000
const ROUNDS = 9
const GOAL = { atMost: 1.5 }

type Drive = (plan: Plan) => unknown

const headings = ['shape', 'tasks', 'µs a task', `of ${BASE}`, `times that of ${BASE}`, 'goal', '']
console.log('The whole engine in memory\n')
await measure(runPlan)
console.log('\nThe machine alone\n')
await measure(runMachine)

/** Each size alone beside the base: no plan of another size is in memory, for the collector to go through. */
async function measure(run: Drive): Promise<void> {
  const rows: string[][] = []
  for (const name of SHAPES) {
    for (const size of SIZES) {
      const cases = { small: caseOf(run, name, BASE), large: caseOf(run, name, size) }
      const { small, large } = await alternate(cases, { rounds: ROUNDS })
      const times = ratios(large, small)
      rows.push([
        name,
        `${size}`,
        spreadText(large),
        spreadText(small),
        spreadText(times),
        goalText(GOAL),
        verdict(times, GOAL),
      ])
    }
  }
  printTable(headings, rows)
}

/** Microseconds a task. */
function caseOf(run: Drive, name: ShapeName, size: number): Case {
  const plan = compile(resolvedShape(name, size), `${name} ${size}`)
  const times = TASKS_A_ROUND / size
  return async () => {
    const ms = await elapsedMs(async () => {
      for (let time = 0; time < times; time++) await run(plan)
    })
    return (ms * 1000) / TASKS_A_ROUND
  }
}
