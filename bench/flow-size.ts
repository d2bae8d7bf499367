/**
 * Cost per task by the size of the flow: it must be flat. Chains, fan-outs and layered graphs of no-op tasks, through the
 * whole engine in memory (what `run()` does) and through the machine alone. What is done once for a flow (checking, compiling)
 * is measured by `compile`.
 */
import { compile, type Plan } from '../src/flow/compile.ts'
import { runPlan } from './load/engine-run.ts'
import { runMachine } from './load/machine-run.ts'
import { resolvedShape, SHAPES } from './load/shapes.ts'
import { alternate, elapsedMs, ratios, type Case } from './measure/rounds.ts'
import { goalText, printTable, spreadText, verdict } from './measure/table.ts'

const BASE = 1_000
const SIZES = [10_000, 100_000]
/** Tasks measured of each size in a round: small flows are run several times. */
const TASKS_A_ROUND = 100_000
const GOAL = { atMost: 1.5 }

const headings = ['shape', 'tasks', 'µs a task', `times that of ${BASE}`, 'goal', '']
console.log('The whole engine in memory\n')
await measure(runPlan)
console.log('\nThe machine alone\n')
await measure(runMachine)

async function measure(run: (plan: Plan) => unknown): Promise<void> {
  const rows: string[][] = []
  for (const name of SHAPES) {
    const cases: { [size: string]: Case } = {}
    for (const size of [BASE, ...SIZES]) {
      const plan = compile(resolvedShape(name, size), `${name} ${size}`)
      cases[`${size}`] = async () => {
        const times = TASKS_A_ROUND / size
        const ms = await elapsedMs(async () => {
          for (let time = 0; time < times; time++) await run(plan)
        })
        return (ms * 1000) / TASKS_A_ROUND
      }
    }
    const figures = await alternate(cases)
    const base = figures[`${BASE}`] ?? []
    rows.push([name, `${BASE}`, spreadText(base), '', '', ''])
    for (const size of SIZES) {
      const figure = figures[`${size}`] ?? []
      const times = ratios(figure, base)
      rows.push([
        name,
        `${size}`,
        spreadText(figure),
        spreadText(times),
        goalText(GOAL),
        verdict(times, GOAL),
      ])
    }
  }
  printTable(headings, rows)
}
