import { describe, test } from 'node:test'
import { boardClaim } from './board-claim.ts'
import { explore } from './search.ts'
import { assertBroken, assertHolds } from './verdicts.ts'

const UNKNOWN = /A holds a claim and does not know it/

describe('the claim, when its reply is lost', () => {
  test('is found out behind a sync in its session, or over with it: no living session holds one unknowingly', (t) => {
    const guessed = explore(boardClaim('rule', { cuts: 1, guesses: 1, fills: 1 }))
    const expired = explore(boardClaim('rule', { cuts: 1, expiries: 1 }))
    const cut = explore(boardClaim('rule', { cuts: 2 }))
    t.diagnostic(`${guessed.states}, ${expired.states} and ${cut.states} states`)
    assertHolds(guessed, [
      /A takes its session for lost/,
      /the servers end an old session/,
      /syncs and reads the claim: its own/,
      /A takes another job, which waits/,
    ])
    assertHolds(expired, [/hears that its session ended/, /is fenced/, /is refused, unheard/])
    assertHolds(cut, [/reads the claim: not its own/, /lost with its connection/, /, unheard/])
  })

  test('read at a server that is behind, or forgotten, it is held and nobody knows', () => {
    const held = { problem: UNKNOWN, trace: [/is cut/, /the claim of A is made, unheard/] }
    assertBroken(explore(boardClaim('read without sync', { cuts: 1 })), held)
    assertBroken(explore(boardClaim('doubt forgotten', { cuts: 1 })), held)
  })

  test('read in the next session, it goes with the old one while its conductor works', () => {
    assertBroken(explore(boardClaim('read in the next session', { cuts: 1, guesses: 1 })), {
      problem: /A works under a claim of a session that it has given up/,
      trace: [/takes its session for lost/, /syncs and reads the claim: its own/],
    })
  })

  test('kept until its conductor asks again, it keeps the job from the flow that fills him', () => {
    assertBroken(explore(boardClaim('kept for the next time', { cuts: 1, fills: 1 })), {
      problem: /stuck/,
      trace: [/is cut/, /A takes another job/, /reads the claim: its own/],
    })
  })
})

describe('the node of a claim', () => {
  test('set without its version, or raised apart, goes back to an epoch that was given out', () => {
    assertBroken(explore(boardClaim('claimed without version', {})), {
      problem: /epoch 1 was claimed after epoch 2/,
      trace: [/A reads/, /B reads/, /A deletes it/, /the claim of B is made/],
    })
    assertBroken(explore(boardClaim('raised apart', { expiries: 1 })), {
      problem: /the node went back from epoch 3 to 2/,
      trace: [/A deletes it/, /the claim of B is made/, /A raises the node to epoch 2/],
    })
  })

  test('not raised to what SQL knows, claims are refused again and again', () => {
    assertBroken(explore(boardClaim('not raised', {})), {
      problem: /refused again/,
      trace: [/SQL refuses epoch 1/, /SQL refuses epoch 2/],
    })
  })

  test('unchecked, the claim of another is deleted, who came after a wipe', () => {
    assertBroken(explore(boardClaim('deleted without version', { wipes: 1 })), {
      problem: /A deleted the claim of B/,
      trace: [/A reads the claim to give it back: its own/, /wiped/, /claim of B/, /A deletes it/],
    })
  })
})
