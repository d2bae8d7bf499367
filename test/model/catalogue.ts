/** All models with their variants: what `report.ts` prints and README.md lists. Each record is exhaustive by its type. */
import { boardClaim, type BoardClaimVariant } from './board-claim.ts'
import * as boards from './board-sizes.ts'
import type { BoardVariant } from './board-state.ts'
import { boardWindow, type BoardWindowVariant } from './board-window.ts'
import { board } from './board.ts'
import { callKey, type CallKeyVariant } from './call-key.ts'
import { cancel, type CancelVariant } from './cancel.ts'
import {
  CUT,
  TWO_OWNERS_DIE,
  UNCONFIRMED,
  WIPED,
  WIPED_AND_CUT,
  type DoubtVariant,
} from './doubt-state.ts'
import { doubt } from './doubt.ts'
import { end, type EndVariant } from './end.ts'
import { fence, THREE_CONDUCTORS, type FenceVariant } from './fence.ts'
import { groupCommit, type GroupCommitVariant } from './group-commit.ts'
import { lease, type LeaseVariant } from './lease.ts'
import { mail, type MailVariant } from './mail.ts'
import { postKey, type PostKeyVariant } from './post-key.ts'
import { posting, type PostingVariant } from './posting.ts'
import { probation, type ProbationVariant } from './probation.ts'
import {
  CLAIM_LOST,
  CLAIM_LOST_TWICE,
  NEVER,
  replies,
  RUNS,
  UNPUBLISHED,
  type RepliesVariant,
} from './replies.ts'
import { explore, type Verdict } from './search.ts'
import { signal, type SignalVariant } from './signal.ts'
import {
  INNOCENT,
  POISON,
  POISON_RESTARTED,
  RESTARTED,
  starts,
  type StartsVariant,
} from './starts.ts'

type Searches<Variant extends string> = Readonly<Record<Variant, () => Verdict<unknown>>>

const fences: Searches<FenceVariant | 'rule, three conductors'> = {
  rule: () => explore(fence('rule')),
  'rule, three conductors': () => explore(fence('rule', THREE_CONDUCTORS)),
  'no fence': () => explore(fence('no fence')),
  'counter of its own': () => explore(fence('counter of its own')),
  'check, then write': () => explore(fence('check, then write')),
  'epoch alone': () => explore(fence('epoch alone')),
  'loaded before adoption': () => explore(fence('loaded before adoption')),
}

const GOOD = { badValue: false }
const BAD = { badValue: true }
const groupCommits: Searches<GroupCommitVariant | 'rule, one bad value'> = {
  rule: () => explore(groupCommit('rule', GOOD)),
  'rule, one bad value': () => explore(groupCommit('rule', BAD)),
  'a filter per table': () => explore(groupCommit('a filter per table', GOOD)),
  'epoch alone': () => explore(groupCommit('epoch alone', GOOD)),
  'expected state': () => explore(groupCommit('expected state', GOOD)),
  'more in the retry': () => explore(groupCommit('more in the retry', GOOD)),
  'all again': () => explore(groupCommit('all again', BAD)),
  'trashed without fence': () => explore(groupCommit('trashed without fence', BAD)),
}

const postings: Searches<PostingVariant> = {
  rule: () => explore(posting('rule')),
  'named by job': () => explore(posting('named by job')),
  'named by job, version checked': () => explore(posting('named by job, version checked')),
  'named by job, version checked, posted when gone': () =>
    explore(posting('named by job, version checked, posted when gone')),
  'any posting adopted': () => explore(posting('any posting adopted')),
}

const postKeys: Searches<PostKeyVariant> = {
  rule: () => explore(postKey('rule')),
  'no unique key': () => explore(postKey('no unique key')),
  'content not compared': () => explore(postKey('content not compared')),
  'numbered nodes': () => explore(postKey('numbered nodes')),
  'nobody else posts': () => explore(postKey('nobody else posts')),
}

const mails: Searches<MailVariant> = {
  rule: () => explore(mail('rule')),
  'mail not raised': () => explore(mail('mail not raised')),
  'state read before': () => explore(mail('state read before')),
  'mail not required': () => explore(mail('mail not required')),
  'mail not required to end': () => explore(mail('mail not required to end')),
  'letters read first': () => explore(mail('letters read first')),
}

