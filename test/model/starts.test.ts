import { describe, test } from 'node:test'
import { explore } from './search.ts'
import {
  INNOCENT,
  POISON,
  POISON_RESTARTED,
  RESTARTED,
  starts,
  type StartsVariant,
} from './starts.ts'
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

  test('a worker that stops in good order is charged to no call, and excuses none that kills its worker', () => {
    const seen = [/the worker stops, and releases what it has/, /takes a start off/]
    assertHolds(explore(starts('rule', RESTARTED)), seen)
    assertHolds(explore(starts('rule', POISON_RESTARTED)), [...seen, /leaves it charged/])
  })

  test('stops of workers that nobody hears of convict the innocent', () => {
    assertBroken(explore(starts('releases are not heard', RESTARTED)), {
      problem: /convicted, and \d starts were lost/,
      trace: [/the worker stops/, /leaves it charged/, /commits that its worker is lost/],
    })
  })

  test('a stop that excuses what was lost before it lets a body that kills its worker start once more', () => {
    assertBroken(explore(starts('what was held is taken off', POISON_RESTARTED)), {
      problem: /started 4 times, and 3 are allowed/,
      trace: [/the body kills its process/, /the worker stops/, /takes a start off/],
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
