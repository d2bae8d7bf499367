/**
 * Adds, changes and removes schedules.
 *
 * Invariants
 * P1  Nothing is stored of a schedule that is refused: spec, flow, input and its first tick are checked before. Of a whole group all are checked
 *     before the first is stored.
 * P2  What is there with the same content stays as it is, with its ticks and counts: a service may give its schedules each time it starts.
 * P3  A tick that is due and not yet decided when a schedule is changed is not lost: it is decided by the new spec.
 */
import { ConflictError } from '../base/errors.ts'
import type { Json } from '../base/json.ts'
import { firstTick, type ScheduleSpec } from '../schedule/spec.ts'
import { ticksOf } from '../schedule/ticks.ts'
import type { PreparedFlow } from '../posting/prepare.ts'
import { tickRequest } from '../posting/scheduled-flows.ts'
import { newScheduleRecord } from '../../persistence/schedule-store.ts'
import type { KeptDocument, NewSchedule, ScheduleRecord } from '../../persistence/schedule-store.ts'
import { anchorOf, untilTaken, type ScheduleHost, type ScheduleOutcome } from './schedule.ts'
import { scheduleHash, specOf, subjectOf, type ScheduleOptions } from './schedule-spec.ts'

/** A schedule with all that is stored of it, checked as far as can be without looking at what is there. */
export interface PreparedSchedule {
  readonly name: string
  readonly spec: ScheduleSpec
  readonly flow: PreparedFlow
  readonly reference: string | null
  readonly hash: string
  readonly group: string | null
  readonly replace: boolean
  readonly paused: boolean
}

/** Checks spec and input (P1). Throws {@link InvalidInputError}, {@link UsageError}. */
export function prepareSchedule(
  name: string,
  options: ScheduleOptions,
  flow: PreparedFlow,
  board: string,
): PreparedSchedule {
  const spec = specOf(name, options)
  const reference = typeof options.flow === 'string' ? options.flow : null
  const { group = null, replace = true, paused = false } = options
  const hash = scheduleHash(reference ?? flow.sourceHash, spec)
  // Any tick will do to see whether its input fits the flow.
  tickRequest(flow, { board, name, spec, tick: 0, previous: null, state: 'UNCLAIMED' })
  return { name, spec, flow, reference, hash, group, replace, paused }
}

/** Stores a schedule (P2, P3). Throws {@link InvalidInputError} for one that never fires, {@link ConflictError}. */
export async function putSchedule(
  host: ScheduleHost,
  schedule: PreparedSchedule,
): Promise<ScheduleOutcome> {
  const { store, board } = host
  let outcome: ScheduleOutcome = 'same'
  await untilTaken(schedule.name, async () => {
    const there = await store.schedule(board.name, schedule.name)
    outcome = planned(there, schedule)
    if (outcome === 'same') return true
    const now = await store.now()
    const row = rowOf(board.name, schedule, there, now)
    if (there === null) return (await store.addSchedule(row, documentsOf(schedule))) !== null
    const { board: _board, name: _name, ...change } = row
    const anew = { ...change, missedBefore: null, problem: null }
    return (await store.changeSchedule(there, anew, documentsOf(schedule))) !== null
  })
  return outcome
}

/** What {@link putSchedule} would do and store, without storing it. Throws as that does. */
export async function planSchedule(
  host: ScheduleHost,
  schedule: PreparedSchedule,
): Promise<{ readonly record: ScheduleRecord; readonly outcome: ScheduleOutcome }> {
  const { store, board } = host
  const there = await store.schedule(board.name, schedule.name)
  const outcome = planned(there, schedule)
  if (there !== null && outcome === 'same') return { record: there, outcome }
  const now = await store.now()
  const row = rowOf(board.name, schedule, there, now)
  const record = there === null ? newScheduleRecord(row, now) : { ...there, ...row }
  return { record, outcome }
}

/** What putting a schedule would do. Throws {@link ConflictError}. */
export function planned(there: ScheduleRecord | null, schedule: PreparedSchedule): ScheduleOutcome {
  if (there === null) return 'added'
  const { name, group, replace, hash } = schedule
  if (there.group !== group) {
    const owner = there.group === null ? 'to no group' : `to the group "${there.group}"`
    throw new ConflictError(subjectOf(name), `it belongs ${owner}`, {
      hint: `give yours another name, or remove that one: zagflow schedule remove ${name}`,
    })
  }
  if (there.hash === hash) return 'same'
  if (!replace) {
    throw new ConflictError(subjectOf(name), 'there is one of that name, with other content', {
      hint: `see zagflow schedule show ${name}; --replace changes it`,
    })
  }
  return 'changed'
}

/** Throws {@link InvalidInputError} for a schedule that never fires. */
export function checkFires(
  schedule: PreparedSchedule,
  there: ScheduleRecord | null,
  now: number,
): void {
  const anchorAt = there?.anchorAt ?? anchorOf(now)
  firstTick(schedule.spec, { now, anchorAt, subject: subjectOf(schedule.name) })
}

function rowOf(
  board: string,
  schedule: PreparedSchedule,
  there: ScheduleRecord | null,
  now: number,
): NewSchedule {
  checkFires(schedule, there, now)
  const { name, spec, flow, reference, hash, group } = schedule
  const anchorAt = there?.anchorAt ?? anchorOf(now)
  const paused = there?.paused ?? schedule.paused
  const undecided = there !== null && !there.paused && there.nextAt !== null // P3
  const nextAt = ticksOf(spec, anchorAt).after(undecided ? Math.min(now, there.nextAt - 1) : now)
  return {
    board,
    name,
    group,
    spec,
    hash,
    flow: flow.document.flow,
    reference,
    source: flow.sourceHash,
    document: flow.documentHash,
    paused,
    anchorAt,
    nextAt,
    dueAt: paused ? null : nextAt,
  }
}

function documentsOf({ flow }: PreparedSchedule): readonly KeptDocument[] {
  // Both are JSON: parsing and resolving made them so.
  return [
    { hash: flow.sourceHash, body: flow.source as unknown as Json },
    { hash: flow.documentHash, body: flow.document as unknown as Json },
  ]
}
