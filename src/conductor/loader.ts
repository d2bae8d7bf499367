/**
 * From claims to running flows: loads in batches, compiles, refuses what cannot be run here.
 *
 * Owns: the claims that wait to be loaded, and one loop.
 *
 * Invariants
 * O1  Flows whose last claim ended in disorder are on probation: marked in the store, then loaded apart from all others, which
 *     wait. The mark stays until the first answer is recorded (its calls run in this process), at most `probationMs`. Only a death
 *     under the mark counts.
 * O2  Who was never near a death is loaded with others like it, so that the recovery of thousands is no single file: 32 at
 *     once, then 8, then alone. The deaths that make `maxDeaths` are therefore its own.
 * O3  Fewest deaths come first, and who has several is let in only when the conductor has lived for a while: a conductor that is killed
 *     from outside, again and again, convicts nobody.
 * O4  An error of a document trashes its job with the reason; an error of the store is tried again and ends no job.
 */
import { UnavailableError } from '../base/errors.ts'
import { toFailure } from '../base/failure.ts'
import { RESOLVED_FORMAT, SEMANTICS } from '../flow/resolved.ts'
import type { Committer } from '../../engines/committer.ts'
import { deathsReason } from '../../persistence/rules.ts'
import type { LoadedFlow } from '../../persistence/store.ts'
import type { Deferrals } from './deferrals.ts'
import type { ClaimedFlow, Flows, Mailbag } from './flows.ts'
import { Gate } from './gate.ts'
import type { ResolvedConductor } from './options.ts'
import type { KnownPlan, PlanCache } from './plans.ts'
import type { Repeater } from './repeat.ts'
import { trashUndriven } from './trash.ts'

export interface LoaderOptions {
  readonly resolved: ResolvedConductor
  readonly committer: Committer
  readonly repeater: Repeater
  readonly plans: PlanCache
  readonly flows: Flows
  readonly deferrals: Deferrals
}

/** Flows loaded by one query. */
const BATCH = 100
/** More than so many mailboxes are read by one query. */
const MAILBOXES = 4
/** O2: sizes by deaths so far. */
const GROUPS = [32, 8]
/** O3: ages of the conductor by deaths so far. */
const MIN_AGES_MS = [0, 0, 1000, 2000, 4000]
const LOOK_AGAIN_MS = 50

type Ready =
  | { readonly kind: 'run'; readonly known: KnownPlan; readonly loaded: LoadedFlow }
  | { readonly kind: 'no' }

export class Loader {
  readonly #options: LoaderOptions
  readonly #ordinary: ClaimedFlow[] = []
  #suspects: ClaimedFlow[] = []
  #running: Promise<void> | null = null
  #stopped = false
  readonly #bornAt = performance.now()

  constructor(options: LoaderOptions) {
    this.#options = options
  }

