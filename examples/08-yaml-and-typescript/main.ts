/**
 * The same flow in YAML and in TypeScript: one and the same document, to the byte. Whoever posts it, in whatever form, posts the
 * same job.
 */
import { readFile } from 'node:fs/promises'
import { flow, from, loadFlow, run, task, unordered, z } from 'zagflow'

const reserve = task('inventory.reserve', {
  requires: { sku: z.string(), quantity: z.int() },
  provides: { reservationId: z.string() },
  execute: ({ sku }) => ({ reservationId: `R-${sku}` }),
})
const charge = task('payment.charge', {
  requires: { amount: z.number(), currency: z.string() },
  execute: ({ amount, currency }) => console.log(`charge ${amount} ${currency}`),
})
const notify = task('mail.notify', { execute: () => console.log('a big order') })
const ship = task('shipping.ship', {
  requires: { reservationId: z.string() },
  provides: { trackingNumber: z.string() },
  execute: ({ reservationId }) => ({ trackingNumber: `T-${reservationId}` }),
})

const typed = flow(
  'checkout',
  {
    version: 1,
    input: { sku: z.string(), quantity: z.int().min(1), total: z.number() },
    output: { tracking: from('trackingNumber') },
  },
  [
    reserve,
    unordered(
      'settle',
      [charge.with({ amount: from('total'), currency: 'EUR' }), notify.when('quantity > 10')],
      {
        retry: { attempts: 3, delay: '5s' },
      },
    ),
    ship,
  ],
)

const text = await readFile(
  new URL('../../../examples/08-yaml-and-typescript/checkout.yaml', import.meta.url),
  'utf8',
)
const { document: written } = loadFlow(text, { name: 'checkout.yaml' })

console.log(`the same document: ${JSON.stringify(written) === JSON.stringify(typed.document)}`)

const input = { sku: 'A1', quantity: 12, total: 99.5 }
const outcome = await run(written, input, { tasks: typed })
if (outcome.state === 'SUCCESS') console.log(outcome.output)
