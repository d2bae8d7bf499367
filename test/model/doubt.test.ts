import { describe, test } from 'node:test'
import {
  CUT,
  TWO_OWNERS_DIE,
  UNCONFIRMED,
  WIPED,
  WIPED_AND_CUT,
  type DoubtVariant,
} from './doubt-state.ts'
import { doubt } from './doubt.ts'
import { explore } from './search.ts'
import { assertBroken, assertHolds } from './verdicts.ts'

const TWICE = /the body ran 2 times for 0 deaths and wipes/
const STUCK = /stuck/

describe('dispatch and doubt', () => {
  test('a body runs once, and again only for a worker that died or a broker that was wiped; no call is stuck', () => {
    const answers = [/lets a start a doubtful copy after the grace/, /tells b to drop/]
    assertHolds(explore(doubt('rule', TWO_OWNERS_DIE)), [
      /the owner dies/,
      /publishes it again/,
      /lets a start an old copy at once/,
      ...answers,
    ])
    assertHolds(explore(doubt('rule', WIPED)), [/the broker is wiped/, /a dies/, ...answers])
    assertHolds(explore(doubt('rule', WIPED_AND_CUT)), [
      /the broker is wiped/,
      /a loses its channel/,
      ...answers,
    ])
    assertHolds(explore(doubt('rule', CUT)), [/a dies/, /a loses its channel/, ...answers])
    assertHolds(explore(doubt('rule', UNCONFIRMED)), [
      /the first copy arrives/,
      /the first copy does not arrive/,
      ...answers,
    ])
  })

  test('a call that must never be repeated runs at most once, and ends', () => {
    for (const faults of [WIPED, CUT]) {
      assertHolds(explore(doubt('rule', faults, 'never')), [
        /settles it as unknown after the grace/,
        /tells b to drop/,
      ])
    }
  })

  test('who only waits for a copy waits for ever when the owner died before it published', () => {
    assertBroken(explore(doubt('never again', TWO_OWNERS_DIE)), {
      problem: STUCK,
      trace: [/commits RUNNING/, /the owner dies/],
    })
  })

  test('a marked copy that is started without asking runs beside the first', () => {
    assertBroken(explore(doubt('not asked', TWO_OWNERS_DIE)), {
      problem: TWICE,
      trace: [/the owner dies/, /publishes it again/, /takes a copy: again/],
    })
  })

  test('a holder that the owner has not heard of runs all the same: `go` must wait for it to speak', () => {
    assertBroken(explore(doubt('go when none is known', CUT)), {
      problem: TWICE,
      trace: [/a loses its channel/, /b: asks/, /lets b start a doubtful copy at once/],
    })
  })

  test('a grace by the clock alone overlooks the result that waits in the reply queue', () => {
    assertBroken(explore(doubt('grace by the clock', CUT)), {
      problem: TWICE,
      trace: [/reads ask of/, /replies/, /start a doubtful copy after the grace/],
    })
  })

  test('an old copy may not start at once where another was let start by an earlier owner', () => {
    assertBroken(explore(doubt('old ones at once', UNCONFIRMED)), {
      problem: TWICE,
      trace: [
        /start a doubtful copy after the grace/,
        /another conductor adopts/,
        /old copy at once/,
      ],
    })
  })

  test('a copy published again beside a young one: the young one starts without asking', () => {
    assertBroken(explore(doubt('again while the first is young', UNCONFIRMED)), {
      problem: TWICE,
      trace: [/publishes it again/, /takes a copy: young/, /start a doubtful copy/, /a: starts/],
    })
  })

  test('unless young copies are started as soon as they are delivered', () => {
    assertHolds(explore(doubt('again while young, started when delivered', UNCONFIRMED)), [
      /publishes it again/,
      /: starts/,
    ])
  })

  test('a holder that lives and does not run the call is asked for ever if only a closed connection counts', () => {
    assertBroken(explore(doubt('only unroutable is gone', UNCONFIRMED)), {
      problem: STUCK,
      trace: [/lets . start/, /: asks/, /reads ask of/],
    })
  })

  test('a copy dropped for a holder leaves none behind when the holder dies', () => {
    const variants: DoubtVariant[] = ['copy not cleared', 'publication not forgotten']
    for (const variant of variants) {
      assertBroken(explore(doubt(variant, CUT)), {
        problem: STUCK,
        trace: [/loses its channel/, /tells b to drop/, /b: is told drop/, /a dies/],
      })
    }
  })

  test('a publication noted with a later broker epoch vouches for a copy that was wiped', () => {
    assertBroken(explore(doubt('noted with the present epoch', WIPED)), {
      problem: STUCK,
      trace: [/publishes the first copy/, /wiped/, /notes copy 2/],
    })
  })

  test('a worker that falls silent before its reply is confirmed is taken for none', () => {
    assertBroken(explore(doubt('silent after the body', CUT)), {
      problem: TWICE,
      trace: [/a: ends the body/, /a loses its channel/, /lets b start/],
    })
  })

  test('a copy of what was just finished must be answered again: the first reply may be wiped', () => {
    assertBroken(explore(doubt('acknowledged in silence', WIPED)), {
      problem: STUCK,
      trace: [/replies/, /wiped/, /publishes it again/, /takes a copy: again/],
    })
  })

  test('reading the reply queue before publishing again spares copies, and is not what keeps a body from running twice', () => {
    assertHolds(explore(doubt('no barrier', CUT)), [/publishes it again/, /tells a to drop/])
  })
})
