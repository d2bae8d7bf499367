/**
 * The flows that this conductor has claimed: being loaded, or driven.
 *
 * Invariants
 * F1  A job is here once. A new claim of it means that the old one is lost: that one is dropped first.
 * F2  A flow that is gone from here does nothing any more, whoever still holds it.
 * F3  How driving ended decides what becomes of the claim, and nothing else does: no error ends a job.
 */
import type { Json } from '../base/json.ts'
import type { Plan } from '../flow/compile.ts'
import { FlowDriver, type DriveEnd, type FlowEvent } from '../../engines/drive.ts'
import type { Committer } from '../../engines/committer.ts'
import type { Engine } from '../../engines/engine.ts'
import type { Claim, LoadedFlow, Store, StoredMail } from '../../persistence/store.ts'
import type { JobEvent } from './events.ts'
import type { GiveBack, Handover } from './handover.ts'
import type { ResolvedConductor } from './options.ts'
import type { StoreClock } from './store-clock.ts'

/** A claimed flow. */
export interface ClaimedFlow {
  readonly claim: Claim
  /** The flow's name, once it is known. */
  name: string
  driver: FlowDriver | null
  /** It is not ours any more. */
  isGone: boolean
  /** Told once when it goes. */
  onGone: (() => void) | null
}

export interface FlowsOptions {
  readonly resolved: ResolvedConductor
  readonly clock: StoreClock
  readonly committer: Committer
  readonly handover: Handover
  /** Told when there is room again. */
  readonly onRoom: () => void
}

export interface Mailbag {
  readonly count: number
  readonly mail: readonly StoredMail[]
}

const REVERT_FAILED = 'a revert failed'

export class Flows {
  readonly #options: FlowsOptions
  readonly #store: Pick<Store, 'results' | 'mailOf'>
  readonly #byJob = new Map<string, ClaimedFlow>()
  readonly #whenEmpty: (() => void)[] = []
  #isDraining = false

  constructor(options: FlowsOptions) {
    this.#options = options
    this.#store = options.resolved.store
  }

  get size(): number {
    return this.#byJob.size
  }

  /** Flows that wait for nothing but calls or times. */
  get isDraining(): boolean {
    return this.#isDraining
  }

  has(jobId: string): boolean {
    return this.#byJob.has(jobId)
  }

  /** Takes a claim in (F1). */
  add(claim: Claim): ClaimedFlow {
    const earlier = this.#byJob.get(claim.jobId)
    if (earlier !== undefined) this.#lose(earlier, 'it was claimed anew')
    const name = claim.adopted?.flow ?? ''
    const flow: ClaimedFlow = { claim, name, driver: null, isGone: false, onGone: null }
    this.#byJob.set(claim.jobId, flow)
    this.#tell(flow, { kind: 'claimed', epoch: claim.epoch })
    return flow
  }

  /** Lets a loaded flow go on. Throws when its rows and its document do not fit together. */
  begin(
    flow: ClaimedFlow,
    start: {
      readonly plan: Plan
      readonly loaded: LoadedFlow
      readonly mail: Mailbag
      readonly engine?: Engine | undefined
      /** Called once the first commit is done. */
      readonly onFirstCommit?: (() => void) | undefined
    },
  ): void {
    if (flow.isGone) return
    if (this.#isDraining) {
      this.giveBack(flow, { reason: 'its conductor stops' })
      return
    }
    const { resolved, clock, committer } = this.#options
    const driver = new FlowDriver({
      plan: start.plan,
      loaded: start.loaded,
      claim: flow.claim,
      store: this.#store,
      committer,
      engine: start.engine ?? resolved.engine,
      clock,
      logger: resolved.logger,
      onEvent: this.#listenerOf(flow.claim.jobId, start.onFirstCommit),
      onProgress: this.#progressOf(flow.claim.jobId),
      onEnd: (end) => this.#ended(flow, end),
      parkAfterMs: resolved.parkAfterMs,
    })
    flow.driver = driver
    driver.begin(start.mail)
  }

  /** Hands mail to a flow that is here and driven. */
  receive(jobId: string, mail: Mailbag): void {
    this.#byJob.get(jobId)?.driver?.receive(mail)
  }

