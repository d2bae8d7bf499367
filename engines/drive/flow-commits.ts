/**
 * The commits of one flow: whether there is something to commit, and what is in it.
 *
 * Owns: the revision that the job's row must have.
 *
 * Invariants
 * D5  A commit that ends or parks the flow carries the mail count that was read; if more came, nothing is written, and the same
 *     changes are committed again when it was read.
 */
import { takeChanges, touchAtom, touchScope } from '../../src/machine/run.ts'
import type { FlowCommit } from '../../persistence/store.ts'
import type { ChangeSet } from './changes.ts'
import type { Driven } from './driven.ts'
import type { Inbox } from './inbox.ts'
import type { Leaving } from './leaving.ts'
import type { Transitions } from './transitions.ts'

/** What a commit is made of, besides the flow. */
export interface CommitParts {
  readonly inbox: Inbox
  readonly transitions: Transitions
  readonly leaving: Leaving
}

export class FlowCommits {
  readonly #flow: Driven
  readonly #parts: CommitParts
  #revision: number
  #isCheckpointing = false

  constructor(flow: Driven, parts: CommitParts) {
    this.#flow = flow
    this.#parts = parts
    this.#revision = flow.options.loaded.job.revision
  }

  /** There is something to commit. */
  get isDirty(): boolean {
    const { run, changes } = this.#flow
    return (
      run.dirtyAtoms.length > 0 ||
      run.dirtyScopes.length > 0 ||
      !changes.isEmpty ||
      this.#isCheckpointing ||
      this.#parts.leaving.isWanted
    )
  }

  /** The next commit is made even if nothing has changed. */
  checkpoint(): void {
    this.#isCheckpointing = true
  }

  /** Forms a commit of all that was gathered. Null: there is nothing, or one is under way. */
  take(): FlowCommit | null {
    const { jobId, flowId, run, changes, options } = this.#flow
    if (changes.isUnderWay || !this.isDirty) return null
    const { inbox, transitions, leaving } = this.#parts
    const { claim } = options
    const { atoms, scopes } = takeChanges(run)
    // What becomes of the job depends on what was gathered: asked before that is taken.
    const job = leaving.jobChange()
    const taken = changes.take()
    this.#isCheckpointing = false
    leaving.taken()
    return {
      jobId,
      flowId,
      epoch: claim.epoch,
      claimId: claim.claimId,
      revision: this.#revision,
      historySeq: transitions.lastSeq,
      mailTaken: taken.mailTaken,
      job: job ?? undefined,
      mailRead: job === null ? undefined : inbox.count,
      flow: taken.flow ? leaving.flowChange() : undefined,
      atoms,
      scopes,
      calls: taken.calls,
      results: taken.results,
      history: taken.history,
    }
  }

  /** A commit was written. */
  committed(): void {
    this.#revision++
  }

  /** D5: mail came, and nothing was written. */
  takeBack(commit: FlowCommit, taken: ChangeSet): void {
    const { run, changes } = this.#flow
    changes.putBack(taken)
    for (const { path } of commit.atoms) {
      const atom = run.atoms.get(path)
      if (atom !== undefined) touchAtom(run, atom)
    }
    for (const { path } of commit.scopes) {
      const scope = run.scopes.get(path)
      if (scope !== undefined) touchScope(run, scope)
    }
  }
}
