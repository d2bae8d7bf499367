/** Schedules in this process's memory, by the rules C1–C4 of `../schedule-store.ts`. */
import {
  newScheduleRecord,
  type DueSchedules,
  type NewSchedule,
  type ScheduleChange,
  type ScheduleRecord,
} from '../schedule-store.ts'

export class ScheduleRecords {
  /** By board, then name. */
  readonly #boards = new Map<string, Map<string, ScheduleRecord>>()

  add(schedule: NewSchedule, now: number): ScheduleRecord | null {
    const board = this.#board(schedule.board)
    if (board.has(schedule.name)) return null
    const record = newScheduleRecord(schedule, now)
    board.set(record.name, record)
    return record
  }

  /** C1. */
  change(
    place: { readonly board: string; readonly name: string; readonly revision: number },
    change: ScheduleChange,
    now: number,
  ): ScheduleRecord | null {
    const there = this.find(place.board, place.name)
    if (there?.revision !== place.revision) return null
    const record = { ...there, ...change, revision: there.revision + 1, updatedAt: now }
    this.#board(place.board).set(place.name, record)
    return record
  }

  remove(board: string, name: string, revision: number | undefined): boolean {
    const there = this.find(board, name)
    if (there === null || (revision !== undefined && there.revision !== revision)) return false
    return this.#board(board).delete(name)
  }

  find(board: string, name: string): ScheduleRecord | null {
    return this.#boards.get(board)?.get(name) ?? null
  }

  list(board: string, group?: string): readonly ScheduleRecord[] {
    return [...(this.#boards.get(board)?.values() ?? [])]
      .filter((one) => group === undefined || one.group === group)
      .sort((a, b) => (a.name < b.name ? -1 : 1))
  }

  due(
    board: string,
    limit: number,
    now: number,
    isBusy: (jobId: string | null) => boolean,
  ): DueSchedules {
    const active = this.list(board).filter(({ paused }) => !paused)
    const due = active
      .map((schedule) => ({ schedule, isBusy: isBusy(schedule.lastJobId) }))
      .filter(({ schedule, isBusy: busy }) => {
        const waited = schedule.queued.length > 0 && schedule.problem === null
        return isDue(schedule, now) || (waited && !busy)
      })
      .sort((a, b) => (a.schedule.dueAt ?? Infinity) - (b.schedule.dueAt ?? Infinity))
    const times = active.flatMap(({ dueAt }) => dueAt ?? [])
    return {
      now,
      due: due.slice(0, limit),
      nextAt: times.length === 0 ? null : times.reduce((a, b) => Math.min(a, b)),
      waits: active.some(({ queued }) => queued.length > 0),
    }
  }

  /** Hashes of documents that schedules name. */
  *documents(): Iterable<string> {
    for (const board of this.#boards.values()) {
      for (const { source, document } of board.values()) {
        yield source
        yield document
      }
    }
  }

  #board(name: string): Map<string, ScheduleRecord> {
    let board = this.#boards.get(name)
    if (board === undefined) this.#boards.set(name, (board = new Map<string, ScheduleRecord>()))
    return board
  }
}

function isDue({ dueAt }: ScheduleRecord, now: number): boolean {
  return dueAt !== null && dueAt <= now
}
