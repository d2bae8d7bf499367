import { ConflictError, NotFoundError } from '../base/errors.ts'
import { nextTicks, ticksOf } from '../schedule/ticks.ts'
import type { ScheduleChange, ScheduleRecord } from '../../persistence/schedule-store.ts'
import type { JobSummary, Store } from '../../persistence/store.ts'
import { subjectOf } from './schedule-spec.ts'

/** Whether a schedule ticks: `ended`, it has no tick left. */
export type ScheduleState = 'active' | 'paused' | 'ended'

/** How a schedule stands. Times in epoch ms. */
export interface ScheduleStatus extends ScheduleRecord {
  readonly state: ScheduleState
}

/** What became of a schedule that was given. */
export type ScheduleOutcome = 'added' | 'changed' | 'same'

/** @internal What a handle needs of its connection. */
export interface ScheduleHost {
  readonly store: Store
  readonly board: { readonly name: string }
}

/** A handle of one schedule: see {@link Zagflow.schedule}. */
export class Schedule {
  readonly name: string
  /** What `schedule()` did; undefined for the handle of one that was there. */
  readonly outcome: ScheduleOutcome | undefined
  readonly #host: ScheduleHost

  /** @internal */
  constructor(host: ScheduleHost, name: string, outcome?: ScheduleOutcome) {
    this.#host = host
    this.name = name
    this.outcome = outcome
  }

  /** How it stands. Throws {@link NotFoundError} once it was removed. */
  async status(): Promise<ScheduleStatus> {
    return scheduleStatus(await findSchedule(this.#host, this.name))
  }

  /** The next ticks, in epoch ms; none if it has ended. A paused one has those that it would have. @param count 1 to 1,000 */
  async nextTicks(count = 5): Promise<readonly number[]> {
    const record = await findSchedule(this.#host, this.name)
    return upcomingTicks(record, await this.#host.store.now(), count)
  }

  /** Jobs of its ticks, the newest tick first; those that were pruned are gone. @param limit 1 to 10,000 */
  async jobs(limit = 20): Promise<readonly JobSummary[]> {
    const { store, board } = this.#host
    return store.scheduleJobs(board.name, this.name, limit)
  }

  /** No tick until it is resumed; jobs that it posted go on. Again is fine. */
  async pause(): Promise<void> {
    await this.#change(({ paused }) => (paused ? undefined : { paused: true, dueAt: null }))
  }

  /** It ticks again; what becomes of the ticks in between is said by its `catchUp`. */
  async resume(): Promise<void> {
    await this.#change(({ paused, nextAt, queued }, now) => {
      if (!paused) return undefined
      const dueAt = nextAt ?? (queued.length > 0 ? now : null)
      return { paused: false, missedBefore: now, dueAt, problem: null }
    })
  }

  /** Begins anew from now: what is due, missed or queued is forgotten, and `every` without `start` counts from now. */
  async reset(): Promise<void> {
    await this.#change(({ spec, paused }, now) => {
      const anchorAt = anchorOf(now)
      const nextAt = ticksOf(spec, anchorAt).after(now)
      const dueAt = paused ? null : nextAt
      return { anchorAt, nextAt, dueAt, queued: [], missedBefore: null, problem: null }
    })
  }

  /** Removes it; jobs that it posted stay, and go on. Whether it was there. */
  async remove(): Promise<boolean> {
    const { store, board } = this.#host
    return store.removeSchedule(board.name, this.name)
  }

  async #change(
    change: (record: ScheduleRecord, now: number) => ScheduleChange | undefined,
  ): Promise<void> {
    const { store } = this.#host
    await untilTaken(this.name, async () => {
      const record = await findSchedule(this.#host, this.name)
      const changed = change(record, await store.now())
      return changed === undefined || (await store.changeSchedule(record, changed)) !== null
    })
  }
}

/** What `every` counts from: whole seconds, which people can read. */
export function anchorOf(now: number): number {
  return Math.floor(now / 1000) * 1000
}

/** Its next ticks after `now`. */
export function upcomingTicks(
  record: ScheduleRecord,
  now: number,
  count: number,
): readonly number[] {
  if (record.nextAt === null) return []
  return nextTicks(ticksOf(record.spec, record.anchorAt), now, count)
}

export function scheduleStatus(record: ScheduleRecord): ScheduleStatus {
  const { paused, nextAt, queued } = record
  const hasEnded = nextAt === null && queued.length === 0
  return { ...record, state: hasEnded ? 'ended' : paused ? 'paused' : 'active' }
}

/** The row of a schedule. Throws {@link NotFoundError}. */
export async function findSchedule(
  { store, board }: ScheduleHost,
  name: string,
): Promise<ScheduleRecord> {
  const record = await store.schedule(board.name, name)
  if (record !== null) return record
  const candidates = (await store.schedules(board.name)).map((one) => one.name)
  throw new NotFoundError('schedule', name, { candidates })
}

/** Ticks change a schedule too, so that one who changes it may have to look again. */
const TRIES = 50

/** Tries until a change was made from what stood. Throws {@link ConflictError} where others are always faster. */
export async function untilTaken(name: string, change: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < TRIES; tries++) if (await change()) return
  throw new ConflictError(subjectOf(name), 'it was changed by others all the time', {
    hint: 'try again',
  })
}
