/** Tasks that write down each execution, with its key, in a file outside. */
import { appendFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { flow, task, z } from 'zagflow'

const step = (name: string) =>
  task(name, {
    requires: { ledger: z.string() },
    async execute({ ledger }, { idempotencyKey, signal }) {
      appendFileSync(ledger, `begin ${idempotencyKey}\n`)
      await sleep(150, undefined, { signal })
      appendFileSync(ledger, `end ${idempotencyKey}\n`)
    },
  })

export const journey = flow('journey', { input: { ledger: z.string() } }, [
  step('pack'),
  step('travel'),
  step('arrive'),
  step('unpack'),
])
