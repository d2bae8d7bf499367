/** Tasks for a first look at the cluster: replace this folder by your own (`ZAGFLOW_TASKS_FOLDER=./my-tasks docker compose up`). */
import { setTimeout as sleep } from 'node:timers/promises'
import { task, z } from 'zagflow'

export const reserve = task('inventory.reserve', {
  requires: { sku: z.string(), quantity: z.int().positive() },
  provides: { reservationId: z.string() },
  async execute({ sku, quantity }, ctx) {
    ctx.logger.info({ sku, quantity }, 'reserved')
    return { reservationId: `reservation-${ctx.idempotencyKey.slice(0, 8)}` }
  },
  async revert({ result }, ctx) {
    ctx.logger.info({ reservation: result?.reservationId ?? 'none' }, 'given back')
  },
})

export const charge = task('payment.charge', {
  requires: { amount: z.number() },
  provides: { receipt: z.string() },
  retry: { attempts: 3, delay: '2s', factor: 2 },
  async execute({ amount }, ctx) {
    if (amount > 1000) throw new Error(`the bank refuses ${amount}`)
    return { receipt: `receipt-${ctx.idempotencyKey.slice(0, 8)}` }
  },
  async revert({ result }, ctx) {
    ctx.logger.info({ receipt: result?.receipt ?? 'none' }, 'paid back')
  },
})

export const ship = task('shipping.ship', {
  requires: { reservationId: z.string() },
  provides: { tracking: z.string() },
  async execute({ reservationId }, ctx) {
    for (let step = 1; step <= 10; step++) {
      await sleep(500, undefined, { signal: ctx.signal })
      ctx.progress(step / 10)
    }
    return { tracking: `tracking of ${reservationId}` }
  },
})
