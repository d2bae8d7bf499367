/**
 * Posts the pipeline and waits for its end; a conductor inside this process works on it. Started again after a crash it goes
 * on where it was: the job's key says that it is the same job.
 *
 *     node dist/examples/02-data-pipeline/main.js FOLDER [--fail-report] [--step-ms 200]
 */
import { mkdir } from 'node:fs/promises'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { connect } from 'zagflow'
import { pipeline } from './flow.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    'fail-report': { type: 'boolean', default: false },
    'step-ms': { type: 'string', default: '40' },
  },
})
const folder = path.resolve(positionals[0] ?? '.zagflow/pipeline')
await mkdir(folder, { recursive: true })

const zag = await connect({
  persistence: `sqlite:${path.join(folder, 'zagflow.db')}`,
  conductor: { tasks: pipeline, leaseMs: 2000 },
})

const failReport = values['fail-report']
const job = await zag.post(
  pipeline,
  {
    work: path.join(folder, 'work'),
    warehouse: path.join(folder, 'warehouse.db'),
    reportFile: path.join(folder, 'report.html'),
    failReport,
    stepMs: Number(values['step-ms']),
  },
  { key: failReport ? 'pipeline that fails' : 'pipeline' },
)
console.log(`job ${job.id}`)

// Started again, only what is new is shown: the history is numbered.
const last = (await job.history()).at(-1)
if (last !== undefined) console.log(`  ${last.seq} events so far; going on`)

for await (const event of job.watch({ after: last?.seq })) {
  if (event.kind === 'flow') console.log(`${event.state.padEnd(10)} ${event.name}`)
  else console.log(`  ${event.state.padEnd(10)} ${event.name.replace('pipeline/', '')}`)
}

const outcome = await job.outcome()
if (outcome.state === 'SUCCESS') {
  console.log(`loaded ${outcome.output.rows} rows, wrote ${outcome.output.report.file}`)
} else {
  for (const { atom, message } of outcome.failures) console.log(`${atom}: ${message}`)
  process.exitCode = 1
}
await zag.close()
