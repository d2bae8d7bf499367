/**
 * Posts the ticks of schedules. Every conductor may do it: each step of a schedule names the revision that it was decided from, and is one
 * transaction with the jobs of its ticks.
 *
 * Owns: one timer.
 *
 * Invariants
 * T1  What is due, what was missed and whether the last job has ended is said by the store, at one moment of its clock; what becomes of it is
 *     decided by `src/schedule`, and written only if nobody was faster.
 * T2  A schedule that cannot post (its flow is gone, its input does not fit) keeps its tick, says why, and is tried again; it holds up no other.
 * T3  On a board outside the store its jobs are POSTING: the transaction is the promise, and who puts them on the board may die.
 */
import { InvalidInputError, UnavailableError, ZagflowError } from '../base/errors.ts'
import { decide } from '../schedule/decide.ts'
import { parseSpec, type ScheduleSpec } from '../schedule/spec.ts'
import { ticksOf } from '../schedule/ticks.ts'
import type {
  DueSchedules,
  ScheduleChange,
  ScheduleRecord,
  ScheduleStep,
} from '../../persistence/schedule-store.ts'
import type { JobRecord, PostRequest } from '../../persistence/store.ts'
import { ScheduledFlows, tickRequest } from '../posting/scheduled-flows.ts'
import { TaskRegistry } from '../worker/registry.ts'
import type { Handover } from './handover.ts'
import { Loop } from './loop.ts'
import type { ResolvedConductor } from './options.ts'
import type { StoreClock } from './store-clock.ts'

/** Schedules that are looked at at once. */
const DUE_AT_ONCE = 200
/** Jobs of one transaction: others wait for it. */
const POSTS_AT_ONCE = 200
/** How soon a schedule of another process is noticed. */
const LOOK_EVERY_MS = { memory: 250, sqlite: 500, postgres: 1000 }
/** The same while ticks wait for the end of a job, which may end in another process. */
const WAIT_EVERY_MS = { memory: 50, sqlite: 100, postgres: 250 }
/** Jobs that are put on a board outside the store without asking who leads: a few, for speed. */
const SHOWN_AT_ONCE = 20
/** When what could not be posted is tried again. */
const RETRY_MS = 10_000

export interface SchedulesOptions {
  readonly resolved: ResolvedConductor
  readonly clock: StoreClock
  readonly handover: Pick<Handover, 'post'>
  readonly onClaimable: () => void
  /** Not while the store is away, nor without a lease. */
  readonly isAllowed: () => boolean
}

type Due = DueSchedules['due'][number]

export class Schedules {
  readonly #options: SchedulesOptions
  readonly #resolved: ResolvedConductor
  readonly #flows: ScheduledFlows
  readonly #loop: Loop
  /** Jobs on their way to a board outside the store. */
  readonly #showing = new Set<Promise<unknown>>()
  #waits = false
  #unlisten: () => void = () => {}

  constructor(options: SchedulesOptions) {
    this.#options = options
    this.#resolved = options.resolved
    const { store, board, registry, clock } = options.resolved
    const here = registry ?? new TaskRegistry()
    this.#flows = new ScheduledFlows({ store, board: board.name, here })
    this.#loop = new Loop(clock, () => this.#guarded())
  }

