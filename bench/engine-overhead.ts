/**
 * What a call costs beyond the task itself: no-op tasks through the engines of this process, beside awaiting a bare async
 * no-op in a loop. Prints ns per call: median of the rounds, with the lowest and the highest.
 */
import { ParallelEngine } from '../engines/parallel.ts'
import { SerialEngine } from '../engines/serial.ts'
import type { CallRequest, Engine } from '../engines/engine.ts'
import { task } from '../src/flow/task.ts'
import { TaskRegistry } from '../src/worker/registry.ts'

const CALLS = 100_000
const ROUNDS = 7

const tasks = TaskRegistry.of(
  task('sync', { execute: () => undefined }),
  task('async', { execute: async () => undefined }),
)

function requestOf(task: string, flow: number): CallRequest {
  return {
    jobId: 'job',
    flowId: `flow-${flow}`,
    flow: 'flow',
    atom: `flow/${task}`,
    direction: 'execute',
    call: 1,
    task,
    topic: 'default',
    attempt: 1,
    args: {},
    priority: 0,
    again: false,
  }
}

/** `flows` chains side by side: the answer of one call dispatches the next of its flow. */
function chains(engine: Engine, task: string, flows: number): Promise<void> {
  return new Promise((resolve) => {
    let left = CALLS
    const listener = {
      answer(request: CallRequest): void {
        left -= 1
        if (left === 0) resolve()
        else if (left >= flows) engine.dispatch(request, listener)
      },
    }
    for (let flow = 0; flow < flows; flow++) engine.dispatch(requestOf(task, flow), listener)
  })
}

async function bare(): Promise<void> {
  const noop = async (): Promise<undefined> => undefined
  for (let call = 0; call < CALLS; call++) await noop()
}

const serial = new SerialEngine({ tasks })
const parallel = new ParallelEngine({ tasks })
await serial.start()
await parallel.start()
const cases: readonly (readonly [name: string, run: () => Promise<void>])[] = [
  ['bare: await an async no-op', bare],
  ['serial, 1 flow, sync task', () => chains(serial, 'sync', 1)],
  ['serial, 1 flow, async task', () => chains(serial, 'async', 1)],
  ['serial, 100 flows, async task', () => chains(serial, 'async', 100)],
  ['parallel, 1 flow, sync task', () => chains(parallel, 'sync', 1)],
  ['parallel, 1 flow, async task', () => chains(parallel, 'async', 1)],
  ['parallel, 100 flows, async task', () => chains(parallel, 'async', 100)],
]
const figures = new Map<string, number[]>()
for (let round = 0; round <= ROUNDS; round++) {
  for (const [name, run] of cases) {
    const start = performance.now()
    await run()
    const nsPerCall = ((performance.now() - start) * 1e6) / CALLS
    if (round > 0) figures.set(name, [...(figures.get(name) ?? []), nsPerCall]) // the first warms up
  }
}
console.log(`ns per call, ${CALLS} calls, ${ROUNDS} rounds: median (lowest to highest)`)
for (const [name, values] of figures) {
  values.sort((a, b) => a - b)
  const [low, median, high] = [values[0], values[values.length >> 1], values.at(-1)].map((value) =>
    Math.round(value ?? 0),
  )
  console.log(`${name.padEnd(34)} ${String(median).padStart(6)}  (${low} to ${high})`)
}
await serial.stop()
await parallel.stop()
