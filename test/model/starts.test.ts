import { describe, test } from 'node:test'
import { explore } from './search.ts'
import { INNOCENT, POISON, starts, type StartsVariant } from './starts.ts'
import { assertBroken, assertHolds } from './verdicts.ts'

describe('starts', () => {
  test('a body that kills its worker is started as often as allowed and no more, whoever owns it', () => {
    assertHolds(explore(starts('rule', POISON)), [
      /commits that its worker is lost/,
      /the owner dies/,
      /asks once more/,
      /the body kills its process/,
    ])
  })

  test('a call that was not lost so often is never convicted', () => {
    assertHolds(explore(starts('rule', INNOCENT)), [
      /the process of the worker is lost/,
      /does not know the task/,
      /sends go, charges nothing/,
      /forgets an ask that is over/,
    ])
  })

  test('starts that are not committed before `go` die with their owner', () => {
    const variants: [StartsVariant, RegExp][] = [
      ['sent, then committed', /owner: sends go/],
      ['counted in memory', /another conductor adopts/],
    ]
    for (const [variant, before] of variants) {
      assertBroken(explore(starts(variant, POISON)), {
        problem: /started 4 times, and 3 are allowed/,
        trace: [before, /is told go, and starts/],
      })
    }
  })

  test('an answer that names no delivery starts the next one', () => {
    assertBroken(explore(starts('answers name no delivery', POISON)), {
      problem: /started 4 times, and 3 are allowed/,
      trace: [/asks once more/, /sends go, charges nothing/, /is told go, and starts/],
    })
  })

  test('charging every `go`, or every ask, convicts the innocent', () => {
    const variants: StartsVariant[] = ['every go is charged', 'every ask is charged']
    for (const variant of variants) {
      assertBroken(explore(starts(variant, INNOCENT)), {
        problem: /convicted, and \d starts were lost/,
        trace: [/commits the start/, /commits that its worker is lost/],
      })
    }
  })
})
