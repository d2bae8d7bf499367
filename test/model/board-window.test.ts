import { describe, test } from 'node:test'
import { boardWindow } from './board-window.ts'
import { explore } from './search.ts'
import { assertBroken, assertHolds } from './verdicts.ts'

const STUCK = /stuck/
const TWO_LEADERS = ['L', 'M'] as const

describe('the window', () => {
  test('is as large as was said, but for what posters do not know of each other, and no job stays outside', (t) => {
    const one = explore(boardWindow('rule', ['L'], {}))
    const wiped = explore(boardWindow('rule', ['P', 'L'], { wipes: 1, waits: 1 }))
    t.diagnostic(`${one.states} and ${wiped.states} states`)
    assertHolds(one, [/L finds room for next/, /what L counted is old/])
    assertHolds(wiped, [/the tree is wiped/, /P finds no room/, /low waits for next/])
  })

  test('leaders follow each other; one that is late does no harm', (t) => {
    const cutOff = explore(boardWindow('rule', TWO_LEADERS, { outages: 1 }))
    const late = explore(boardWindow('rule', TWO_LEADERS, { expiries: 1 }))
    t.diagnostic(`${cutOff.states} and ${late.states} states`)
    assertHolds(cutOff, [/L resigns/, /M leads/])
    assertHolds(late, [/the session of L ends/, /hears that it does not lead/])
  })

  test('not counted, it has no bounds; counted once, it stays full', () => {
    assertBroken(explore(boardWindow('always room', ['L'], {})), {
      problem: /2 postings of one priority/,
      trace: [/L creates low/, /L creates next/],
    })
    assertBroken(explore(boardWindow('counted once', ['L'], {})), {
      problem: STUCK,
      trace: [/L creates high/, /takes high off the board/],
    })
  })

  test('filled by claimed postings, it keeps out the job that their flows wait for', () => {
    assertBroken(explore(boardWindow('claimed ones counted', ['L'], { waits: 1 })), {
      problem: STUCK,
      trace: [/claims low/, /low waits for next/],
    })
  })

  test('what is marked and not there, or was lost, is found by comparing only', () => {
    assertBroken(explore(boardWindow('marked without room', ['P', 'L'], {})), {
      problem: STUCK,
      trace: [/P finds no room for low/, /P marks low as posted/],
    })
    assertBroken(explore(boardWindow('not compared', ['L'], { wipes: 1 })), {
      problem: STUCK,
      trace: [/L marks high as posted/, /the tree is wiped/],
    })
  })

  test('a leader that may not act and does not resign keeps everybody from it', () => {
    assertBroken(explore(boardWindow('leads idly', TWO_LEADERS, { outages: 1 })), {
      problem: STUCK,
      trace: [/L leads/, /L cannot reach the store/],
    })
  })
})
