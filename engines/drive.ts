/**
 * Drives one claimed flow: events in, through the machine, into a commit; then the commands are carried out.
 *
 * Owns: the parts in `drive/`, of which each does one step of this and states its invariants.
 *
 * Invariants
 * D1  Durable before visible: a call is dispatched, a timer set, an event told only after the commit that intended it.
 * D2  Expressions are evaluated, and arguments bound, before the commit (`preparing.ts`).
 * D3  While values are being loaded no event is taken and nothing is committed (`steps.ts`).
 * D4  A flow that was fenced, or dropped by its owner, does nothing any more: no commit, no call, no event.
 * D5  A commit that ends or parks the flow carries the mail count that was read (`flow-commits.ts`).
 * D6  The queue of a call's answers stands in its row before the call is dispatched (`preparing.ts`).
 * D7  Whoever gave an answer or a fact is told when it is committed (`answers.ts`).
 */
import { toFailure } from '../src/base/failure.ts'
import type { Json, JsonObject } from '../src/base/json.ts'
import { restoreRun } from '../src/machine/resume.ts'
import type { FlowState } from '../src/machine/states.ts'
import type { CommitOutcome, FlowCommit, LoadedFlow } from '../persistence/store.ts'
import type { Committing } from './committer.ts'
import { Answers } from './drive/answers.ts'
import { beginningOf } from './drive/beginning.ts'
import { Changes, type ChangeSet } from './drive/changes.ts'
import type { DriveEnd, DriveOptions } from './drive/drive-types.ts'
import type { Driven } from './drive/driven.ts'
import { FlowCommits } from './drive/flow-commits.ts'
import { Inbox, type MailRead } from './drive/inbox.ts'
import { Leaving } from './drive/leaving.ts'
import { Performing } from './drive/performing.ts'
import { Preparing } from './drive/preparing.ts'
import { Steps } from './drive/steps.ts'
import { Transitions } from './drive/transitions.ts'
import { Values } from './drive/values.ts'
import type { CallAnswer, CallKey, CallListener, CallNote, CallRequest } from './engine.ts'

export type { DriveEnd, DriveOptions, FlowEvent } from './drive/drive-types.ts'

/** One claimed flow, from `begin` until `onEnd`; its owner gives it mail, and takes it away. */
export class FlowDriver implements Committing, CallListener {
  readonly jobId: string
  readonly flowId: string
  readonly #options: DriveOptions
  readonly #flow: Driven
  readonly #answers: Answers
  readonly #inbox: Inbox
  readonly #steps: Steps
  readonly #leaving: Leaving
  readonly #commits: FlowCommits
  readonly #performing: Performing
  #isEnded = false

