import { describe, test } from 'node:test'
import { explore } from './search.ts'
import { signal } from './signal.ts'
import { assertBroken, assertHolds } from './verdicts.ts'

describe('signals', () => {
  test('who waits for a signal and who publishes it never miss each other', () => {
    assertHolds(explore(signal('rule')), [
      /waiter: commits and goes on/,
      /waiter: commits and parks/,
      /P: commits and wakes it/,
      /P: commits and is done/,
      /Q: commits and wakes it/,
      /waiter: is rolled back/,
      /P: is rolled back/,
    ])
  })

  const missed = {
    problem: /the signal is there, and its waiter sleeps/,
    trace: [
      /waiter: looks and sees no signals/,
      /P: looks and sees no waiters/,
      /P: commits and is done/,
    ],
  }

  test('without a common lock both look before the other commits', () => {
    assertBroken(explore(signal('no common lock')), missed)
  })

  test('a lock that is let go before the commit is none', () => {
    assertBroken(explore(signal('lock let go before the commit')), missed)
  })

  test('a statement that waits for the lock looks at what was there before it waited', () => {
    assertBroken(explore(signal('locked and looked in one statement')), {
      problem: missed.problem,
      trace: [/P: begins, to see no waiters/, /waiter: commits and parks/, /P: takes the lock/],
    })
  })
})