  start(): void {
    const { store, board } = this.#resolved
    this.#unlisten = store.onHint((hint) => {
      if (hint.kind === 'schedule' && hint.board === board.name) this.#loop.poke()
    })
    this.#loop.start()
  }

  /** A job has ended here: a tick may have waited for it. */
  jobEnded(): void {
    if (this.#waits) this.#loop.poke()
  }

  async stop(): Promise<void> {
    this.#unlisten()
    await this.#loop.stop()
    await Promise.all(this.#showing)
  }

  async #guarded(): Promise<number> {
    try {
      if (this.#options.isAllowed()) return await this.#post()
    } catch (error) {
      this.#resolved.logger.warn({ error }, 'could not post ticks of schedules; trying again')
    }
    return 1000
  }

  async #post(): Promise<number> {
    const { store, board } = this.#resolved
    const { now, due, nextAt, waits } = await store.dueSchedules(board.name, DUE_AT_ONCE)
    this.#waits = waits
    if (due.length === 0) return this.#pause(nextAt)
    let steps: ScheduleStep[] = []
    let posts = 0
    for (const one of due) {
      const step = await this.#step(one, now)
      if (posts + step.posts.length > POSTS_AT_ONCE && steps.length > 0) {
        await this.#take(steps, now)
        steps = []
        posts = 0
      }
      steps.push(step)
      posts += step.posts.length
    }
    await this.#take(steps, now)
    return due.length === DUE_AT_ONCE ? 0 : 5
  }

  #pause(nextAt: number | null): number {
    const { kind } = this.#resolved.store
    const lookMs = this.#waits ? WAIT_EVERY_MS[kind] : LOOK_EVERY_MS[kind]
    if (nextAt === null) return lookMs
    return Math.min(lookMs, Math.max(nextAt - this.#options.clock.now(), 5))
  }

  /** What a schedule does now. */
  async #step({ schedule, isBusy }: Due, now: number): Promise<ScheduleStep> {
    try {
      return await this.#decided(schedule, isBusy, now)
    } catch (error) {
      // Anything else is the store, or a fault of ours: the loop tries again.
      if (!(error instanceof ZagflowError) || error instanceof UnavailableError) throw error
      return this.#failed(schedule, error, now)
    }
  }

  async #decided(schedule: ScheduleRecord, isBusy: boolean, now: number): Promise<ScheduleStep> {
    const { board, logger } = this.#resolved
    const { name, revision, nextAt, queued, missedBefore } = schedule
    const spec = this.#spec(schedule)
    const ticks = ticksOf(spec, schedule.anchorAt)
    const decision = decide(spec, ticks, { nextAt, queued, missedBefore, isBusy }, now)
    const { post, skipped, missed } = decision
    const change: ScheduleChange = {
      nextAt: decision.nextAt,
      dueAt: decision.nextAt,
      queued: decision.queued,
      // More of the same ticks follow at once.
      missedBefore: decision.nextAt !== null && decision.nextAt <= now ? missedBefore : null,
      posted: schedule.posted + post.length,
      skipped: schedule.skipped + skipped,
      missed: schedule.missed + missed,
      problem: null,
    }
    if (skipped + missed > 0) {
      logger.info({ schedule: name, skipped, missed }, 'ticks of a schedule were given up')
    }
    if (post.length === 0) return { name, revision, change, posts: [] }
    const flow = await this.#flows.of(schedule)
    const state = board.outsideStore ? 'POSTING' : 'UNCLAIMED' // T3
    let previous = schedule.lastTickAt
    const posts: PostRequest[] = []
    for (const tick of post) {
      posts.push(tickRequest(flow, { board: board.name, name, spec, tick, previous, state }))
      previous = tick
    }
    const job = { lastTickAt: previous, lastJobId: posts.at(-1)?.id ?? schedule.lastJobId }
    const documents = { source: flow.sourceHash, document: flow.documentHash }
    return { name, revision, change: { ...change, ...job, ...documents }, posts }
  }

  /** T2. */
  #failed({ name, revision, problem }: ScheduleRecord, error: Error, now: number): ScheduleStep {
    const { message } = error
    if (problem !== message) {
      this.#resolved.logger.error({ schedule: name, error }, 'a schedule cannot post')
    }
    return { name, revision, change: { problem: message, dueAt: now + RETRY_MS }, posts: [] }
  }

  /** Writes steps, and puts their jobs where conductors see them. */
  async #take(steps: readonly ScheduleStep[], now: number): Promise<void> {
    const { store, board, logger } = this.#resolved
    let taken: readonly (readonly JobRecord[] | null)[]
    try {
      taken = await store.stepSchedules(board.name, steps)
    } catch (error) {
      if (!(error instanceof InvalidInputError)) throw error
      const [only] = steps
      if (only === undefined) return
      // The database refused a row: one schedule is to blame, and holds up no other.
      if (steps.length > 1) {
        for (const step of steps) await this.#take([step], now)
        return
      }
      logger.error({ schedule: only.name, error }, 'a schedule cannot post')
      const change = { problem: error.message, dueAt: now + RETRY_MS }
      await store.stepSchedules(board.name, [{ ...only, change, posts: [] }])
      return
    }
    const jobs = taken.flatMap((posted) => posted ?? [])
    if (jobs.length === 0) return
    logger.debug({ jobs: jobs.length }, 'posted ticks of schedules')
    this.#show([...jobs].sort(byClaimOrder))
    this.#options.onClaimable()
  }

  /** T3. Not waited for: a board that is away holds up no tick. Many are left to the leader of the fleet, who knows whose turn it is. */
  #show(jobs: readonly JobRecord[]): void {
    if (!this.#resolved.board.outsideStore || jobs.length > SHOWN_AT_ONCE) return
    const shown: Promise<unknown> = this.#options.handover.post(jobs).then(
      () => this.#showing.delete(shown),
      (error: unknown) => {
        this.#showing.delete(shown)
        this.#resolved.logger.debug({ error }, 'the board could not be told of scheduled jobs yet')
      },
    )
    this.#showing.add(shown)
  }

  /** A row may be of a newer version. */
  #spec({ spec, name }: ScheduleRecord): ScheduleSpec {
    return parseSpec(spec, `the schedule "${name}"`)
  }
}

function byClaimOrder(a: JobRecord, b: JobRecord): number {
  return b.priority - a.priority || a.createdAt - b.createdAt || (a.id < b.id ? -1 : 1)
}
