/**
 * When a flow leaves this process, and what becomes of its job: it has come to an end, cannot go on, is given back, or only waits.
 *
 * Owns: the end that it came to, the wish to give it back, and when it is parked.
 *
 * Invariants
 * L1  A flow is given back or parked only when the machine was told all that came, and nothing is to be handed to the engine.
 * L2  With calls in flight it leaves only while they are elsewhere and the rows say so: whoever owns it next finds them there.
 */
import { isFinal, type FlowState } from '../../src/machine/states.ts'
import type { AtomFailure, FlowChange, JobChange } from '../../persistence/store.ts'
import type { Driven } from './driven.ts'
import type { DriveEnd } from './drive-types.ts'
import { driveEndOf, flowChange, jobChangeOf, standingFailures } from './flow-report.ts'
import type { Inbox } from './inbox.ts'
import { Parking } from './parking.ts'
import type { Transitions } from './transitions.ts'

/** What leaving depends on, besides the flow. */
export interface LeavingParts {
  readonly inbox: Inbox
  readonly transitions: Transitions
  /** Whether there is nothing to be committed, under way or to be carried out. */
  readonly isQuiet: () => boolean
  /** Asks for a commit: the flow is to be parked with it. */
  readonly onWish: () => void
}

export class Leaving {
  readonly #flow: Driven
  readonly #inbox: Inbox
  readonly #transitions: Transitions
  readonly #parking: Parking
  #finished: FlowState | null = null
  #fault: JobChange | null = null
  #isReleasing = false
  #failures: readonly AtomFailure[] = []

  constructor(flow: Driven, { inbox, transitions, isQuiet, onWish }: LeavingParts) {
    const { engine, clock, parkAfterMs } = flow.options
    this.#flow = flow
    this.#inbox = inbox
    this.#transitions = transitions
    this.#parking = new Parking({
      run: flow.run,
      flowId: flow.flowId,
      engine,
      clock,
      parkAfterMs,
      isQuiet,
      onWish,
    })
  }

  /** Nothing new is to start here: it is being given back. */
  get isReleasing(): boolean {
    return this.#isReleasing
  }

  /** A commit would let it leave, even if nothing else has changed. */
  get isWanted(): boolean {
    return (
      this.#finished !== null ||
      this.#fault !== null ||
      this.#parking.isWished ||
      (this.#isReleasing && (this.#flow.run.inflight === 0 || this.#isElsewhere()))
    )
  }

  /** The machine says that it stands in its last state, or is suspended. */
  finish(state: FlowState): void {
    this.#finished = state
  }

  /** It cannot go on: its job is kept for an operator. */
  trash(reason: string): void {
    this.#fault = { state: 'TRASHED', reason }
  }

  /** It is to be given back. */
  release(): void {
    this.#isReleasing = true
  }

  /** Something was committed, and calls are in flight: the flow may be parked while they last. */
  watch(): void {
    this.#parking.watch()
  }

  /** The commit was formed that this had asked for. */
  taken(): void {
    this.#parking.taken()
  }

  end(): void {
    this.#parking.end()
  }

  /** What becomes of the job with the commit that is being formed: nothing, while the flow goes on here. */
  jobChange(): JobChange | null {
    const { run, events, changes } = this.#flow
    const job = this.#fault ?? jobChangeOf(this.#finished, this.#inbox.isResumed)
    if (job !== null) return job
    if (events.length > 0 || this.#inbox.hasLetters) return null
    if (run.inflight > 0) {
      const isWanted = this.#isReleasing || this.#parking.isWished
      if (!isWanted || !this.#isElsewhere()) return null
    }
    if (this.#isReleasing) return { state: 'UNCLAIMED' }
    if (changes.hasDispatch) return null
    return this.#parking.change()
  }

  /** The change of the flow's own row. */
  flowChange(): FlowChange {
    const { run, values, options } = this.#flow
    if (isFinal(run.state)) this.#failures = standingFailures(run)
    const isFirst = options.loaded.detail.startedAt === null
    return flowChange(run, { output: values.output, failures: this.#failures }, isFirst)
  }

  /** How driving ended, once this change of the job is committed. */
  endOf(job: JobChange): DriveEnd {
    const { run, values, options } = this.#flow
    return driveEndOf(job, {
      run,
      loaded: options.loaded,
      output: values.output,
      failures: this.#failures,
      isFaulty: this.#fault !== null,
      isUntouched: this.#transitions.lastSeq === options.loaded.job.historySeq,
    })
  }

  /** L2. */
  #isElsewhere(): boolean {
    const { changes } = this.#flow
    if (changes.prepared.length > 0 || changes.isUnderWay) return false
    return this.#parking.isElsewhere
  }
}
