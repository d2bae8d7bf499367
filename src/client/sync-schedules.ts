import type { PreparedSchedule } from './put-schedule.ts'
import { checkFires, planned, putSchedule } from './put-schedule.ts'
import type { ScheduleHost, ScheduleOutcome } from './schedule.ts'

/** What making a group true does, or would do. */
export interface SchedulePlan {
  /** By name. */
  readonly steps: readonly {
    readonly name: string
    readonly does: ScheduleOutcome | 'removed'
  }[]
}

/**
 * Makes a group be these schedules: adds, changes, and removes those of the group that are not among them. All are checked before the
 * first is stored. Throws {@link InvalidInputError}, {@link ConflictError}.
 */
export async function syncSchedules(
  host: ScheduleHost,
  group: string,
  schedules: readonly PreparedSchedule[],
  options: { readonly dryRun?: boolean | undefined } = {},
): Promise<SchedulePlan> {
  const { store, board } = host
  const now = await store.now()
  const steps: { name: string; does: ScheduleOutcome | 'removed' }[] = []
  for (const schedule of schedules) {
    const there = await store.schedule(board.name, schedule.name)
    const does = planned(there, schedule)
    if (does !== 'same') checkFires(schedule, there, now)
    steps.push({ name: schedule.name, does })
  }
  const wanted = new Set(schedules.map(({ name }) => name))
  for (const { name } of await store.schedules(board.name, group)) {
    if (!wanted.has(name)) steps.push({ name, does: 'removed' })
  }
  if (options.dryRun !== true) {
    for (const schedule of schedules) await putSchedule(host, schedule)
    for (const { name, does } of steps) {
      if (does === 'removed') await store.removeSchedule(board.name, name)
    }
  }
  return { steps: steps.sort((a, b) => (a.name < b.name ? -1 : 1)) }
}
