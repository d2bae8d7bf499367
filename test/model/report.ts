/**
 * Prints what each search finds: `node dist/test/model/report.js [model]`. With a model's name it prints its traces too, and the
 * steps that were met where it holds.
 */
import { CATALOGUE } from './catalogue.ts'
import { tell } from './search.ts'

const print = (text: string): boolean => process.stdout.write(`${text}\n`)

const only = process.argv[2]
for (const [model, searches] of Object.entries(CATALOGUE)) {
  if (only !== undefined && only !== model) continue
  for (const [variant, search] of Object.entries(searches)) {
    const begun = performance.now()
    const verdict = search()
    const ms = Math.round(performance.now() - begun)
    const found = verdict.holds ? 'holds' : verdict.problem
    print(`${model}: ${variant}: ${verdict.states} states, ${ms} ms: ${found}`)
    if (only === undefined) continue
    print(verdict.holds ? [...verdict.steps].sort().join('\n') : tell(verdict))
    print('')
  }
}
