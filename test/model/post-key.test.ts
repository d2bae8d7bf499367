import { describe, test } from 'node:test'
import { postKey } from './post-key.ts'
import { explore } from './search.ts'
import { assertBroken, assertHolds } from './verdicts.ts'

describe('posting under a key', () => {
  test('gives one job, the same answer to all who post the same, a conflict to who posts something else', () => {
    assertHolds(explore(postKey('rule')), [
      /Q finds job-P: the same/,
      /P finds job-P: the same/,
      /R finds job-P: a conflict/,
      /P finds job-R: a conflict/,
      /hears nothing of its commit and posts again/,
      /creates the node, hears nothing/,
      /dies for good/,
      /its caller posts again/,
      /rolls back/,
      /the promoter creates the node/,
      /finds job-P\.1 ended and removes it/,
    ])
  })

  test('looking first and inserting then makes two jobs', () => {
    assertBroken(explore(postKey('no unique key')), {
      problem: /two jobs for one key/,
      trace: [/P finds no job/, /Q finds no job/, /commits the job of P/, /commits the job of Q/],
    })
  })

  test('a key whose content is not compared hands out the job of somebody else', () => {
    assertBroken(explore(postKey('content not compared')), {
      problem: /R was given a job of other content/,
      trace: [/P inserts/, /R finds job-P/],
    })
  })

  test('nodes that are numbered as they come double a job whose reply was lost', () => {
    assertBroken(explore(postKey('numbered nodes')), {
      problem: /two nodes for one job: job-P-1 and job-P-2/,
      trace: [/P creates the node, hears nothing/, /P creates the node/],
    })
  })

  test('a poster that dies between SQL and the board leaves a job that nobody finds, unless others look', () => {
    assertBroken(explore(postKey('nobody else posts')), {
      problem: /stuck/,
      trace: [/commits the job of/, /dies for good/],
    })
  })
})