  /** Gives a flow that is not driven back to the board. */
  giveBack(flow: ClaimedFlow, how: GiveBack & { readonly reason: string }): void {
    if (!this.#remove(flow)) return
    const { reason, delayMs = null } = how
    this.#tell(flow, { kind: 'released', reason, delayMs })
    void this.#options.handover.back([flow.claim], how)
  }

  /** The store has trashed a flow that is not driven. */
  trashed(flow: ClaimedFlow, reason: string): void {
    if (!this.#remove(flow)) return
    this.#options.handover.over(flow.claim)
    this.#tell(flow, { kind: 'trashed', reason, failures: [] })
  }

  /** The store says that a claim is another's. */
  fenced(flow: ClaimedFlow): void {
    if (!this.#remove(flow)) return
    this.#options.handover.abandon(flow.claim)
    this.#tell(flow, { kind: 'lost', reason: 'another conductor owns it' })
  }

  /** Claims are lost: stops their flows at once, and gives back what is still this conductor's. */
  lose(jobIds: readonly string[] | 'all', reason: string): void {
    const flows =
      jobIds === 'all'
        ? [...this.#byJob.values()]
        : jobIds.flatMap((jobId) => this.#byJob.get(jobId) ?? [])
    if (flows.length === 0) return
    this.#options.resolved.logger.warn(
      { reason, flows: flows.length },
      'claims are lost; their flows are dropped',
    )
    for (const flow of flows) this.#lose(flow, reason)
    void this.#options.handover.back(
      flows.map((flow) => flow.claim),
      { reason },
    )
  }

  /** Nothing new starts; flows go as soon as what runs in them has ended. */
  release(): void {
    this.#isDraining = true
    for (const flow of [...this.#byJob.values()]) flow.driver?.release()
  }

  /** What still runs is aborted. */
  abandon(): void {
    this.#isDraining = true
    for (const flow of [...this.#byJob.values()]) flow.driver?.abandon()
  }

  /** Stops everything at once, without a word to the store. */
  drop(): void {
    for (const flow of [...this.#byJob.values()]) this.#lose(flow, 'its conductor was aborted')
  }

  /** Resolves when there is none. */
  empty(): Promise<void> {
    if (this.#byJob.size === 0) return Promise.resolve()
    return new Promise((resolve) => this.#whenEmpty.push(resolve))
  }

  #lose(flow: ClaimedFlow, reason: string): void {
    if (!this.#remove(flow)) return
    flow.driver?.drop()
    this.#tell(flow, { kind: 'lost', reason })
  }

  /** F3. */
  #ended(flow: ClaimedFlow, end: DriveEnd): void {
    if (!this.#remove(flow)) return
    const { handover, resolved } = this.#options
    switch (end.kind) {
      case 'ended':
        handover.over(flow.claim)
        if (end.state === 'FAILURE') {
          const reason = end.reason ?? REVERT_FAILED
          this.#tell(flow, { kind: 'trashed', reason, failures: end.failures })
        } else {
          const { state, output, failures, reason } = end
          this.#tell(flow, { kind: 'completed', state, output, failures, reason })
        }
        return
      case 'parked':
        handover.over(flow.claim)
        this.#wakeAt(flow.claim.jobId, end.dueAt)
        this.#tell(flow, { kind: 'parked', parkedFor: end.parkedFor, dueAt: end.dueAt })
        return
      case 'released':
        handover.released(flow.claim)
        this.#tell(flow, { kind: 'released', reason: 'its conductor stops', delayMs: null })
        return
      case 'trashed':
        handover.over(flow.claim)
        this.#tell(flow, { kind: 'trashed', reason: end.reason, failures: [] })
        return
      case 'fenced':
      case 'dropped':
        resolved.logger.warn({ job: flow.claim.jobId }, 'the flow has another owner; dropped')
        handover.abandon(flow.claim)
        this.#tell(flow, { kind: 'lost', reason: 'another conductor owns it' })
    }
  }

  /** Whoever drives it next is to hear of it when it is due. */
  #wakeAt(jobId: string, dueAt: number | null): void {
    const { clock, resolved } = this.#options
    if (dueAt !== null) resolved.wakeups?.at(jobId, dueAt, Math.max(dueAt - clock.now(), 0))
  }

  #remove(flow: ClaimedFlow): boolean {
    if (flow.isGone) return false
    flow.isGone = true
    if (this.#byJob.get(flow.claim.jobId) === flow) this.#byJob.delete(flow.claim.jobId)
    flow.onGone?.()
    flow.onGone = null
    if (this.#byJob.size === 0) for (const resolve of this.#whenEmpty.splice(0)) resolve()
    this.#options.onRoom()
    return true
  }

  #listenerOf(
    job: string,
    onFirstCommit: (() => void) | undefined,
  ): ((event: FlowEvent) => void) | undefined {
    const { onEvent } = this.#options.resolved
    if (onFirstCommit === undefined) {
      return onEvent === undefined ? undefined : (event) => onEvent({ ...event, job })
    }
    let isFirst = true
    return (event) => {
      if (isFirst) {
        isFirst = false
        onFirstCommit()
      }
      onEvent?.({ ...event, job })
    }
  }

  #progressOf(
    job: string,
  ): ((atom: string, progress: number, details: Json | undefined) => void) | undefined {
    const { onProgress } = this.#options.resolved
    if (onProgress === undefined) return undefined
    return (atom, progress, details) => onProgress(job, atom, progress, details)
  }

  #tell(flow: ClaimedFlow, event: DistributiveOmit<JobEvent, 'job' | 'flow'>): void {
    const { onJob } = this.#options.resolved
    if (onJob === undefined) return
    onJob({ job: flow.claim.jobId, flow: flow.name, ...event })
  }
}

type DistributiveOmit<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never
