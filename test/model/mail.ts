/**
 * Rule: mail. Others write to a flow while its owner parks or ends it, at READ COMMITTED. Is anybody left unwoken, or a piece
 * of mail unread?
 *
 * M1  Who writes mail updates the job's row in the same transaction: `mail` + 1, and due now if it is parked. The row stays
 *     locked until the commit; what the update decides by is the row as it is then, not as it was read before.
 * M2  A job that has ended takes no mail: its writer is told so.
 * M3  A commit that parks or ends a job requires `mail` to be what its owner read; else the owner reads its mail first.
 * M4  `mail` is read in one snapshot with the letters, or before them, never after.
 * M5  A promoter makes due jobs claimable. Who adopts a job reads its mail.
 *
 * One job whose flow waits for a reply, then needs one more commit to end; a cancel ends it at once. Owners come and go. Two
 * writers, the worker's reply and an operator's cancel, may be rolled back, or not be answered and write again.
 */
import { step, type Model, type Step } from './search.ts'

export type MailVariant =
  | 'rule'
  /** A letter is inserted, a parked job made due, but `mail` is not raised (no M1). */
  | 'mail not raised'
  /** The writer reads the job's state, then updates by what it read (no M1). */
  | 'state read before'
  /** A commit parks or ends without looking at `mail` (no M3). */
  | 'mail not required'
  /** The same, but only for commits that end a job: parking is checked (half of M3). */
  | 'mail not required to end'
  /** The letters are read first, then `mail` (no M4). */
  | 'letters read first'

const WRITERS = ['reply', 'cancel'] as const
type Letter = (typeof WRITERS)[number]

interface Writer {
  at: 'writes' | 'looked' | 'locked' | 'accepted' | 'told that it ended'
  /** What it read of the job's state before (only where it does). */
  saw: string
}

export interface MailState {
  job: { state: 'UNCLAIMED' | 'CLAIMED' | 'PARKED' | 'COMPLETE'; mail: number; due: boolean }
  /** Who holds the row in an open transaction. */
  lockedBy: Letter | null
  letters: Letter[]
  writers: Record<Letter, Writer>
  /** The flow, as stored. */
  replied: boolean
  owner: { at: 'none' | 'reads' | 'read letters' | 'ready'; mail: number; letters: Letter[] }
  left: { deaths: number; lostReplies: number; rollbacks: number }
}

export function mail(variant: MailVariant): Model<MailState> {
  return {
    initial: {
      job: { state: 'UNCLAIMED', mail: 0, due: false },
      lockedBy: null,
      letters: [],
      writers: { reply: { at: 'writes', saw: '' }, cancel: { at: 'writes', saw: '' } },
      replied: false,
      owner: { at: 'none', mail: 0, letters: [] },
      left: { deaths: 1, lostReplies: 1, rollbacks: 1 },
    },
    *steps(state) {
      for (const letter of WRITERS) yield* writing(state, letter, variant)
      yield* owning(state, variant)
      yield* waking(state)
    },
    broken: ({ job, letters, lockedBy }) => {
      if (lockedBy !== null || letters.length === 0) return null
      const told = letters.join(' and ')
      if (job.state === 'PARKED' && !job.due) return `the job sleeps and nobody wakes it: ${told}`
      if (job.state === 'COMPLETE') return `accepted, but never read: ${told}`
      return null
    },
    goal: ({ job, letters, writers }) =>
      job.state === 'COMPLETE' &&
      letters.length === 0 &&
      WRITERS.every((letter) => /accepted|ended/.test(writers[letter].at)),
  }
}

