/** What the compiler says of schedules: this file is compiled with the others, and never run. */
import { connect, flow, task, z } from '../../src/index.ts'

const deep = z.object({ list: z.array(z.string()) })
const pack = task('pack', {
  requires: { sku: z.string(), count: z.number(), deep },
  execute: () => undefined,
})
const input = { sku: z.string(), count: z.number().default(3), deep }
const packing = flow('packing', { input }, [pack])

export async function schedules(): Promise<void> {
  await using zag = await connect()
  const fine = { sku: 'A1', deep: { list: ['x'] } }
  await zag.schedule('a', { flow: packing, input: fine, every: '30s' })
  await zag.schedule('a', {
    flow: packing,
    input: { sku: 'at ${{ tick.at }}', count: '${{ tick.epochMs }}', deep: '${{ tick }}' },
    cron: '0 2 * * *',
    start: new Date(),
  })
  await zag.schedule('a', { flow: 'packing@2', input: { anything: 5 }, every: '1h30m' })
  // @ts-expect-error a value of another type
  await zag.schedule('a', { flow: packing, input: { ...fine, sku: 5 }, every: '30s' })
  // @ts-expect-error a symbol that the flow does not have
  await zag.schedule('a', { flow: packing, input: { ...fine, sko: 'y' }, every: '30s' })
  // @ts-expect-error a symbol that is missing
  await zag.schedule('a', { flow: packing, input: { sku: 'x' }, every: '30s' })
  // @ts-expect-error no such policy
  await zag.schedule('a', { flow: packing, input: fine, every: '30s', overlap: 'skp' })
  // @ts-expect-error no unit
  await zag.schedule('a', { flow: packing, input: fine, every: '30' })
}
