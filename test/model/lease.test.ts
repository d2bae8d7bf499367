import { describe, test } from 'node:test'
import { lease } from './lease.ts'
import { explore } from './search.ts'
import { assertBroken, assertHolds } from './verdicts.ts'

const TRIED = [
  /the lease of A1 runs out/,
  /A1 dies and starts again/,
  /the reaper makes the job of A1 claimable/,
  /the reaper finds no job of/,
  /claims posting 3 with epoch 3/,
  /claims nothing/,
  /SQL refuses A1: fenced/,
]

describe('the lease', () => {
  test('who sleeps past his lease writes nothing afterwards, and his job goes on', () => {
    assertHolds(explore(lease('rule')), [...TRIED, /A1 finds its lease run out$/, /A3 sends/])
  })

  test('renewing a lease that ran out is sound too, if what is held is kept until a commit is refused', () => {
    assertHolds(explore(lease('renewed and kept')), [...TRIED, /run out, renews it$/])
  })

  test('or if what was held is given back until SQL has answered', () => {
    const verdict = explore(lease('renewed and given back', { expiries: 2, deaths: 0 }))
    assertHolds(verdict, [
      /run out, renews it, drops/,
      /A1 gives epoch 1 back$/,
      /A1 gives epoch 1 back: fenced/,
      /claims posting 3 with epoch 3/,
    ])
  })

  test('reclaiming without raising the epoch lets the sleeper write into the job of another', () => {
    assertBroken(explore(lease('same epoch')), {
      problem: /A1 wrote to a job of B1/,
      trace: [/A1 sends commit/, /lease of A1 runs out/, /B1 claims .* epoch 1/, /commit 1 of A1/],
    })
  })

  test('looking at the own clock is no fence: one may fall asleep after it', () => {
    assertBroken(explore(lease('own clock alone')), {
      problem: /A1 wrote to a job of B1/,
      trace: [/A1 sends commit/, /lease of A1 runs out/, /B1 claims .* epoch 2/, /commit 1 of A1/],
    })
  })

  test('a lease of the host is renewed for jobs that its new process does not know', () => {
    assertBroken(explore(lease('lease by name')), {
      problem: /A renews the lease of a job it forgot/,
      trace: [/A claims/, /A dies and starts again/],
    })
  })

  test('so is a lease that ran out, if what was claimed under it is dropped without a word', () => {
    assertBroken(explore(lease('renewed and forgotten')), {
      problem: /A1 renews the lease of a job it forgot/,
      trace: [/A1 claims/, /lease of A1 runs out/, /renews it, drops/],
    })
  })

  test('a claim that arrives after its lease was removed is seen only by who looks for jobs without a lease', () => {
    const left = { expiries: 1, deaths: 0 }
    assertHolds(explore(lease('rule', left)), [])
    assertBroken(explore(lease('leases reaped, not jobs', left)), {
      problem: /stuck/,
      trace: [/A1 sends a claim/, /finds no job of A1/, /A1 claims/, /A1 finds its lease run out/],
    })
  })
})