  /** Takes claims to load. */
  add(flows: readonly ClaimedFlow[]): void {
    for (const flow of flows) {
      const list = flow.claim.adopted?.disorder === true ? this.#suspects : this.#ordinary
      list.push(flow)
    }
    this.#running ??= this.#loop().finally(() => {
      this.#running = null
    })
  }

  /** Gives back what is not being loaded yet; resolves when nothing is. */
  async stop(): Promise<void> {
    this.#stopped = true
    for (const flow of [...this.#ordinary.splice(0), ...this.#suspects.splice(0)]) {
      this.#options.flows.giveBack(flow, { reason: 'its conductor stops' })
    }
    await this.#running
  }

  async #loop(): Promise<void> {
    while (!this.#stopped && this.#ordinary.length + this.#suspects.length > 0) {
      const group = this.#nextGroup()
      if (group.length > 0) await this.#guarded(group, () => this.#probe(group))
      while (!this.#stopped && this.#ordinary.length > 0) {
        const batch = this.#ordinary.splice(0, BATCH)
        await this.#guarded(batch, () => this.#load(batch))
      }
      // O3: those that are left are not let in yet.
      if (group.length === 0 && this.#suspects.length > 0)
        await this.#options.repeater.pause(LOOK_AGAIN_MS)
    }
  }

  /** A fault of ours must not stop the loop: who was not begun goes back to the board for a while. */
  async #guarded(batch: readonly ClaimedFlow[], run: () => Promise<void>): Promise<void> {
    const { flows, deferrals, resolved } = this.#options
    try {
      await run()
    } catch (error) {
      resolved.logger.error({ error, flows: batch.length }, 'flows could not be loaded')
      const reason = toFailure(error).message
      for (const flow of batch) {
        if (flow.driver !== null) continue
        flows.giveBack(flow, { reason, delayMs: deferrals.delayOf(flow.claim.jobId) })
      }
    }
  }

  async #load(batch: readonly ClaimedFlow[]): Promise<void> {
    const ready = await this.#fetch(batch)
    for (const [at, flow] of batch.entries()) {
      const { decision, mail } = ready[at] ?? {}
      if (decision?.kind !== 'run' || mail === undefined) continue
      await this.#begin(flow, decision.loaded, { plan: decision.known.plan, mail })
    }
  }

  /** O4: rows that do not fit their document are an error of the job. */
  async #begin(
    flow: ClaimedFlow,
    loaded: LoadedFlow,
    start: Omit<Parameters<Flows['begin']>[1], 'loaded'>,
  ): Promise<void> {
    try {
      this.#options.flows.begin(flow, { ...start, loaded })
    } catch (error) {
      this.#options.resolved.logger.error({ error, job: loaded.job.id }, 'a flow cannot go on')
      await this.#trash(flow, loaded, toFailure(error).message)
    }
  }

  /** O2, O3. Empty: there is none, or none may be let in yet. */
  #nextGroup(): readonly ClaimedFlow[] {
    this.#suspects = this.#suspects.filter((flow) => !flow.isGone)
    if (this.#suspects.length === 0) return []
    const deaths = Math.min(...this.#suspects.map(deathsOf))
    const { maxDeaths } = this.#options.resolved
    const ageMs = deaths >= maxDeaths ? Infinity : performance.now() - this.#bornAt
    if (ageMs < (MIN_AGES_MS[Math.min(deaths, MIN_AGES_MS.length - 1)] ?? Infinity)) return []
    const size = deaths < maxDeaths - 1 ? (GROUPS[deaths] ?? 1) : 1
    const group: ClaimedFlow[] = []
    const rest: ClaimedFlow[] = []
    for (const flow of this.#suspects) {
      if (group.length < size && deathsOf(flow) === deaths) group.push(flow)
      else rest.push(flow)
    }
    this.#suspects = rest
    return group
  }

  /** O1. */
  async #probe(group: readonly ClaimedFlow[]): Promise<void> {
    const { store, clock, probationMs } = this.#options.resolved
    const { repeater, flows } = this.#options
    const mark = (flow: ClaimedFlow) =>
      repeater.untilDone('marking a flow on probation', () => store.beginProbation(flow.claim))
    const marked: ClaimedFlow[] = []
    await Promise.all(
      group.map(async (flow) => {
        if (flow.isGone) return
        const isOurs = await mark(flow)
        if (isOurs === true) marked.push(flow)
        else if (isOurs === false) flows.fenced(flow)
      }),
    )
    const ready = await this.#fetch(marked)
    const open = new Set<ClaimedFlow>()
    let allClosed = (): void => {}
    const over = new Promise<void>((resolve) => (allClosed = resolve))
    for (const [at, flow] of marked.entries()) {
      const { decision, mail } = ready[at] ?? {}
      if (decision?.kind !== 'run' || mail === undefined || flow.isGone) continue
      open.add(flow)
      const close = (): void => {
        open.delete(flow)
        if (open.size === 0) allClosed()
      }
      const gate = new Gate({
        engine: this.#options.resolved.engine,
        mark: async () => {
          if (this.#options.resolved.engine.replyTo !== undefined) return true // workers die of it
          const isOurs = await mark(flow)
          if (isOurs === false) flows.fenced(flow)
          return isOurs === true
        },
        onAnswer: close,
      })
      flow.onGone = close
      // A commit is told to listeners first, then its calls are dispatched: look after both.
      const onFirstCommit = (): void => {
        queueMicrotask(() => {
          if (!gate.isUsed || gate.replyTo !== undefined) close()
        })
      }
      const { loaded, known } = decision
      await this.#begin(flow, loaded, { plan: known.plan, mail, engine: gate, onFirstCommit })
    }
    if (open.size === 0) return
    const cancel = clock.setTimer(allClosed, clock.now() + probationMs)
    await over
    cancel()
    // What still runs is not alone from here on: a death would say nothing about it.
    for (const flow of open) {
      flow.onGone = null
      flow.driver?.checkpoint()
    }
  }

  /** Reads and judges; what cannot be run here is settled, and is `no`. */
  async #fetch(
    batch: readonly ClaimedFlow[],
  ): Promise<readonly { readonly decision: Ready; readonly mail: Mailbag }[]> {
    const { store } = this.#options.resolved
    const { repeater } = this.#options
    const ids = batch.filter((flow) => !flow.isGone).map((flow) => flow.claim.jobId)
    const rows = await repeater.untilDone('loading flows', async () => {
      const loaded = await store.load(ids)
      return { loaded, mail: await this.#mailOf(loaded) }
    })
    const nobody = { decision: { kind: 'no' }, mail: { count: 0, mail: [] } } as const
    if (rows === undefined) return batch.map(() => nobody)
    const byId = new Map(rows.loaded.map((loaded) => [loaded.job.id, loaded]))
    return Promise.all(
      batch.map(async (flow) => {
        if (flow.isGone) return nobody
        const loaded = byId.get(flow.claim.jobId)
        const mail = rows.mail.get(flow.claim.jobId) ?? { count: loaded?.job.mail ?? 0, mail: [] }
        return { decision: await this.#judge(flow, loaded, mail), mail }
      }),
    )
  }

  async #mailOf(loaded: readonly LoadedFlow[]): Promise<ReadonlyMap<string, Mailbag>> {
    const { store, id } = this.#options.resolved
    const wanted = loaded.filter(({ job }) => job.mail > 0).map(({ job }) => job.id)
    const bags = new Map<string, Mailbag>()
    if (wanted.length <= MAILBOXES) {
      for (const jobId of wanted) bags.set(jobId, await store.mailOf(jobId))
      return bags
    }
    const counts = new Map(loaded.map(({ job }) => [job.id, job.mail]))
    for (const piece of await store.readMail(id)) {
      const bag = bags.get(piece.jobId)
      const count = Math.max(bag?.count ?? counts.get(piece.jobId) ?? 0, piece.count)
      bags.set(piece.jobId, { count, mail: [...(bag?.mail ?? []), piece] })
    }
    return bags
  }

  async #judge(flow: ClaimedFlow, loaded: LoadedFlow | undefined, mail: Mailbag): Promise<Ready> {
    const { flows, deferrals, resolved } = this.#options
    if (loaded === undefined || !isOurs(flow, loaded)) {
      flows.fenced(flow)
      return { kind: 'no' }
    }
    flow.name = loaded.job.flow
    const newer = whyNewer(loaded)
    if (newer !== null) {
      const delayMs = deferrals.delayOf(flow.claim.jobId)
      resolved.logger.warn({ job: loaded.job.id, delayMs }, newer)
      flows.giveBack(flow, { reason: newer, delayMs })
      return { kind: 'no' }
    }
    if (loaded.job.probationDeaths >= resolved.maxDeaths) {
      await this.#trash(flow, loaded, deathsReason(loaded.job.probationDeaths))
      return { kind: 'no' }
    }
    const known = await this.#plan(loaded)
    if (known === undefined) return { kind: 'no' }
    if (known instanceof Error) {
      await this.#trash(flow, loaded, toFailure(known).message)
      return { kind: 'no' }
    }
    const missing = this.#missing(known)
    const canEnd = loaded.detail.state === 'PENDING' && mail.mail.some((m) => m.kind === 'cancel')
    if (missing.length > 0 && !canEnd) {
      await this.#leave(flow, missing)
      return { kind: 'no' }
    }
    return { kind: 'run', known, loaded }
  }

  /** O4. Undefined: the conductor stopped meanwhile. */
  #plan(loaded: LoadedFlow): Promise<KnownPlan | Error | undefined> {
    const { plans, repeater } = this.#options
    return repeater.untilDone('reading a document', async () => {
      try {
        return await plans.get(loaded.detail.document)
      } catch (error) {
        if (error instanceof UnavailableError) throw error
        return error instanceof Error ? error : new Error(String(error))
      }
    })
  }

  /** Names of tasks and strategies that this process does not have. */
  #missing(known: KnownPlan): readonly string[] {
    const { registry } = this.#options.resolved
    if (registry === undefined) return []
    const missing = [...known.tasks].filter((name) => registry.find(name) === undefined)
    if (known.strategies.size === 0) return missing
    const strategies = registry.strategies
    return [...missing, ...[...known.strategies].filter((name) => !strategies.has(name))]
  }

  async #leave(flow: ClaimedFlow, missing: readonly string[]): Promise<void> {
    const { deferrals, flows, repeater } = this.#options
    const { jobId } = flow.claim
    const delayMs = await repeater.untilDone('looking who serves a task', () =>
      deferrals.delayWithout(jobId, missing),
    )
    const names = missing.length === 1 ? `task ${missing[0]}` : `tasks ${missing.join(', ')}`
    const reason = `no conductor that took it serves ${names}: start \`zagflow conductor --tasks …\``
    flows.giveBack(flow, { reason, delayMs: delayMs ?? 0 })
  }

  async #trash(flow: ClaimedFlow, loaded: LoadedFlow, reason: string): Promise<void> {
    const { committer, repeater, flows, resolved } = this.#options
    resolved.logger.error({ job: loaded.job.id, reason }, 'the job cannot be run; it is trashed')
    const tools = { committer, repeater, store: resolved.store }
    const how = await trashUndriven(tools, flow.claim, loaded, reason)
    if (how === 'trashed') flows.trashed(flow, reason)
    else if (how === 'fenced') flows.fenced(flow)
  }
}

function deathsOf(flow: ClaimedFlow): number {
  return flow.claim.adopted?.probationDeaths ?? 0
}

function isOurs(flow: ClaimedFlow, { job }: LoadedFlow): boolean {
  const { claim } = flow
  return job.state === 'CLAIMED' && job.epoch === claim.epoch && job.claimId === claim.claimId
}

/** Runs of a newer version are left to conductors that know it. */
function whyNewer({ detail }: LoadedFlow): string | null {
  if (detail.format <= RESOLVED_FORMAT && detail.semantics <= SEMANTICS) return null
  return (
    `it needs a newer conductor: its format is ${detail.format} and its semantics ${detail.semantics}; ` +
    `this one runs format ${RESOLVED_FORMAT} and semantics ${SEMANTICS}`
  )
}
