/**
 * The job in the transaction of the data that it is about: both exist, or neither. No outbox, no job for an order that was
 * rolled back, no order that nobody works on.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import knex from 'knex'
import { connect, flow, task, z } from 'zagflow'

const folder = await mkdtemp(path.join(os.tmpdir(), 'zagflow-orders-'))
const file = path.join(folder, 'shop.db')
const shop = knex({ client: 'sqlite3', connection: { filename: file }, useNullAsDefault: true })
await shop.schema.createTable('orders', (table) => {
  table.increments('id')
  table.string('item')
  table.string('state')
})

const fulfil = task('order.fulfil', {
  requires: { orderId: z.int() },
  async execute({ orderId }) {
    await shop('orders').where({ id: orderId }).update({ state: 'fulfilled' })
  },
})
const fulfilment = flow('fulfilment', { input: { orderId: z.int() } }, [fulfil])

// The same database file: that is what lets one transaction hold both.
const zag = await connect({ persistence: `sqlite:${file}`, conductor: { tasks: fulfilment } })

async function placeOrder(item: string, isPaid: boolean) {
  return shop.transaction(async (transaction) => {
    const [orderId = 0] = await transaction('orders').insert({ item, state: 'placed' })
    const job = await zag.post(fulfilment, { orderId }, { key: `order ${orderId}`, transaction })
    if (!isPaid) throw new Error('the payment was refused')
    return job
  })
}

const job = await placeOrder('a lamp', true)
await job.result()
console.log(await shop('orders').select('item', 'state'))

await placeOrder('a sofa', false).catch((error: unknown) => console.log(String(error)))
const { jobs } = await zag.jobs()
console.log(`${jobs.length} job, ${(await shop('orders').select()).length} order`)

await zag.close()
await shop.destroy()
await rm(folder, { recursive: true })