  constructor(options: DriveOptions) {
    const flow = drivenOf(options)
    this.#options = options
    this.#flow = flow
    this.jobId = flow.jobId
    this.flowId = flow.flowId
    const transitions = new Transitions(flow)
    const answers = new Answers(flow)
    const inbox = new Inbox(flow, answers)
    const leaving = new Leaving(flow, {
      inbox,
      transitions,
      isQuiet: () => !flow.changes.isUnderWay && !this.#commits.isDirty,
      onWish: () => options.committer.enqueue(this),
    })
    const goOn = () => this.#goOn()
    this.#answers = answers
    this.#inbox = inbox
    this.#leaving = leaving
    this.#steps = new Steps(flow, {
      answers,
      inbox,
      transitions,
      preparing: new Preparing(flow, transitions, leaving),
      onLoaded: goOn,
    })
    this.#commits = new FlowCommits(flow, { inbox, transitions, leaving })
    this.#performing = new Performing(flow, { listener: this, onDue: goOn })
  }

  /** The flow's state now, committed or not. */
  get state(): FlowState {
    return this.#flow.run.state
  }

  /** Whether nothing is running: it waits for a time or has nothing to do. */
  get isIdle(): boolean {
    return this.#flow.run.inflight === 0
  }

  // Its owner

  /** Lets the flow go on, with the mail that was waiting for it. */
  begin(mail: MailRead): void {
    const { run, events } = this.#flow
    const beginning = beginningOf(run.state, mail.mail)
    if (beginning === 'go') events.push({ kind: 'begin' })
    else if (beginning !== 'heed') this.#leaving.finish(beginning)
    this.receive(mail)
  }

  /** Takes mail; what was taken before is passed over. */
  receive(mail: MailRead): void {
    if (this.#isEnded) return
    this.#inbox.take(mail)
    this.#goOn()
  }

  /** Commits even if nothing has changed, which ends a probation. */
  checkpoint(): void {
    if (this.#isEnded) return
    this.#commits.checkpoint()
    this.#options.committer.enqueue(this)
  }

  /** Hands the flow over: nothing new starts; when nothing runs any more (or `abandon` is called) it is released. */
  release(): void {
    if (this.#isEnded || this.#leaving.isReleasing) return
    this.#leaving.release()
    this.#flow.run.holding = true
    this.#options.engine.handOver?.(this.flowId)
    this.#goOn()
  }

  /** Ends a release that takes too long: what still runs is aborted and will run again under the same key. */
  abandon(): void {
    if (this.#isEnded) return
    this.#leaving.release()
    this.#flow.run.holding = true
    this.#options.engine.forget(this.flowId, { abort: true })
    this.#flow.run.inflight = 0
    this.#goOn()
  }

  /** Stops at once, without a word to the store: the claim is lost. */
  drop(): void {
    if (!this.#isEnded) this.#lose({ kind: 'dropped' })
  }

  // The engine, as `CallListener`

  answer(request: CallRequest, answer: CallAnswer, committed?: () => void): void {
    if (this.#isEnded) return
    if (!this.#answers.take(request, request.attempt, answer, committed)) committed?.()
    this.#goOn()
  }

  note(key: CallKey, note: CallNote, committed?: () => void): boolean {
    if (this.#isEnded || !this.#answers.note(key, note, committed)) return false
    this.#options.committer.enqueue(this)
    return true
  }

  progress(request: CallRequest, progress: number, details: Json | undefined): void {
    if (!this.#isEnded) this.#options.onProgress?.(request.atom, progress, details)
  }

  // The committer, as `Committing`

  take(): FlowCommit | null {
    if (this.#isEnded || this.#steps.isLoading) return null
    return this.#commits.take()
  }

  settled(commit: FlowCommit, outcome: CommitOutcome): void {
    const taken = this.#flow.changes.settle()
    if (this.#isEnded || taken === null) return
    switch (outcome.kind) {
      case 'committed':
        this.#commits.committed()
        this.#committed(commit, taken)
        return
      case 'fenced':
        this.#lose({ kind: 'fenced' })
        return
      case 'trashed':
        this.#lose({ kind: 'trashed', reason: outcome.reason })
        return
      case 'mail':
        this.#commits.takeBack(commit, taken)
        this.#inbox.read((mail) => {
          this.receive(mail)
          if (!this.#isEnded) this.#options.committer.enqueue(this)
        })
        return
    }
  }

  // What is in between

  /** Feeds what has come in to the machine, then asks for a commit. */
  #goOn(): void {
    if (this.#isEnded) return
    try {
      if (!this.#steps.run()) return
    } catch (error) {
      this.#trash(error)
      return
    }
    if (this.#commits.isDirty) this.#options.committer.enqueue(this)
  }

  /** D1: listeners are told, commands carried out; or the flow leaves. */
  #committed(commit: FlowCommit, taken: ChangeSet): void {
    const { onEvent, engine, committer } = this.#options
    const { run, changes } = this.#flow
    if (onEvent !== undefined) for (const event of taken.told) onEvent(event)
    for (const told of taken.committed) told()
    // Whoever was told may have dropped it (D4).
    if (this.#isEnded) return
    if (commit.job !== undefined) {
      // What runs elsewhere is found by its next owner; an answer that came during this commit is given back to go there by mail.
      const isUncommitted = changes.committed.length > 0
      if (run.inflight > 0 || isUncommitted) engine.forget(this.flowId)
      this.#end(this.#leaving.endOf(commit.job))
      return
    }
    for (const command of taken.prepared) this.#performing.perform(command)
    if (this.#leaving.isReleasing && taken.prepared.length > 0) engine.handOver?.(this.flowId)
    if (this.#commits.isDirty) committer.enqueue(this)
    else if (run.inflight > 0) this.#leaving.watch()
  }

  /** A fault of the flow or of Zagflow that nothing here can mend: kept for an operator, with its reason. */
  #trash(error: unknown): void {
    const { committer, engine, logger } = this.#options
    const { run, changes } = this.#flow
    logger.error({ error, job: this.jobId }, 'the flow cannot go on; its job is trashed')
    engine.forget(this.flowId, { abort: true })
    run.inflight = 0
    changes.prepared = []
    this.#leaving.trash(toFailure(error).message)
    committer.enqueue(this)
  }

  /** D4: the flow is others' now, or nobody's. */
  #lose(end: DriveEnd): void {
    this.#options.engine.forget(this.flowId, { abort: true })
    this.#end(end)
  }

  #end(end: DriveEnd): void {
    this.#isEnded = true
    this.#steps.end()
    this.#inbox.end()
    this.#leaving.end()
    this.#performing.end()
    this.#options.committer.forget(this)
    this.#options.onEnd(end)
  }
}

/** The flow as its rows say. */
function drivenOf(options: DriveOptions): Driven {
  const { loaded, plan, engine, store } = options
  const { job, detail, atoms, scopes } = loaded
  const { state, reason } = detail
  const run = restoreRun(plan, { state, reason, atoms, scopes }, engine.window)
  const values = new Values({
    run,
    input: detail.input,
    job: jobVariable(loaded),
    load: (refs) => store.results(detail.id, refs),
  })
  const changes = new Changes()
  return { jobId: job.id, flowId: detail.id, run, values, changes, events: [], options }
}

/** What expressions see as `job`. */
function jobVariable({ job, detail }: LoadedFlow): JsonObject {
  return {
    id: job.id,
    flow: job.flow,
    run: detail.run,
    priority: job.priority,
    labels: job.labels,
    scheduledFor: job.scheduledFor,
  }
}
