/**
 * A flow that runs again and again. The schedule is kept in the database: whoever has a conductor there posts its ticks, each once, and what
 * nobody could post in time is made up as the policy says.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect, flow, task, z } from 'zagflow'

const count = task('sales.count', {
  requires: { since: z.string().nullable(), until: z.string() },
  provides: { window: z.string() },
  execute: ({ since, until }) => ({
    window: since === null ? 'the first' : `${secondsOf(since, until)}s`,
  }),
})
const report = flow('report', { input: { since: z.string().nullable(), until: z.string() } }, [
  count,
])

const secondsOf = (from: string, to: string) => (Date.parse(to) - Date.parse(from)) / 1000

const folder = await mkdtemp(path.join(os.tmpdir(), 'zagflow-schedule-'))
const zag = await connect({
  persistence: `sqlite:${path.join(folder, 'zagflow.db')}`,
  conductor: { tasks: report },
})

// Each job counts what was sold since the one before, without a gap and without counting anything twice.
const frequent = await zag.schedule('frequent', {
  flow: report,
  input: { since: '${{ tick.previous }}', until: '${{ tick.at }}' },
  every: '1s',
  overlap: 'queue',
  catchUp: 'all',
})
console.log(`frequent: ${frequent.outcome}`)

// The night on which clocks go forward has no 02:30: that tick is at 03:00, and the next one at 02:30 again.
const nightly = await zag.schedule('nightly', {
  flow: report,
  input: { since: null, until: '${{ tick.date }}' },
  cron: '30 2 * * *',
  zone: 'Europe/Berlin',
  start: '2030-03-30',
})
for (const tick of await nightly.nextTicks(3)) {
  console.log(new Date(tick).toLocaleString('sv-SE', { timeZone: 'Europe/Berlin' }))
}

// What can never fire is refused, with the reason.
await zag
  .schedule('never', { flow: report, cron: '0 0 30 2 *', input: { since: null, until: 'x' } })
  .catch((error: unknown) => console.log(String(error).split(';')[0]))

while ((await frequent.status()).posted < 3) await sleep(50)
await frequent.pause()
for (const { job } of (await frequent.jobs()).toReversed()) {
  const { window } = await (await zag.job<{ window: string }>(job.id)).result()
  console.log(`counted ${window}`)
}

console.log((await zag.schedules()).map(({ name, state }) => `${name} ${state}`).join(', '))
await zag.close()
await rm(folder, { recursive: true })
