/**
 * Drives one claimed flow: events in, through the machine, into a commit; then the commands are carried out.
 *
 * Owns: the run in memory, the values that it needs, its timers, and what is not committed yet.
 *
 * Invariants
 * D1  Durable before visible: a call is dispatched, a timer set, an event told only after the commit that intended it.
 * D2  Expressions are evaluated, and arguments bound, before the commit: an error in them is part of it.
 * D3  Values are loaded when they are asked for, once; while they are, no event is taken and nothing is committed.
 * D4  A flow that was fenced, or dropped by its owner, does nothing any more: no commit, no call, no event.
 * D5  A commit that ends or parks the flow carries the mail count that was read; if more came it is read first.
 * D6  The queue that a call's answers come to stands in its row before the call is dispatched, and never changes for that call.
 * D7  Whoever gave an answer or a fact is told when it is committed; after the flow is lost, never.
 */
import { toFailure } from '../src/base/failure.ts'
import type { Failure } from '../src/base/failure.ts'
import type { Json, JsonObject } from '../src/base/json.ts'
import { advance, type Step } from '../src/machine/advance.ts'
import type { CallRef, Command, MachineEvent, Transition } from '../src/machine/events.ts'
import type { CallRecord } from '../src/machine/records.ts'
import { restoreRun } from '../src/machine/resume.ts'
import { takeChanges, touchAtom, touchScope, type AtomRun, type Run } from '../src/machine/run.ts'
import { isFinal, type FlowState } from '../src/machine/states.ts'
import type {
  AtomFailure,
  CommitOutcome,
  FlowChange,
  FlowCommit,
  JobChange,
  LoadedFlow,
  StoredMail,
} from '../persistence/store.ts'
import {
  isAwaited,
  requestOf,
  whyAborted,
  type CallCommand,
  type RequestSource,
} from './call-requests.ts'
import { Changes, type Prepared } from './changes.ts'
import type { Committing } from './committer.ts'
import type { DriveEnd, DriveOptions, FlowEvent } from './drive-types.ts'
import type { CallAnswer, CallKey, CallListener, CallNote, CallRequest } from './engine.ts'
import { driveEndOf, flowChange, jobChangeOf, standingFailures } from './flow-report.ts'
import { eventOf, letterOf, strategyAnswer, type Letter } from './mail-events.ts'
import { Parking } from './parking.ts'
import { isEmptyResult, Values, ValuesMissing } from './values.ts'

export type { DriveEnd, DriveOptions, FlowEvent } from './drive-types.ts'

export class FlowDriver implements Committing, CallListener {
  readonly jobId: string
  readonly flowId: string
  readonly #options: DriveOptions
  readonly #run: Run
  readonly #values: Values
  readonly #listener = this
  readonly #events: MachineEvent[] = []
  readonly #timers = new Map<string, () => void>()
  readonly #source: RequestSource
  readonly #parking: Parking
  #changes = new Changes()
  /** Mail that was read, by its number: of what is said again under the same key the next piece has another. */
  readonly #read = new Set<number>()
  /** Atoms whose answer the machine has not been told yet: a second one does not count. */
  readonly #answered = new Set<string>()
  /** Answers that came by mail: taken after the events before them, for those say what is awaited. */
  #letters: Letter[] = []
  #mailRead: number
  #revision: number
  #seq: number
  #finished: FlowState | null = null
  #job: JobChange | null = null
  #checkpointing = false
  #suspending = false
  #resumed = false
  #output: Json = null
  #failures: readonly AtomFailure[] = []
  #failuresByAtom: { readonly [atom: string]: Failure } | null = null
  /** What is being committed. */
  #inflight: Changes | null = null
  #loading = false
  #pumping = false
  #releasing = false
  #ended = false

