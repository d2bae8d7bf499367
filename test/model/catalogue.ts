/** All models with their variants: what `report.ts` prints and README.md lists. Each record is exhaustive by its type. */
import { end, type EndVariant } from './end.ts'
import { fence, THREE_CONDUCTORS, type FenceVariant } from './fence.ts'
import { groupCommit, type GroupCommitVariant } from './group-commit.ts'
import { lease, type LeaseVariant } from './lease.ts'
import { mail, type MailVariant } from './mail.ts'
import { postKey, type PostKeyVariant } from './post-key.ts'
import { posting, type PostingVariant } from './posting.ts'
import { probation, type ProbationVariant } from './probation.ts'
import { explore, type Verdict } from './search.ts'
import { signal, type SignalVariant } from './signal.ts'

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
}
