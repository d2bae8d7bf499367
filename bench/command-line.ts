/** How long `zagflow --help` takes to answer, beside `node -e 0`: what a person waits for before anything happens. */
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { alternate, elapsedMs, ratios } from './measure/rounds.ts'
import { goalText, printTable, spreadText, verdict } from './measure/table.ts'

const ROUNDS = 15
const GOAL = { atMost: 3 }

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)))
const command = path.join(root, 'src', 'cli', 'main.js')

if (!fs.existsSync(command)) {
  console.log('not measured: the command is not built')
} else {
  const start = (args: readonly string[]) => () =>
    elapsedMs(() => {
      const { status, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' })
      if (status !== 0) throw new Error(`node ${args.join(' ')} ended with ${status}: ${stderr}`)
    })
  const figures = await alternate(
    { node: start(['-e', '0']), help: start([command, '--help']) },
    { rounds: ROUNDS },
  )
  const times = ratios(figures.help, figures.node)
  console.log(`Wall time of a process, ${ROUNDS} rounds\n`)
  printTable(
    ['node -e 0, ms', 'zagflow --help, ms', 'times', 'goal', ''],
    [
      [
        spreadText(figures.node),
        spreadText(figures.help),
        spreadText(times),
        goalText(GOAL),
        verdict(times, GOAL),
      ],
    ],
  )
}