  constructor(options: DriveOptions) {
    const { loaded, plan } = options
    this.#options = options
    this.jobId = loaded.job.id
    this.flowId = loaded.detail.id
    const stored = {
      state: loaded.detail.state,
      reason: loaded.detail.reason,
      atoms: loaded.atoms,
      scopes: loaded.scopes,
    }
    this.#run = restoreRun(plan, stored, options.engine.window)
    this.#revision = loaded.job.revision
    this.#seq = loaded.job.historySeq
    this.#mailRead = 0
    // A former owner took the mail that said so.
    this.#suspending = loaded.detail.state === 'SUSPENDING'
    this.#values = new Values({
      run: this.#run,
      input: loaded.detail.input,
      job: jobVariable(loaded),
      load: (refs) => options.store.results(this.flowId, refs),
    })
    this.#source = {
      jobId: this.jobId,
      flowId: this.flowId,
      run: this.#run,
      values: this.#values,
      failures: () => (this.#failuresByAtom ??= Object.fromEntries(this.#run.failures)),
    }
    this.#parking = new Parking({
      run: this.#run,
      flowId: this.flowId,
      engine: options.engine,
      clock: options.clock,
      parkAfterMs: options.parkAfterMs,
      isQuiet: () => this.#inflight === null && !this.#isDirty(),
      onWish: () => options.committer.enqueue(this),
    })
  }

  /** The flow's state now, committed or not. */
  get state(): FlowState {
    return this.#run.state
  }

  /** Whether nothing is running: it waits for a time or has nothing to do. */
  get isIdle(): boolean {
    return this.#run.inflight === 0
  }

  /** Lets the flow go on, with the mail that was waiting for it. */
  begin(mail: { readonly count: number; readonly mail: readonly StoredMail[] }): void {
    const { state } = this.#run
    const has = (kind: StoredMail['kind']) => mail.mail.some((piece) => piece.kind === kind)
    // What was cancelled or suspended before it began, or while it stood still, must not start anything.
    const isNew = state === 'PENDING' || state === 'RESUMING'
    const isStopped = has('cancel') || (isNew && has('suspend'))
    if (isFinal(state) && !has('resolve-revert')) {
      // It had ended, but its end was not taken off the board.
      this.#finished = state
    } else if (state === 'SUSPENDED' && !has('resume') && !isStopped) {
      this.#finished = 'SUSPENDED'
    } else if (!isFinal(state) && !((state === 'SUSPENDED' || isNew) && isStopped)) {
      this.#events.push({ kind: 'begin' })
    }
    this.receive(mail)
    this.#pump()
  }

  /** Takes mail; what was taken before is passed over. */
  receive(mail: { readonly count: number; readonly mail: readonly StoredMail[] }): void {
    if (this.#ended) return
    this.#mailRead = Math.max(this.#mailRead, mail.count)
    for (const piece of mail.mail) {
      if (this.#read.has(piece.count)) continue
      this.#read.add(piece.count)
      if (piece.kind === 'suspend') this.#suspending = true
      else if (piece.kind === 'resume' && this.#suspending) {
        // It is for after the suspension: left where it is, for the claim that follows at once.
        this.#resumed = true
        continue
      }
      this.#changes.mailTaken.push(piece.key)
      const event = eventOf(piece)
      if (event !== null) this.#events.push(event)
      const letter = letterOf(piece)
      if (letter !== null && letter.key.flowId === this.flowId) this.#letters.push(letter)
    }
    this.#pump()
  }

  /** Commits even if nothing has changed, which ends a probation. */
  checkpoint(): void {
    if (this.#ended) return
    this.#checkpointing = true
    this.#options.committer.enqueue(this)
  }

  /** Hands the flow over: nothing new starts; when nothing runs any more (or `abandon` is called) it is released. */
  release(): void {
    if (this.#ended || this.#releasing) return
    this.#releasing = true
    this.#run.holding = true
    this.#options.engine.handOver?.(this.flowId)
    this.#pump()
  }

  /** Ends a release that takes too long: what still runs is aborted and will run again under the same key. */
  abandon(): void {
    if (this.#ended) return
    this.#releasing = true
    this.#run.holding = true
    this.#options.engine.forget(this.flowId, { abort: true })
    this.#run.inflight = 0
    this.#pump()
  }

  /** Stops at once, without a word to the store: the claim is lost. */
  drop(): void {
    if (this.#ended) return
    this.#options.engine.forget(this.flowId, { abort: true })
    this.#end({ kind: 'dropped' })
  }

  // CallListener

  answer(request: CallRequest, answer: CallAnswer, committed?: () => void): void {
    if (this.#ended) return
    if (!this.#take(request, request.attempt, answer, committed)) committed?.()
    this.#pump()
  }

  note(key: CallKey, note: CallNote, committed?: () => void): boolean {
    if (this.#ended) return false
    const atom = this.#run.atoms.get(key.atom)
    if (atom === undefined || atom.sent === null || !isAwaited(this.#run, atom, key)) return false
    atom.sent = { ...atom.sent, ...note }
    touchAtom(this.#run, atom)
    if (committed !== undefined) this.#changes.committed.push(committed)
    this.#options.committer.enqueue(this)
    return true
  }

  /** Takes an answer; false: nobody waits for it. */
  #take(
    request: CallKey,
    attempt: number,
    answer: CallAnswer,
    committed: (() => void) | undefined,
  ): boolean {
    const call: CallRef = { atom: request.atom, direction: request.direction, call: request.call }
    const now = this.#options.clock.now()
    const atom = this.#run.atoms.get(request.atom)
    if (atom === undefined || !isAwaited(this.#run, atom, call)) return false
    if (this.#answered.has(call.atom)) return false
    let event: MachineEvent
    let outcome: CallRecord['outcome']
    let failure: Failure | null = null
    if (answer.kind === 'failed') {
      outcome = answer.outcome
      failure = answer.failure
      event = { kind: 'failed', call, failure, outcome }
    } else {
      const why = this.#whyUnusable(atom, request, answer.result)
      if (why === null) {
        outcome = 'success'
        const decision = request.direction === 'decide' ? strategyAnswer(answer.result) : undefined
        event = { kind: 'succeeded', call, decision }
      } else {
        outcome = 'failure'
        failure = why
        event = { kind: 'failed', call, failure, outcome }
      }
    }
    // Written out, for each call comes by here: spreading costs more than all the rest.
    const { atom: path, direction } = call
    this.#changes.calls.push({
      atom: path,
      direction,
      call: call.call,
      attempt,
      outcome,
      startedAt: answer.startedAt,
      endedAt: now,
      failure,
    })
    if (committed !== undefined) this.#changes.committed.push(committed)
    // Its row is about to say that it was answered: no queue is needed for it any more.
    atom.sent = null
    if (outcome === 'success' && answer.kind === 'succeeded' && request.direction !== 'decide') {
      if (!isEmptyResult(answer.result)) {
        this.#changes.results.push({ atom: path, direction, call: call.call, value: answer.result })
      }
      if (request.direction === 'execute') this.#values.keep(request.atom, answer.result)
    }
    this.#events.push(event)
    this.#answered.add(path)
    return true
  }

  /** Answers that came by mail (D7 does not concern them: taking the mail is part of the commit). */
  #readLetters(): boolean {
    if (this.#letters.length === 0) return false
    const letters = this.#letters
    this.#letters = []
    const { engine } = this.#options
    for (const { key, answer } of letters) {
      const atom = this.#run.atoms.get(key.atom)
      if (atom === undefined) continue
      if (answer !== null) {
        this.#take(key, atom.attempt, answer, undefined)
        engine.heard?.(key, 'answered')
      } else if (isAwaited(this.#run, atom, key)) {
        if (atom.sent !== null) atom.sent = { ...atom.sent, copy: null }
        touchAtom(this.#run, atom)
        engine.heard?.(key, 'lost')
      }
    }
    return true
  }

  progress(request: CallRequest, progress: number, details: Json | undefined): void {
    if (!this.#ended) this.#options.onProgress?.(request.atom, progress, details)
  }

  #whyUnusable(atom: AtomRun, request: CallKey, result: Json): Failure | null {
    if (request.direction !== 'execute' || atom.plan.kind !== 'task') return null
    try {
      const why = this.#values.whyIncomplete(atom.plan, result)
      return why === null ? null : { code: 'InvalidResult', message: why, retryable: false }
    } catch (error) {
      return { ...toFailure(error), code: 'InvalidResult', retryable: false }
    }
  }

  // The machine

  /** Feeds what has come in to the machine, until there is nothing left; then asks for a commit. */
  #pump(): void {
    if (this.#pumping || this.#loading || this.#ended) return
    this.#pumping = true
    try {
      do {
        for (let at = 0; at < this.#events.length; at++) {
          const event = this.#events[at] as MachineEvent
          if (!this.#feed(event)) {
            // D3: the rest waits until the values are there.
            this.#events.splice(0, at + 1)
            return
          }
        }
        this.#events.length = 0
        this.#answered.clear()
      } while (this.#readLetters())
    } catch (error) {
      this.#events.length = 0
      this.#trash(error)
      return
    } finally {
      this.#pumping = false
    }
    if (this.#isDirty()) this.#options.committer.enqueue(this)
  }

  /** False: values are being loaded, and the commands of this event go on when they are there. */
  #feed(event: MachineEvent): boolean {
    const now = this.#options.clock.now()
    const step = advance(this.#run, event, now)
    this.#record(step, now)
    return this.#prepare(step.commands, 0)
  }

  #record(step: Step, at: number): void {
    if (step.transitions.length > 0) this.#failuresByAtom = null
    for (const transition of step.transitions) {
      const seq = ++this.#seq
      if (transition.kind === 'flow') this.#changes.flow = true
      else if (transition.kind === 'retry' && transition.value !== undefined) {
        this.#values.keep(transition.name, transition.value)
      }
      this.#changes.history.push({
        seq,
        at,
        kind: transition.kind,
        name: transition.name,
        from: transition.from,
        state: transition.state,
        attempt: transition.attempt,
        call: transition.call,
        failure: transition.failure,
      })
      if (this.#options.onEvent !== undefined)
        this.#changes.told.push(this.#eventOf(transition, seq, at))
    }
  }

  #eventOf(transition: Transition, seq: number, at: number): FlowEvent {
    const { kind, name, from, state, attempt, failure } = transition
    const result =
      kind === 'task' && state === 'SUCCESS' ? this.#values.kept(name) : transition.value
    return {
      seq,
      kind,
      name,
      from,
      state,
      ...(attempt === null ? {} : { attempt }),
      ...(result === undefined ? {} : { result }),
      ...(failure === null ? {} : { failure }),
      at,
    }
  }

  /** Binds and evaluates (D2). Commands from `from` on; false: values are missing and being loaded (D3). */
  #prepare(commands: readonly Command[], from: number): boolean {
    for (let at = from; at < commands.length; at++) {
      const command = commands[at] as Command
      try {
        this.#prepareOne(command)
      } catch (error) {
        if (!(error instanceof ValuesMissing)) throw error
        this.#load(error, commands, at)
        return false
      }
    }
    return true
  }

  #prepareOne(command: Command): void {
    switch (command.kind) {
      case 'evaluate': {
        const answer = this.#values.evaluate(command.purpose)
        if (command.purpose.kind === 'output' && answer.failure === undefined) {
          this.#output = this.#values.output
        }
        this.#events.push({ kind: 'evaluated', id: command.id, ...answer })
        return
      }
      case 'call':
        this.#prepareCall(command)
        return
      case 'finish':
        this.#finished = command.state
        return
      case 'abort':
      case 'wait':
        this.#changes.prepared.push(command)
        return
    }
  }

  #prepareCall(command: CallCommand): void {
    const { atom, direction, again } = command
    const { engine } = this.#options
    const isGone = again && direction === 'execute' && atom.scope.reverting
    if (isGone && engine.replyTo === undefined) {
      // Its process died, and it is to be reverted: running it again would serve nothing.
      const message = 'its process ended while it ran'
      this.#failCall(command, { code: 'Cancelled', message, retryable: false }, 'unknown')
      return
    }
    try {
      this.#nameReplyQueue(atom, again)
      this.#changes.prepared.push({ kind: 'dispatch', request: requestOf(this.#source, command) })
      const reason = isGone ? whyAborted(this.#run, atom) : null
      if (reason !== null) {
        this.#changes.prepared.push({ kind: 'abort', atom, direction, call: command.call, reason })
      }
    } catch (error) {
      if (error instanceof ValuesMissing) throw error
      const failure = toFailure(error)
      const isRevert = direction === 'revert'
      const why = isRevert ? failure : { ...failure, code: 'InvalidArguments', retryable: false }
      this.#failCall(command, why, 'failure')
    }
  }

  /** D6. */
  #nameReplyQueue(atom: AtomRun, again: boolean): void {
    const { replyTo } = this.#options.engine
    if (replyTo === undefined || (again && atom.sent !== null)) return
    atom.sent = { replyTo, copy: null, starts: 0 }
    touchAtom(this.#run, atom)
  }

  /** A call that is not made: its failure is its answer. */
  #failCall(command: CallCommand, failure: Failure, outcome: 'failure' | 'unknown'): void {
    const { atom, direction, call } = command
    const ref: CallRef = { atom: atom.path, direction, call }
    const at = this.#options.clock.now()
    const times = { attempt: atom.attempt, startedAt: at, endedAt: at }
    this.#changes.calls.push({ ...ref, ...times, outcome, failure })
    this.#events.push({ kind: 'failed', call: ref, failure, outcome })
  }

  #load(missing: ValuesMissing, commands: readonly Command[], at: number): void {
    this.#loading = true
    void this.#values
      .load(missing)
      .then(() => {
        if (this.#ended) return
        this.#loading = false
        this.#goOn(commands, at)
      })
      .catch((error: unknown) => {
        if (this.#ended) return
        this.#options.logger.warn(
          { error, job: this.jobId },
          'results could not be loaded; trying again',
        )
        const { clock } = this.#options
        this.#timers.set(
          'load',
          clock.setTimer(() => this.#load(missing, commands, at), clock.now() + 1000),
        )
      })
  }

  /** The values are there: what is left of the commands, then what came in meanwhile. */
  #goOn(commands: readonly Command[], at: number): void {
    try {
      if (!this.#prepare(commands, at)) return
    } catch (error) {
      this.#trash(error)
      return
    }
    this.#pump()
  }

  // Committing

  #isDirty(): boolean {
    return (
      this.#run.dirtyAtoms.length > 0 ||
      this.#run.dirtyScopes.length > 0 ||
      !this.#changes.isEmpty ||
      this.#finished !== null ||
      this.#checkpointing ||
      this.#parking.isWished ||
      (this.#releasing && (this.#run.inflight === 0 || this.#isElsewhere())) ||
      this.#job !== null
    )
  }

  take(): FlowCommit | null {
    if (this.#ended || this.#loading || this.#inflight !== null || !this.#isDirty()) return null
    const { claim } = this.#options
    const changes = this.#changes
    const { atoms, scopes } = takeChanges(this.#run)
    const job = this.#jobChange()
    const commit: FlowCommit = {
      jobId: this.jobId,
      flowId: this.flowId,
      epoch: claim.epoch,
      claimId: claim.claimId,
      revision: this.#revision,
      historySeq: this.#seq,
      mailTaken: changes.mailTaken,
      job: job ?? undefined,
      mailRead: job === null ? undefined : this.#mailRead,
      flow: changes.flow ? this.#flowChange() : undefined,
      atoms,
      scopes,
      calls: changes.calls,
      results: changes.results,
      history: changes.history,
    }
    this.#inflight = changes
    this.#changes = new Changes()
    this.#checkpointing = false
    this.#parking.taken()
    return commit
  }

  #flowChange(): FlowChange {
    if (isFinal(this.#run.state)) this.#failures = standingFailures(this.#run)
    const isFirst = this.#options.loaded.detail.startedAt === null
    return flowChange(this.#run, { output: this.#output, failures: this.#failures }, isFirst)
  }

  /** What becomes of the job with this commit: nothing, while the flow goes on here. */
  #jobChange(): JobChange | null {
    const job = this.#job ?? jobChangeOf(this.#finished, this.#resumed)
    if (job !== null) return job
    if (this.#events.length > 0 || this.#letters.length > 0) return null
    if (this.#run.inflight > 0) {
      const isWanted = this.#releasing || this.#parking.isWished
      if (!isWanted || !this.#isElsewhere()) return null
    }
    if (this.#releasing) return { state: 'UNCLAIMED' }
    if (this.#changes.prepared.some((command) => command.kind === 'dispatch')) return null
    return this.#parking.change()
  }

  /** Everything that runs is with workers elsewhere, and the rows say so: whoever owns the flow next finds it there. */
  #isElsewhere(): boolean {
    if (this.#changes.prepared.length > 0 || this.#inflight !== null) return false
    return this.#parking.isElsewhere
  }

  settled(commit: FlowCommit, outcome: CommitOutcome): void {
    const changes = this.#inflight
    this.#inflight = null
    if (this.#ended || changes === null) return
    switch (outcome.kind) {
      case 'committed':
        this.#revision++
        this.#committed(commit, changes)
        return
      case 'fenced':
        this.#options.engine.forget(this.flowId, { abort: true })
        this.#end({ kind: 'fenced' })
        return
      case 'trashed':
        this.#options.engine.forget(this.flowId, { abort: true })
        this.#end({ kind: 'trashed', reason: outcome.reason })
        return
      case 'mail':
        this.#takeBack(commit, changes)
        return
    }
  }

  #committed(commit: FlowCommit, changes: Changes): void {
    const { onEvent } = this.#options
    if (onEvent !== undefined) for (const event of changes.told) onEvent(event)
    for (const told of changes.committed) told()
    if (commit.job !== undefined) {
      // What runs elsewhere is found by its next owner; an answer that came during this commit is given back to go there by mail.
      const isUncommitted = this.#changes.committed.length > 0
      if (this.#run.inflight > 0 || isUncommitted) this.#options.engine.forget(this.flowId)
      this.#end(this.#endOf(commit.job))
      return
    }
    for (const command of changes.prepared) this.#perform(command)
    if (this.#releasing && changes.prepared.length > 0) {
      this.#options.engine.handOver?.(this.flowId)
    }
    if (this.#isDirty()) this.#options.committer.enqueue(this)
    else if (this.#run.inflight > 0) this.#parking.watch()
  }

  #endOf(job: JobChange): DriveEnd {
    const { loaded } = this.#options
    return driveEndOf(job, {
      run: this.#run,
      loaded,
      output: this.#output,
      failures: this.#failures,
      isFaulty: this.#job !== null,
      isUntouched: this.#seq === loaded.job.historySeq,
    })
  }

  /** D5: mail came; nothing was written. The same changes are committed again when it was read. */
  #takeBack(commit: FlowCommit, changes: Changes): void {
    this.#changes = changes.followedBy(this.#changes)
    for (const { path } of commit.atoms) {
      const atom = this.#run.atoms.get(path)
      if (atom !== undefined) touchAtom(this.#run, atom)
    }
    for (const { path } of commit.scopes) {
      const scope = this.#run.scopes.get(path)
      if (scope !== undefined) touchScope(this.#run, scope)
    }
    this.#readMail()
  }

  #readMail(): void {
    const { clock, committer, logger, store } = this.#options
    store.mailOf(this.jobId).then(
      (mail) => {
        this.receive(mail)
        if (!this.#ended) committer.enqueue(this)
      },
      (error: unknown) => {
        if (this.#ended) return
        logger.warn({ error, job: this.jobId }, 'mail could not be read; trying again')
        this.#timers.set(
          'mail',
          clock.setTimer(() => this.#readMail(), clock.now() + 1000),
        )
      },
    )
  }

  /** Carries out what was committed (D1). */
  #perform(command: Prepared): void {
    switch (command.kind) {
      case 'dispatch':
        if (this.#ended || !this.#isStillWanted(command.request)) return
        this.#options.engine.dispatch(command.request, this.#listener)
        return
      case 'abort':
        this.#options.engine.abort(
          {
            jobId: this.jobId,
            flowId: this.flowId,
            atom: command.atom.path,
            direction: command.direction,
            call: command.call,
          },
          command.reason,
        )
        return
      case 'wait':
        this.#wait(command.path, command.dueAt)
        return
      case 'finish':
        return
    }
  }

  /** An answer may have come by mail before the call could be handed to the engine again. */
  #isStillWanted(request: CallRequest): boolean {
    if (!request.again) return true
    const atom = this.#run.atoms.get(request.atom)
    return atom !== undefined && isAwaited(this.#run, atom, request)
  }

  #wait(path: string, dueAt: number): void {
    const { clock } = this.#options
    this.#timers.get(path)?.()
    const cancel = clock.setTimer(() => {
      // A clock that was set back meanwhile: the machine would not take it, and would not be told again.
      if (clock.now() < dueAt) {
        this.#wait(path, dueAt)
        return
      }
      this.#timers.delete(path)
      this.#events.push({ kind: 'due', path })
      this.#pump()
    }, dueAt)
    this.#timers.set(path, cancel)
  }

  /** A fault of the flow or of Zagflow that nothing here can mend: kept for an operator, with its reason. */
  #trash(error: unknown): void {
    const failure = toFailure(error)
    this.#options.logger.error(
      { error, job: this.jobId },
      'the flow cannot go on; its job is trashed',
    )
    this.#options.engine.forget(this.flowId, { abort: true })
    this.#run.inflight = 0
    this.#changes.prepared = []
    this.#job = { state: 'TRASHED', reason: failure.message }
    this.#options.committer.enqueue(this)
  }

  #end(end: DriveEnd): void {
    this.#ended = true
    for (const cancel of this.#timers.values()) cancel()
    this.#timers.clear()
    this.#parking.end()
    this.#options.committer.forget(this)
    this.#options.onEnd(end)
  }
}

function jobVariable(loaded: LoadedFlow): JsonObject {
  const { job, detail } = loaded
  return {
    id: job.id,
    flow: job.flow,
    run: detail.run,
    priority: job.priority,
    labels: job.labels,
    scheduledFor: job.scheduledFor,
  }
}
