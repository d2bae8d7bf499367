import { describe, test } from 'node:test'
import { groupCommit } from './group-commit.ts'
import { explore } from './search.ts'
import { assertBroken, assertHolds } from './verdicts.ts'

const GOOD = { badValue: false }
const BAD = { badValue: true }

describe('the group commit', () => {
  test('a fenced flow changes nothing, and a lost answer is neither taken for fenced nor written twice', () => {
    assertHolds(explore(groupCommit('rule', GOOD)), [
      /SQL takes none/,
      /SQL takes Y$/,
      /reads back: X fenced, Y did not arrive/,
      /reads back: X fenced, Y had arrived/,
      /reads back: X had arrived, Y had arrived/,
      /late: .* takes X and Y/,
      /late: .* takes none/,
      /never arrives/,
    ])
  })

  test('a value that cannot be stored trashes its own flow and delays no other', () => {
    assertHolds(explore(groupCommit('rule', BAD)), [
      /SQL refuses a value/,
      /A sends X1 alone/,
      /A sends Y1 alone/,
      /reads back: Y trashed/,
      /reads back: Y fenced/,
      /late: .* a refusal/,
    ])
  })

  test('with a filter per table, history is written for a flow whose atoms are refused', () => {
    assertBroken(explore(groupCommit('a filter per table', GOOD)), {
      problem: /X has 0 commits in its atoms, but 1 in its history/,
      trace: [/A sends X1 and Y1/, /B adopts X/, /SQL takes Y/],
    })
  })

  test('without a revision, a batch whose answer was lost is applied twice', () => {
    assertBroken(explore(groupCommit('epoch alone', GOOD)), {
      problem: /X has 1 commits in its atoms, but 1 1 in its history/,
      trace: [/SQL takes X and Y/, /hears nothing/, /A sends X1 and Y1/, /SQL takes X and Y/],
    })
  })

  test('without a revision but with expected states, an applied batch is taken for fenced and its flows lie idle', () => {
    assertBroken(explore(groupCommit('expected state', GOOD)), {
      problem: /A let go of X, which is still its own/,
      trace: [/SQL takes X and Y/, /hears nothing/, /reads back: X fenced, Y fenced/],
    })
  })

  test('a retry that carries more is taken for stored when the statement before it arrives after all', () => {
    assertBroken(explore(groupCommit('more in the retry', GOOD)), {
      problem: /A let go of X, which is still its own/,
      trace: [
        /A sends X1 and Y1/,
        /reads back: X did not arrive/,
        /A sends X1-2/,
        /late: .* takes X/,
        /reads back: X had arrived/,
      ],
    })
  })

  test('tried again as a whole, a batch with one bad value stops the good flows for ever', () => {
    assertBroken(explore(groupCommit('all again', BAD)), {
      problem: /refused 5 times, and X1, which is good, is not stored/,
      trace: [/refuses/, /A sends X1 and Y1/, /refuses/, /A sends X1 and Y1/, /refuses/],
    })
  })

  test("trashing without the fence trashes a flow that is somebody else's by now", () => {
    assertBroken(explore(groupCommit('trashed without fence', BAD)), {
      problem: /A trashed Y, which B owns/,
      trace: [/hears that a value was refused/, /B adopts Y/, /SQL takes Y/],
    })
  })
})
