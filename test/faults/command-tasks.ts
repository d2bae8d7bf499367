/** Tasks for conductors that the command starts: each execution is written down outside, with its key. */
import { appendFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { flow, task, unordered, z } from '../../src/index.ts'

const step = (name: string) =>
  task(name, {
    requires: { ledger: z.string() },
    async execute({ ledger }, { idempotencyKey, signal }) {
      appendFileSync(ledger, `begin ${idempotencyKey}\n`)
      await sleep(20, undefined, { signal })
      appendFileSync(ledger, `end ${idempotencyKey}\n`)
    },
  })

export const journey = flow('journey', { input: { ledger: z.string() } }, [
  step('pack'),
  unordered('transport', [step('drive'), step('sail')]),
  step('arrive'),
])
