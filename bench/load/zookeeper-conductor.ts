/** A process with one conductor, which tells its parent how many jobs it has claimed and ended, and rests when it is told to. */
import { connect } from '../../src/client/connect.ts'
import { noop } from './durable-flows.ts'
import type { Zagflow } from '../../src/client/zagflow.ts'
import type { Order, Tally } from './zookeeper-jobs.ts'

const TELL_MS = 2

const [persistence = '', board = '', name = '', maxFlows = '100'] = process.argv.slice(2)
let tally = { claimed: 0, ended: 0 }
let timer: ReturnType<typeof setTimeout> | undefined

function tell(): void {
  timer ??= setTimeout(() => {
    timer = undefined
    const told: Tally = tally
    tally = { claimed: 0, ended: 0 }
    process.send?.(told)
  }, TELL_MS)
}

function open(): Promise<Zagflow> {
  return connect({
    persistence,
    board,
    environment: {},
    conductor: {
      name,
      tasks: [noop],
      maxFlows: Number(maxFlows),
      onJob: (event) => {
        if (event.kind === 'claimed') tally.claimed++
        else if (event.kind === 'completed') tally.ended++
        else if (event.kind === 'trashed') throw new Error(event.reason)
        tell()
      },
    },
  })
}

let zag = await open()
const orders: { readonly [order in Order]: () => Promise<void> } = {
  rest: () => zag.close(),
  work: async () => {
    zag = await open()
  },
  stop: async () => {
    await zag.close()
    process.exit()
  },
}
process.on('message', (order: Order) => {
  void orders[order]().then(() => process.send?.('done'))
})
process.on('disconnect', () => process.exit(1))
process.send?.('ready')
