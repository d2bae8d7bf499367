/**
 * Building a car: nested flows, and reverts that go through them in reverse. The engine does not fit, so doors, windows and
 * wheels come off again, last first.
 */
import { linear, run, task, unordered } from 'zagflow'

const install = <const Part extends string>(part: Part, count: number) =>
  task(`install.${part}`, {
    execute() {
      console.log(`install ${count} ${part}`)
    },
    revert({ failure }) {
      if (failure === undefined) console.log(`take off ${count} ${part}`)
    },
  })

const fitEngine = task('install.engine', {
  execute() {
    throw new Error('the engine does not fit')
  },
})

const car = linear('car', [
  install('frame', 1),
  linear('body', [
    install('doors', 4),
    unordered('glass', [install('windows', 6), install('mirrors', 2)]),
  ]),
  install('wheels', 4),
  fitEngine,
  install('paint', 1),
])

const outcome = await run(car, {}, { engine: 'serial' })
console.log(outcome.state)
if (outcome.state !== 'SUCCESS')
  console.log(outcome.failures.map(({ atom, message }) => `${atom}: ${message}`).join('\n'))
