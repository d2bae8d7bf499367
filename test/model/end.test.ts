import { describe, test } from 'node:test'
import { end } from './end.ts'
import { explore } from './search.ts'
import { assertBroken, assertHolds } from './verdicts.ts'

describe('the end of a job', () => {
  test('a job is off the board only when SQL has its end, wherever its conductors die', () => {
    assertHolds(explore(end('rule')), [
      /sees that the job has ended/,
      /is fenced/,
      /dies and starts again/,
      /session expires/,
      /cannot reach SQL/,
      /reads back COMPLETE/,
      /reads back CLAIMED/,
    ])
  })

  const lost = /the job is CLAIMED in SQL, on no board, and nobody works on it/

  test('off the board first: a death in between loses the job', () => {
    assertBroken(explore(end('board first')), {
      problem: lost,
      trace: [/runs the last task/, /deletes the node/, /dies/],
    })
  })

  test('an error is no end: cleaning up after any error loses the job', () => {
    assertBroken(explore(end('cleans up on any error')), {
      problem: lost,
      trace: [/cannot reach SQL/, /deletes the node/],
    })
  })

  test('silence is no commit: taking it for one loses the job', () => {
    assertBroken(explore(end('silence taken for stored')), {
      problem: lost,
      trace: [/hears nothing: it never arrives/, /deletes the node/],
    })
  })

  test('who adopts without looking at the state opens an ended job again', () => {
    assertBroken(explore(end('state not looked at')), {
      problem: /a job that had ended is open again/,
      trace: [/A commits COMPLETE/, /B claims/, /B adopts the job, which is COMPLETE/],
    })
  })
})
