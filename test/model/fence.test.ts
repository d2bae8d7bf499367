import { describe, test } from 'node:test'
import { fence, THREE_CONDUCTORS } from './fence.ts'
import { explore } from './search.ts'
import { assertBroken, assertHolds } from './verdicts.ts'

const TRIED = [
  /session expires/,
  /is fenced/,
  /finds its claim gone/,
  /the board is wiped/,
  /restored from its oldest copy/,
  /posted again from SQL: epoch [12]/,
  /SQL refuses epoch/,
]

describe('the fence (epoch, claim id)', () => {
  test('two conductors never both write, whatever expires, is wiped or is not answered', () => {
    assertHolds(explore(fence('rule')), [
      ...TRIED,
      /reads back: epoch \d, its own/,
      /reads back: epoch \d, not its own/,
      /late: SQL adopts/,
      /late: SQL refuses/,
    ])
  })

  test('nor do three', () => {
    assertHolds(explore(fence('rule', THREE_CONDUCTORS)), [...TRIED, /C commits/, /C is fenced/])
  })

  test('without a fence, who wakes after his session writes over his successor', () => {
    assertBroken(explore(fence('no fence')), {
      problem: /A wrote with epoch 1 after epoch 2 was adopted/,
      trace: [/SQL adopts epoch 1 of A/, /A's session expires/, /adopts epoch 2 of B/, /A commits/],
    })
  })

  test('a counter that SQL keeps for itself lets the older claim win: it only has to arrive later', () => {
    assertBroken(explore(fence('counter of its own')), {
      problem: /A wrote with epoch 1 after epoch 2 was adopted/,
      trace: [/A claims/, /B claims/, /adopts epoch 2 of B/, /adopts epoch 1 of A/, /A commits/],
    })
  })

  test('checking first and writing then leaves a gap for a whole takeover', () => {
    assertBroken(explore(fence('check, then write')), {
      problem: /A wrote with epoch 1 after epoch 2 was adopted/,
      trace: [/A checks the fence: passes/, /adopts epoch 2 of B/, /A writes/],
    })
  })

  test('on a rebuilt board the epoch alone is won twice', () => {
    assertBroken(explore(fence('epoch alone')), {
      problem: /A wrote with epoch 1, which another claim holds too/,
      trace: [
        /A claims with epoch 1/,
        /A hears nothing/,
        /the board is/,
        /B claims with epoch 1/,
        /SQL adopts epoch 1 of B/,
        /A reads back: epoch 1, its own/,
        /A commits/,
      ],
    })
  })

  test('what was loaded before the adoption may be old by then', () => {
    assertBroken(explore(fence('loaded before adoption')), {
      problem: /B wrote over a commit that it did not know/,
      trace: [/B claims/, /A commits 1/, /SQL adopts epoch 2 of B/, /B commits 1/],
    })
  })
})
