import { describe, test } from 'node:test'
import {
  COMMITS,
  DELETED,
  EXPIRED,
  GUESSED,
  LARGE,
  POSTED_LATE,
  REAPED,
  RESTORED,
  UNHEARD,
  WIPED,
} from './board-sizes.ts'
import { board } from './board.ts'
import { explore } from './search.ts'
import { assertBroken, assertHolds } from './verdicts.ts'

const OLD_FENCE = /A wrote with epoch 1 after epoch 2 was adopted/
const NOT_OVER = /off the board, which is not over/
const STUCK = /stuck/

describe('a board outside SQL', () => {
  test('of three conductors one writes at a time, whoever stands still past his session', (t) => {
    const verdict = explore(board('rule', EXPIRED))
    t.diagnostic(`${verdict.states} states`)
    assertHolds(verdict, [
      /session ends/,
      /SQL adopts epoch 2 of B for posting 1/,
      /is fenced/,
      /gives posting 1 back: SQL makes it claimable/,
      /gives posting 1 back: SQL says it is another's/,
      /a leader promotes the job: posting [23]/,
      /which is over/,
      /commits COMPLETE/,
    ])
  })

  test('answers to claims, adoptions, commits, consumes and give-backs may be lost', (t) => {
    const verdict = explore(board('rule', UNHEARD))
    t.diagnostic(`${verdict.states} states`)
    assertHolds(verdict, [
      /claims J\.1 with epoch 1 and hears nothing/,
      /reads the claim of J\.1: its own/,
      /reads the claim of J\.1: gone/,
      /who hears nothing and asks again/,
      /commits PARKED and hears nothing/,
      /deletes node and claim J\.1, hears nothing/,
    ])
  })

  test('wiped, restored from an old copy, or one node deleted: it costs time only', (t) => {
    const wiped = explore(board('rule', WIPED))
    const restored = explore(board('rule', RESTORED))
    const deleted = explore(board('rule', DELETED))
    t.diagnostic(`${wiped.states}, ${restored.states} and ${deleted.states} states`)
    assertHolds(wiped, [/the tree is wiped/, /which is UNCLAIMED: epoch [12]/, /notices/])
    assertHolds(restored, [/start anew, empty/, /from an old copy/, /L creates J\.1/])
    assertHolds(deleted, [/somebody deletes J\.1/, /the reaper makes the job claimable/])
  })

  test('leases and sessions end apart from each other; adoptions arrive after deaths', (t) => {
    const reaped = explore(board('rule', REAPED))
    const guessed = explore(board('rule', GUESSED))
    t.diagnostic(`${reaped.states} and ${guessed.states} states`)
    assertHolds(reaped, [
      /the lease of A runs out/,
      /the reaper/,
      /late: SQL adopts/,
      /late: SQL ref/,
    ])
    assertHolds(guessed, [/takes its session for lost/, /the servers end an old session/])
  })

  test('who posts may stand still between the node and its mark', (t) => {
    const verdict = explore(board('rule', POSTED_LATE))
    t.diagnostic(`${verdict.states} states`)
    assertHolds(verdict, [/P creates J\.1$/, /P marks the job as posted$/, /posted: it is not/])
  })

  for (const [name, size] of Object.entries(LARGE)) {
    const skip = process.env['ZAGFLOW_MODELS'] === 'large' ? false : 'ZAGFLOW_MODELS is not large'
    test(`holds in a larger search: ${name}`, { skip }, (t) => {
      const verdict = explore(board('rule', size))
      t.diagnostic(`${verdict.states} states`)
      assertHolds(verdict, [/commits COMPLETE/], size.maxStates)
    })
  }
})

