import { describe, test } from 'node:test'
import { posting } from './posting.ts'
import { explore } from './search.ts'
import { assertBroken, assertHolds } from './verdicts.ts'

describe('the posting', () => {
  test('a clean-up or a poster that is late touches only a posting that is over', () => {
    assertHolds(explore(posting('rule')), [
      /P creates J\.1$/,
      /it is there, done/,
      /Q promotes the job: posting 2/,
      /deletes node J\.1, hears nothing, will do it again/,
      /deletes claim J\.1, hears nothing, will do it again/,
      /shows posting 1, epoch \d to SQL: that posting is over/,
      /there was a later claim/,
      /session expires/,
      /is fenced/,
      /commits COMPLETE/,
    ])
  })

  test('nodes named by the job alone: the new posting is deleted together with the old one', () => {
    const lost = {
      problem: /SQL says UNCLAIMED, posting 2, but it is not on the board/,
      trace: [/A commits PARKED/, /Q creates J: it is there, done/, /posted/, /A deletes .*node/],
    }
    assertBroken(explore(posting('named by job')), lost)
    assertBroken(explore(posting('named by job, version checked')), lost)
  })

  test('versions begin anew with each node: a repeated clean-up deletes the node and claim of another', () => {
    assertBroken(explore(posting('named by job, version checked, posted when gone')), {
      problem: /posting 2, but it is not on the board/,
      trace: [
        /A deletes node and claim J, hears nothing/,
        /Q creates J$/,
        /B claims J with epoch 2/,
        /A deletes node and claim J$/,
      ],
    })
  })

  test('adopting a claim of a posting that is over fences the owner of the present one', () => {
    assertBroken(explore(posting('any posting adopted')), {
      problem: /A holds the claim of posting 2, yet it is fenced/,
      trace: [/A claims J\.2/, /adopts/, /B claims J\.1/, /B shows posting 1.* is over/],
    })
  })
})