const signals: Searches<SignalVariant> = {
  rule: () => explore(signal('rule')),
  'no common lock': () => explore(signal('no common lock')),
  'locked and looked in one statement': () => explore(signal('locked and looked in one statement')),
  'lock let go before the commit': () => explore(signal('lock let go before the commit')),
}

const ends: Searches<EndVariant> = {
  rule: () => explore(end('rule')),
  'board first': () => explore(end('board first')),
  'state not looked at': () => explore(end('state not looked at')),
  'cleans up on any error': () => explore(end('cleans up on any error')),
  'silence taken for stored': () => explore(end('silence taken for stored')),
}

const ONE_EXPIRY = { expiries: 1, deaths: 0 }
const leases: Searches<LeaseVariant> = {
  rule: () => explore(lease('rule')),
  'renewed and kept': () => explore(lease('renewed and kept')),
  'renewed and given back': () =>
    explore(lease('renewed and given back', { expiries: 2, deaths: 0 })),
  'same epoch': () => explore(lease('same epoch')),
  'own clock alone': () => explore(lease('own clock alone')),
  'lease by name': () => explore(lease('lease by name')),
  'leases reaped, not jobs': () => explore(lease('leases reaped, not jobs', ONE_EXPIRY)),
  'renewed and forgotten': () => explore(lease('renewed and forgotten')),
}

const EARLY = { poison: 'early', kills: 1, maxDeaths: 2 } as const
const LATE = { ...EARLY, poison: 'late' } as const
const probations: Searches<ProbationVariant | 'rule, killing later'> = {
  rule: () => explore(probation('rule', EARLY)),
  'rule, killing later': () => explore(probation('rule', LATE)),
  'in groups, the last time alone': () =>
    explore(probation('in groups, the last time alone', { ...EARLY, kills: 0, maxDeaths: 3 })),
  'forgotten when passed': () => explore(probation('forgotten when passed', EARLY)),
  'every death counts': () => explore(probation('every death counts', EARLY)),
  'not alone': () => explore(probation('not alone', EARLY)),
  'loaded alone, beside running ones': () =>
    explore(probation('loaded alone, beside running ones', LATE)),
  'marked after the load': () => explore(probation('marked after the load', EARLY)),
}

const doubts: Searches<
  | DoubtVariant
  | 'rule, wiped'
  | 'rule, wiped and cut'
  | 'rule, cut'
  | 'rule, unconfirmed'
  | 'rule, never'
> = {
  rule: () => explore(doubt('rule', TWO_OWNERS_DIE)),
  'rule, wiped': () => explore(doubt('rule', WIPED)),
  'rule, wiped and cut': () => explore(doubt('rule', WIPED_AND_CUT)),
  'rule, cut': () => explore(doubt('rule', CUT)),
  'rule, unconfirmed': () => explore(doubt('rule', UNCONFIRMED)),
  'rule, never': () => explore(doubt('rule', CUT, 'never')),
  'never again': () => explore(doubt('never again', TWO_OWNERS_DIE)),
  'not asked': () => explore(doubt('not asked', TWO_OWNERS_DIE)),
  'go when none is known': () => explore(doubt('go when none is known', CUT)),
  'grace by the clock': () => explore(doubt('grace by the clock', CUT)),
  'old ones at once': () => explore(doubt('old ones at once', UNCONFIRMED)),
  'again while the first is young': () =>
    explore(doubt('again while the first is young', UNCONFIRMED)),
  'again while young, started when delivered': () =>
    explore(doubt('again while young, started when delivered', UNCONFIRMED)),
  'only unroutable is gone': () => explore(doubt('only unroutable is gone', UNCONFIRMED)),
  'copy not cleared': () => explore(doubt('copy not cleared', CUT)),
  'publication not forgotten': () => explore(doubt('publication not forgotten', CUT)),
  'noted with the present epoch': () => explore(doubt('noted with the present epoch', WIPED)),
  'silent after the body': () => explore(doubt('silent after the body', CUT)),
  'acknowledged in silence': () => explore(doubt('acknowledged in silence', WIPED)),
  'no barrier': () => explore(doubt('no barrier', TWO_OWNERS_DIE)),
}

