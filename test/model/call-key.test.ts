import { describe, test } from 'node:test'
import { callKey, type CallKeyVariant } from './call-key.ts'
import { explore } from './search.ts'
import { assertBroken, assertHolds } from './verdicts.ts'

describe('the key of a call', () => {
  test('each reply settles its own call once, however late and however often it comes', () => {
    assertHolds(explore(callKey('rule')), [
      /settles revert 1 by the reply to revert 1/,
      /settles execute 3/,
      /drops the reply to execute 1/,
      /dies before it acknowledges/,
      /another conductor adopts/,
    ])
  })

  test('without the call in it, the answer that asked for another call answers that one too', () => {
    const variants: CallKeyVariant[] = ['key without call', 'attempts counted']
    for (const variant of variants) {
      assertBroken(explore(callKey(variant)), {
        problem: /the reply to execute 1 settled execute 2/,
        trace: [/which comes again/, /settles execute 2 by the reply to execute 1/],
      })
    }
  })

  test('without the direction in it, a late reply of an execution completes its revert', () => {
    assertBroken(explore(callKey('key without direction')), {
      problem: /the reply to execute 1 settled revert 1/,
      trace: [/which comes again/, /settles revert 1 by the reply to execute 1/],
    })
  })

  test('counted anew after a flow retry, a reply of the first round settles the second', () => {
    assertBroken(explore(callKey('counted anew')), {
      problem: /the reply to execute \d settled execute 3/,
      trace: [/settles revert 1/, /settles execute 3 by the reply to execute/],
    })
  })

  test('a token for each owner refuses what the copy of an earlier owner comes to', () => {
    assertBroken(explore(callKey('a token for each owner')), {
      problem: /stuck/,
      trace: [/another conductor adopts/, /drops the reply to execute 1/],
    })
  })
})
