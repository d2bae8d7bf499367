/** Tasks that the planted faults use. */
import { task, z } from '../../../src/flow/builders.ts'

export const reserve = task('inventory.reserve', {
  requires: { sku: z.string(), quantity: z.int() },
  provides: { reservationId: z.string() },
  execute: () => ({ reservationId: 'r' }),
})

export const charge = task('payment.charge', {
  requires: { amount: z.number(), currency: z.enum(['EUR', 'USD']), note: z.string().optional() },
  provides: { paymentId: z.string() },
  execute: () => ({ paymentId: 'p' }),
})

export const ship = task('ship', {
  requires: { reservationId: z.string() },
  provides: { trackingNumber: z.string() },
  execute: () => ({ trackingNumber: 't' }),
})

/** Provides a reservation that is a number. */
export const num = task('num', {
  provides: { reservationId: z.number() },
  execute: () => ({ reservationId: 1 }),
})

export const say = task('say', { requires: { m: z.string() }, execute: () => undefined })

export const hear = task('hear', { provides: { m: z.string() }, execute: () => ({ m: 'hello' }) })

/** Returns nothing and takes nothing. */
export const noop = task('noop', { execute: () => undefined })