function* writing(
  state: MailState,
  letter: Letter,
  variant: MailVariant,
): Generator<Step<MailState>> {
  const { at, saw } = state.writers[letter]
  const reads = variant === 'state read before'
  if (at === 'writes' && reads) {
    yield step(`${letter}: reads that the job is ${state.job.state}`, state, (draft) => {
      draft.writers[letter] = { at: 'looked', saw: draft.job.state }
    })
  }
  if (at === (reads ? 'looked' : 'writes') && state.lockedBy === null) {
    const decidesBy = reads ? saw : state.job.state
    if (decidesBy === 'COMPLETE') {
      yield step(`${letter}: is told that the job has ended`, state, (draft) => {
        draft.writers[letter] = { at: 'told that it ended', saw: '' }
      })
    } else {
      yield step(`${letter}: updates the job, which is ${decidesBy}`, state, (draft) => {
        draft.lockedBy = letter
        draft.writers[letter].at = 'locked'
      })
    }
  }
  if (at !== 'locked') return
  const commit = (draft: MailState): void => {
    draft.lockedBy = null
    if (variant !== 'mail not raised') draft.job.mail += 1
    if ((reads ? saw : draft.job.state) === 'PARKED') draft.job.due = true
    // The first with this key wins.
    if (!draft.letters.includes(letter)) draft.letters.push(letter)
  }
  yield step(`${letter}: commits`, state, (draft) => {
    commit(draft)
    draft.writers[letter] = { at: 'accepted', saw: '' }
  })
  if (state.left.lostReplies > 0) {
    yield step(`${letter}: commits, hears nothing, writes again`, state, (draft) => {
      commit(draft)
      draft.left.lostReplies -= 1
      draft.writers[letter] = { at: 'writes', saw: '' }
    })
  }
  if (state.left.rollbacks > 0) {
    yield step(`${letter}: is rolled back, writes again`, state, (draft) => {
      draft.lockedBy = null
      draft.left.rollbacks -= 1
      draft.writers[letter] = { at: 'writes', saw: '' }
    })
  }
}

function* owning(state: MailState, variant: MailVariant): Generator<Step<MailState>> {
  const { owner, job } = state
  if (owner.at === 'reads' && variant !== 'letters read first') {
    yield step(`owner: reads mail ${job.mail}: ${list(state.letters)}`, state, (draft) => {
      draft.owner = { at: 'ready', mail: draft.job.mail, letters: [...draft.letters] }
    })
  }
  if (owner.at === 'reads' && variant === 'letters read first') {
    yield step(`owner: reads its letters: ${list(state.letters)}`, state, (draft) => {
      draft.owner = { at: 'read letters', mail: 0, letters: [...draft.letters] }
    })
  }
  if (owner.at === 'read letters') {
    yield step(`owner: reads mail ${job.mail}`, state, (draft) => {
      draft.owner.at = 'ready'
      draft.owner.mail = draft.job.mail
    })
  }
  // The row is needed for each commit; an open transaction that holds it is waited for.
  if (owner.at === 'ready' && state.lockedBy === null) yield committing(state, variant)
  if (owner.at !== 'none' && state.left.deaths > 0 && state.lockedBy === null) {
    yield step('owner: dies, the reaper releases its job', state, (draft) => {
      draft.left.deaths -= 1
      draft.job.state = 'UNCLAIMED'
      draft.owner = { at: 'none', mail: 0, letters: [] }
    })
  }
}

/** What the flow's owner does next, by the mail that it has read. */
function committing(state: MailState, variant: MailVariant): Step<MailState> {
  const { owner, job, replied } = state
  const cancelled = owner.letters.includes('cancel')
  if (owner.letters.includes('reply') && !replied && !cancelled) {
    return step('owner: commits the reply', state, (draft) => {
      draft.replied = true
      take(draft)
    })
  }
  const ends = cancelled || replied
  const told = ends ? 'COMPLETE' : 'PARKED'
  const required =
    variant !== 'mail not required' && !(variant === 'mail not required to end' && ends)
  if (required && owner.mail !== job.mail) {
    return step(`owner: may not commit ${told}: mail is ${job.mail}`, state, (draft) => {
      draft.owner = { at: 'reads', mail: 0, letters: [] }
    })
  }
  return step(`owner: commits ${told}`, state, (draft) => {
    take(draft)
    draft.job.state = told
    draft.job.due = false
    draft.owner = { at: 'none', mail: 0, letters: [] }
  })
}

/** A commit takes the letters that were read, and no others. */
function take(draft: MailState): void {
  draft.letters = draft.letters.filter((letter) => !draft.owner.letters.includes(letter))
  draft.owner.letters = []
}

function* waking(state: MailState): Generator<Step<MailState>> {
  const { job } = state
  if (state.lockedBy !== null) return
  if (job.state === 'PARKED' && job.due) {
    yield step('the promoter makes the job claimable', state, (draft) => {
      draft.job.state = 'UNCLAIMED'
      draft.job.due = false
    })
  }
  if (job.state === 'UNCLAIMED') {
    yield step('owner: adopts the job', state, (draft) => {
      draft.job.state = 'CLAIMED'
      draft.owner.at = 'reads'
    })
  }
}

const list = (letters: readonly string[]): string => letters.join(' and ') || 'nothing'