const repliesSearches: Searches<RepliesVariant | 'rule, never published' | 'rule, never repeated'> =
  {
    rule: () => explore(replies('rule', RUNS)),
    'rule, never published': () => explore(replies('rule', UNPUBLISHED)),
    'rule, never repeated': () => explore(replies('rule', NEVER)),
    'given back': () => explore(replies('given back', CLAIM_LOST)),
    'acknowledged, then stored': () => explore(replies('acknowledged, then stored', RUNS)),
    'a queue of its own': () => explore(replies('a queue of its own', UNPUBLISHED)),
    'go without a barrier': () => explore(replies('go without a barrier', RUNS)),
    'mail not read': () => explore(replies('mail not read', RUNS)),
    'barrier overtakes': () => explore(replies('barrier overtakes', RUNS)),
    'not forwarded': () => explore(replies('not forwarded', CLAIM_LOST_TWICE)),
  }

const cancels: Searches<CancelVariant> = {
  rule: () => explore(cancel('rule')),
  'settled at once': () => explore(cancel('settled at once')),
  'adopted means old': () => explore(cancel('adopted means old')),
  'age at delivery': () => explore(cancel('age at delivery')),
  'old ones are started': () => explore(cancel('old ones are started')),
  'told go is no holder': () => explore(cancel('told go is no holder')),
  'abort until answered': () => explore(cancel('abort until answered')),
}

const callKeys: Searches<CallKeyVariant> = {
  rule: () => explore(callKey('rule')),
  'key without call': () => explore(callKey('key without call')),
  'key without direction': () => explore(callKey('key without direction')),
  'attempts counted': () => explore(callKey('attempts counted')),
  'counted anew': () => explore(callKey('counted anew')),
  'a token for each owner': () => explore(callKey('a token for each owner')),
}

const startSearches: Searches<
  StartsVariant | 'rule, innocent' | 'rule, restarted' | 'rule, restarted and poison'
> = {
  rule: () => explore(starts('rule', POISON)),
  'rule, innocent': () => explore(starts('rule', INNOCENT)),
  'rule, restarted': () => explore(starts('rule', RESTARTED)),
  'rule, restarted and poison': () => explore(starts('rule', POISON_RESTARTED)),
  'sent, then committed': () => explore(starts('sent, then committed', POISON)),
  'counted in memory': () => explore(starts('counted in memory', POISON)),
  'every go is charged': () => explore(starts('every go is charged', INNOCENT)),
  'answers name no delivery': () => explore(starts('answers name no delivery', POISON)),
  'every ask is charged': () => explore(starts('every ask is charged', INNOCENT)),
  'releases are not heard': () => explore(starts('releases are not heard', RESTARTED)),
  'what was held is taken off': () =>
    explore(starts('what was held is taken off', POISON_RESTARTED)),
}

const LATE_NODE = { ...boards.POSTED_LATE, slowPoster: false, mostRefusals: 4 }
const boardSearches: Searches<
  | BoardVariant
  | 'rule, unheard'
  | 'rule, wiped'
  | 'rule, restored'
  | 'rule, deleted'
  | 'rule, reaped'
  | 'rule, guessed'
  | 'rule, posted late'
