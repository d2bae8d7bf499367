import { describe, test } from 'node:test'
import { mail } from './mail.ts'
import { explore } from './search.ts'
import { assertBroken, assertHolds } from './verdicts.ts'

describe('mail', () => {
  test('is read, or its writer is told that the job has ended; nobody is left asleep', () => {
    assertHolds(explore(mail('rule')), [
      /reply: updates the job, which is PARKED/,
      /reply: updates the job, which is CLAIMED/,
      /reply: updates the job, which is UNCLAIMED/,
      /may not commit PARKED/,
      /may not commit COMPLETE/,
      /the promoter makes the job claimable/,
      /is told that the job has ended/,
      /is rolled back/,
      /hears nothing, writes again/,
      /owner: dies/,
    ])
  })

  test('a letter that does not raise `mail` is overlooked by the commit that parks', () => {
    assertBroken(explore(mail('mail not raised')), {
      problem: /the job sleeps and nobody wakes it: reply/,
      trace: [/owner: reads mail 0/, /reply: commits/, /owner: commits PARKED/],
    })
  })

  test('a writer that decides by a state read before wakes nobody', () => {
    assertBroken(explore(mail('state read before')), {
      problem: /the job sleeps and nobody wakes it: reply/,
      trace: [/reply: reads that the job is/, /owner: commits PARKED/, /reply: commits/],
    })
  })

  test('an owner that parks or ends without asking for new mail leaves it lying', () => {
    assertBroken(explore(mail('mail not required')), {
      problem: /the job sleeps and nobody wakes it: reply/,
      trace: [/owner: reads mail 0/, /reply: commits/, /owner: commits PARKED/],
    })
    assertBroken(explore(mail('mail not required to end')), {
      problem: /accepted, but never read/,
      trace: [/owner: reads mail 1/, /: commits$/, /owner: commits COMPLETE/],
    })
  })

  test('reading the letters first and `mail` after counts a letter that was not read', () => {
    assertBroken(explore(mail('letters read first')), {
      problem: /the job sleeps and nobody wakes it: reply/,
      trace: [/reads its letters: nothing/, /reply: commits/, /reads mail 1/, /commits PARKED/],
    })
  })
})
