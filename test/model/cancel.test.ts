import { describe, test } from 'node:test'
import { cancel, type CancelVariant } from './cancel.ts'
import { explore } from './search.ts'
import { assertBroken, assertHolds } from './verdicts.ts'

const STARTED = /starts what was cancelled/

describe('cancel', () => {
  test('a cancelled call ends, wherever its copy is, and no body starts or runs after that', () => {
    assertHolds(explore(cancel('rule')), [
      /settles it as cancelled/,
      /tells a to abort/,
      /a says nothing: it holds no more/,
      /is told drop/,
      /the owner dies/,
      /a dies/,
      /a loses its channel/,
    ])
  })

  test('what is cancelled while a copy may be young starts after that', () => {
    const variants: [CancelVariant, RegExp][] = [
      ['settled at once', /to be cancelled/],
      ['adopted means old', /another conductor adopts/],
    ]
    for (const [variant, before] of variants) {
      assertBroken(explore(cancel(variant)), {
        problem: STARTED,
        trace: [before, /settles it as cancelled/, /a: starts/],
      })
    }
  })

  test('a copy whose age is looked at when it is delivered, or never, starts after it', () => {
    const variants: CancelVariant[] = ['age at delivery', 'old ones are started']
    for (const variant of variants) {
      assertBroken(explore(cancel(variant)), {
        problem: STARTED,
        trace: [/takes a young copy/, /an ask period passes/, /settles it/, /a: starts/],
      })
    }
  })

  test('a worker that was told go is a holder before it says so', () => {
    assertBroken(explore(cancel('told go is no holder')), {
      problem: STARTED,
      trace: [/tells a go/, /settles it as cancelled/, /a: is told go/],
    })
  })

  test('an abort that waits for its answer waits for ever on a worker that lost its copy', () => {
    assertBroken(explore(cancel('abort until answered')), {
      problem: /stuck/,
      trace: [/tells a go/, /a loses its channel/, /a: is told drop/],
    })
  })
})