> = {
  rule: () => explore(board('rule', boards.EXPIRED)),
  'rule, unheard': () => explore(board('rule', boards.UNHEARD)),
  'rule, wiped': () => explore(board('rule', boards.WIPED)),
  'rule, restored': () => explore(board('rule', boards.RESTORED)),
  'rule, deleted': () => explore(board('rule', boards.DELETED)),
  'rule, reaped': () => explore(board('rule', boards.REAPED)),
  'rule, guessed': () => explore(board('rule', boards.GUESSED)),
  'rule, posted late': () => explore(board('rule', boards.POSTED_LATE)),
  'no fence': () => explore(board('no fence', boards.COMMITS)),
  'counter of its own': () => explore(board('counter of its own', boards.COMMITS)),
  'check, then write': () => explore(board('check, then write', boards.COMMITS)),
  'epoch alone': () => explore(board('epoch alone', boards.WIPED)),
  'any posting adopted': () => explore(board('any posting adopted', boards.UNHEARD)),
  'board first': () => explore(board('board first', boards.REAPED)),
  'named by job': () => explore(board('named by job', boards.UNHEARD)),
  'same posting again': () => explore(board('same posting again', boards.EXPIRED)),
  'given back, then consumed': () => explore(board('given back, then consumed', boards.EXPIRED)),
  'abandoned by name': () => explore(board('abandoned by name', boards.UNHEARD)),
  'abandoned with its node only': () =>
    explore(
      board('abandoned with its node only', {
        ...boards.REAPED,
        left: { lapses: 1, deletions: 1 },
      }),
    ),
  'refused, then abandoned': () => explore(board('refused, then abandoned', LATE_NODE)),
  'refused, then consumed': () => explore(board('refused, then consumed', boards.RESTORED)),
  'lost and forgotten': () => explore(board('lost and forgotten', boards.WIPED)),
  'not reaped': () => explore(board('not reaped', boards.DELETED)),
  'not compared': () => explore(board('not compared', boards.WIPED)),
  'posted by its promoter': () =>
    explore(board('posted by its promoter', { ...boards.POSTED_LATE, left: { deaths: 1 } })),
}

const boardClaims: Searches<BoardClaimVariant | 'rule, expired' | 'rule, cut twice'> = {
  rule: () => explore(boardClaim('rule', { cuts: 1, guesses: 1, fills: 1 })),
  'rule, expired': () => explore(boardClaim('rule', { cuts: 1, expiries: 1 })),
  'rule, cut twice': () => explore(boardClaim('rule', { cuts: 2 })),
  'read without sync': () => explore(boardClaim('read without sync', { cuts: 1 })),
  'doubt forgotten': () => explore(boardClaim('doubt forgotten', { cuts: 1 })),
  'read in the next session': () =>
    explore(boardClaim('read in the next session', { cuts: 1, guesses: 1 })),
  'kept for the next time': () =>
    explore(boardClaim('kept for the next time', { cuts: 1, fills: 1 })),
  'claimed without version': () => explore(boardClaim('claimed without version', {})),
  'deleted without version': () => explore(boardClaim('deleted without version', { wipes: 1 })),
  'not raised': () => explore(boardClaim('not raised', {})),
  'raised apart': () => explore(boardClaim('raised apart', { expiries: 1 })),
}

const boardWindows: Searches<
  BoardWindowVariant | 'rule, wiped' | 'rule, cut off' | 'rule, two leaders'
> = {
  rule: () => explore(boardWindow('rule', ['L'], {})),
  'rule, wiped': () => explore(boardWindow('rule', ['P', 'L'], { wipes: 1, waits: 1 })),
  'rule, cut off': () => explore(boardWindow('rule', ['L', 'M'], { outages: 1 })),
  'rule, two leaders': () => explore(boardWindow('rule', ['L', 'M'], { expiries: 1 })),
  'always room': () => explore(boardWindow('always room', ['L'], {})),
  'counted once': () => explore(boardWindow('counted once', ['L'], {})),
  'claimed ones counted': () => explore(boardWindow('claimed ones counted', ['L'], { waits: 1 })),
  'marked without room': () => explore(boardWindow('marked without room', ['P', 'L'], {})),
  'not compared': () => explore(boardWindow('not compared', ['L'], { wipes: 1 })),
  'leads idly': () => explore(boardWindow('leads idly', ['L', 'M'], { outages: 1 })),
}

export const CATALOGUE: Readonly<Record<string, Searches<string>>> = {
  fence: fences,
  'group-commit': groupCommits,
  posting: postings,
  'post-key': postKeys,
  mail: mails,
  signal: signals,
  end: ends,
  lease: leases,
  probation: probations,
  doubt: doubts,
  replies: repliesSearches,
  starts: startSearches,
  cancel: cancels,
  'call-key': callKeys,
  board: boardSearches,
  'board-claim': boardClaims,
  'board-window': boardWindows,
}
