/** Tasks for conductors that the command starts: each execution is written down outside, with its key. */
import { setTimeout as sleep } from 'node:timers/promises'
import { flow, task, unordered, z } from '../../src/index.ts'
import { writeLine } from './ledger.ts'

const step = (name: string) =>
  task(name, {
    requires: { ledger: z.string() },
    async execute({ ledger }, { job, atom, idempotencyKey: key, signal }) {
      const about = { pid: process.pid, job, direction: 'execute', atom, key } as const
      writeLine(ledger, { what: 'begin', ...about })
      await sleep(20, undefined, { signal })
      writeLine(ledger, { what: 'end', ...about })
    },
  })

export const journey = flow('journey', { input: { ledger: z.string() } }, [
  step('pack'),
  unordered('transport', [step('drive'), step('sail')]),
  step('arrive'),
])
