import { describe, test } from 'node:test'
import { CLAIM_LOST, CLAIM_LOST_TWICE, NEVER, RUNS, replies, UNPUBLISHED } from './replies.ts'
import { explore } from './search.ts'
import { assertBroken, assertHolds } from './verdicts.ts'

const TWICE = /the body ran 2 times, and no worker died/

describe('replies', () => {
  test('an answer reaches its call whoever reads the queue and whoever owns the flow, and none starts meanwhile', () => {
    const tried = [
      /puts the result into the mailbox/,
      /reads its mail/,
      /loses its claim and lives on/,
      /1 dies/,
      /reads queue 2: passed 2 asked/,
      /reads queue 2: forwarded ask/,
      /lets b start|tells b to drop/,
    ]
    assertHolds(explore(replies('rule', RUNS)), tried)
    assertHolds(explore(replies('rule', UNPUBLISHED)), [
      /publishes it again/,
      /lets a start/,
      /hears the holder, tells b to drop/,
    ])
  })

  test('a call that must never be repeated is not given up while its answer is under way', () => {
    assertHolds(explore(replies('rule', NEVER)), [
      /sends a barrier/,
      /commits the result/,
      /loses its channel and runs on/,
    ])
  })

  test('a reply given back comes to the same reader for ever', () => {
    assertBroken(explore(replies('given back', CLAIM_LOST)), {
      problem: /stuck/,
      trace: [/1 loses its claim/, /2 adopts/, /replies/],
    })
  })

  test('a reply acknowledged before it is stored is nowhere for the next owner to find', () => {
    assertBroken(explore(replies('acknowledged, then stored', RUNS)), {
      problem: TWICE,
      trace: [/acknowledges the result of another's flow/, /lets . start/],
    })
  })

  test('a copy that answers to another queue than the row names: no barrier vouches for that queue', () => {
    assertBroken(explore(replies('a queue of its own', UNPUBLISHED)), {
      problem: TWICE,
      trace: [/2 publishes it again/, /ends, replies/, /sends a barrier/, /lets . start/],
    })
  })

  test('without a barrier after the grace a call starts while its result waits to be read', () => {
    assertBroken(explore(replies('go without a barrier', RUNS)), {
      problem: TWICE,
      trace: [/a loses its channel/, /a ends, replies/, /lets b start/],
    })
    assertBroken(explore(replies('go without a barrier', NEVER)), {
      problem: /given up, and its answer was under way/,
      trace: [/a ends, replies/, /gives the call up/],
    })
  })

  test('a barrier that overtakes a reply, or mail that is not read after it, lets the body run twice', () => {
    assertBroken(explore(replies('barrier overtakes', RUNS)), {
      problem: TWICE,
      trace: [/a ends, replies/, /passes the barrier on at once/, /lets . start/],
    })
    assertBroken(explore(replies('mail not read', RUNS)), {
      problem: TWICE,
      trace: [/puts the result into the mailbox/, /lets . start/],
    })
  })

  test('an ask that nobody forwards is never answered', () => {
    assertBroken(explore(replies('not forwarded', CLAIM_LOST_TWICE)), {
      problem: /stuck/,
      trace: [/2 adopts/],
    })
  })
})
