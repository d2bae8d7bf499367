/**
 * What is done once for a flow, by its size: building it in TypeScript, reading it from YAML, resolving it (which says all that is
 * wrong with it), hashing and compiling it. µs a task, for a layered graph; there is no bare limit to stand beside, so
 * 10,000 tasks stand beside 1,000.
 */
import { hashJson } from '../src/base/ids.ts'
import type { Json } from '../src/base/json.ts'
import { compile } from '../src/flow/compile.ts'
import { loadFlow } from '../src/flow/load.ts'
import { resolve } from '../src/flow/resolve.ts'
import { TaskRegistry } from '../src/worker/registry.ts'
import { shape } from './load/shapes.ts'
import { alternate, elapsedMs, ratios, type Case } from './measure/rounds.ts'
import { printTable, spreadText } from './measure/table.ts'

const SIZES = [1_000, 10_000] as const
const TASKS_A_ROUND = 10_000

const cases: { [name: string]: Case } = {}
for (const size of SIZES) {
  const flow = shape('layers', size)
  const { document } = flow
  const signatures = TaskRegistry.of(flow).signatures()
  const resolved = resolve(document, { signatures })
  const hash = hashJson(resolved as unknown as Json) // resolving made it JSON
  const text = JSON.stringify(document)
  const yaml = `# YAML's own brackets\n${text}`
  const steps: { readonly [name: string]: () => unknown } = {
    'build in TypeScript': () => shape('layers', size).document,
    'load from JSON': () => loadFlow(text, { name: 'flow.json', maxBytes: 10_000_000 }),
    'load from YAML': () => loadFlow(yaml, { maxBytes: 10_000_000 }),
    resolve: () => resolve(document, { signatures }),
    hash: () => hashJson(resolved as unknown as Json),
    compile: () => compile(resolved, hash),
  }
  for (const [step, work] of Object.entries(steps)) {
    cases[`${step} ${size}`] = async () => {
      const ms = await elapsedMs(() => {
        for (let tasks = 0; tasks < TASKS_A_ROUND; tasks += size) work()
      })
      return (ms * 1000) / TASKS_A_ROUND
    }
  }
}
const figures = await alternate(cases)
const names = [...new Set(Object.keys(cases).map((name) => name.replace(/ \d+$/, '')))]
console.log('µs a task, by the size of the document\n')
printTable(
  ['step', ...SIZES.map((size) => `${size} tasks`), 'times'],
  names.map((name) => {
    const [small = [], big = []] = SIZES.map((size) => figures[`${name} ${size}`] ?? [])
    return [name, spreadText(small), spreadText(big), spreadText(ratios(big, small))]
  }),
)