describe('simpler boards', () => {
  test('without a fence, with a counter of SQL, or checked first: who slept writes after his successor', () => {
    assertBroken(explore(board('no fence', COMMITS)), {
      problem: OLD_FENCE,
      trace: [/adopts epoch 1 of A/, /A's session ends/, /adopts epoch 2 of B/, /A commits/],
    })
    assertBroken(explore(board('counter of its own', COMMITS)), {
      problem: OLD_FENCE,
      trace: [/A's session ends/, /adopts epoch 2 of B/, /adopts epoch 1 of A/, /A commits/],
    })
    assertBroken(explore(board('check, then write', COMMITS)), {
      problem: OLD_FENCE,
      trace: [/A checks/, /A's session ends/, /adopts epoch 2 of B/, /A commits/],
    })
  })

  test('after a wipe two claims win one epoch, if the claim id is no part of the fence', () => {
    assertBroken(explore(board('epoch alone', WIPED)), {
      problem: /[AB] wrote with epoch 1, which another claim holds/,
      trace: [
        /A claims/,
        /wiped/,
        /B claims J\.1 with epoch 1/,
        /adopts epoch 1 of B/,
        /A commits/,
      ],
    })
  })

  test('off the board before SQL says that it is over', () => {
    assertBroken(explore(board('board first', REAPED)), {
      problem: NOT_OVER,
      trace: [/A takes posting 1 off the board first/],
    })
    assertBroken(explore(board('refused, then consumed', RESTORED)), {
      problem: NOT_OVER,
      trace: [/from an old copy/, /refuses/, /deletes node and claim J\.1/],
    })
  })

  test('who lost his session gives back what is another’s by now, and deletes it', () => {
    assertBroken(explore(board('given back, then consumed', EXPIRED)), {
      problem: NOT_OVER,
      trace: [/session ends/, /adopts epoch 2/, /back: SQL says it is another's/, /deletes node/],
    })
  })

  test('names that come back: a late or repeated clean-up deletes the next posting', () => {
    assertBroken(explore(board('named by job', UNHEARD)), {
      problem: NOT_OVER,
      trace: [/promotes the job: posting 2/, /deletes .*, hears nothing/, /posts J,/, /deletes/],
    })
    assertBroken(explore(board('same posting again', EXPIRED)), {
      problem: NOT_OVER,
      trace: [/gives posting 1 back: SQL makes it claimable/, /deletes node and claim J\.1/],
    })
    assertBroken(explore(board('any posting adopted', UNHEARD)), {
      problem: NOT_OVER,
      trace: [/A commits PARKED/, /adopts epoch 2 of B for posting 1, which is over/, /A deletes/],
    })
  })

  test('claims deleted by name are others’; deleted with their node only, they stay when it is gone', () => {
    assertBroken(explore(board('abandoned by name', UNHEARD)), {
      problem: /A deleted the claim of B/,
      trace: [/A's session ends/, /B claims/, /refuses epoch 1 of A/, /A deletes the claim/],
    })
    const size = { ...REAPED, left: { lapses: 1, deletions: 1 } }
    assertBroken(explore(board('abandoned with its node only', size)), {
      problem: STUCK,
      trace: [/A is fenced/, /somebody deletes J\.1/],
    })
  })

  test('what is over and only abandoned is claimed for ever', () => {
    const size = { ...POSTED_LATE, slowPoster: false, mostRefusals: 4 }
    assertBroken(explore(board('refused, then abandoned', size)), {
      problem: /claims are refused for ever/,
      trace: [/L creates J\.1/, /which is over/, /deletes the claim/, /which is over/],
    })
  })

  test('jobs that nobody posts again, or takes from the dead, are lost', () => {
    assertBroken(explore(board('not compared', WIPED)), {
      problem: STUCK,
      trace: [/a leader posts J\.1/, /the tree is wiped/],
    })
    assertBroken(explore(board('not compared', { ...POSTED_LATE, left: {} })), {
      problem: STUCK,
      trace: [/P creates J\.1/, /promotes the job: posting 2/, /P marks the job as posted$/],
    })
    const death = { ...POSTED_LATE, left: { deaths: 1 } }
    assertBroken(explore(board('posted by its promoter', death)), {
      problem: STUCK,
      trace: [/A dies/, /the reaper makes the job claimable/, /deletes node and claim J\.1/],
    })
    assertBroken(explore(board('not reaped', DELETED)), {
      problem: STUCK,
      trace: [/A dies/, /somebody deletes J\.1/],
    })
    assertBroken(explore(board('lost and forgotten', WIPED)), {
      problem: STUCK,
      trace: [/adopts/, /the tree is wiped/, /notices that its claim is gone/],
    })
  })
})
