/**
 * An order: stock, payment, shipping. Shipping fails, so the charge is refunded and the reservation released, in reverse
 * order. Each task says how it is taken back, and nothing else has to know.
 */
import { flow, from, run, task, TaskError, unordered, z } from 'zagflow'

/** What the outside world looks like. */
const world = { stock: new Map([['A1', 5]]), charged: 0, mails: 0 }
const show = (when: string) =>
  console.log(
    `${when}: stock ${world.stock.get('A1')}, charged ${world.charged} EUR, mails ${world.mails}`,
  )

const reserve = task('inventory.reserve', {
  requires: { sku: z.string(), quantity: z.int().positive() },
  provides: { reservationId: z.string() },
  retry: { attempts: 5, delay: '10ms', factor: 2, maxDelay: '1s', jitter: 0.2 },
  execute({ sku, quantity }, { idempotencyKey }) {
    const left = world.stock.get(sku) ?? 0
    if (left < quantity)
      throw new TaskError(`only ${left} of ${sku}`, { code: 'OutOfStock', retryable: false })
    world.stock.set(sku, left - quantity)
    return { reservationId: idempotencyKey }
  },
  revert({ args, result }) {
    if (result) world.stock.set(args.sku, (world.stock.get(args.sku) ?? 0) + args.quantity)
  },
})

const charge = task('payment.charge', {
  requires: { amount: z.number(), currency: z.string() },
  provides: { chargeId: z.string() },
  // After a lost worker nobody charges again: the failure says that the outcome is unknown, and the revert looks it up.
  repeat: 'never',
  execute({ amount }, { idempotencyKey }) {
    world.charged += amount
    return { chargeId: idempotencyKey }
  },
  revert({ args, result }) {
    if (result) world.charged -= args.amount
  },
})

const notify = task('mail.notify', {
  requires: { reservationId: z.string() },
  execute() {
    world.mails++
  },
})

const ship = task('shipping.ship', {
  requires: { reservationId: z.string(), address: z.string() },
  provides: { trackingNumber: z.string() },
  execute({ address }) {
    if (address === 'nowhere')
      throw new TaskError('no carrier goes there', { code: 'NoCarrier', retryable: false })
    return { trackingNumber: 'Z-1' }
  },
})

const checkout = flow(
  'checkout',
  {
    version: 1,
    input: {
      sku: z.string(),
      quantity: z.int().positive(),
      total: z.number(),
      address: z.string(),
    },
    output: { tracking: from('trackingNumber') },
  },
  [
    reserve,
    unordered('settle', [
      charge.with({ amount: from('total'), currency: 'EUR' }),
      notify.when('quantity > 10'),
    ]),
    ship,
  ],
)

for (const address of ['Main Street 1', 'nowhere']) {
  console.log(`\nto ${address}`)
  const outcome = await run(
    checkout,
    { sku: 'A1', quantity: 2, total: 40, address },
    {
      onEvent: ({ kind, name, state }) =>
        console.log(`  ${kind === 'flow' ? '' : '  '}${name} ${state}`),
    },
  )
  if (outcome.state === 'SUCCESS') console.log(`shipped: ${outcome.output.tracking}`)
  else console.log(`${outcome.state}: ${outcome.failures.map(({ message }) => message).join('; ')}`)
  show('the world')
}
