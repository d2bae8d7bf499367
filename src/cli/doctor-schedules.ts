/** What the doctor says of schedules. */
import { scheduleStatus, type ScheduleStatus } from '../client/schedule.ts'
import type { Store } from '../../persistence/store.ts'
import type { Finding } from './printing/findings.ts'
import { count } from './printing/text.ts'

/** So late is nobody who posts. */
const OVERDUE_MS = 60_000
const SHOWN = 5

/** Findings about the schedules of a board; none where it has none. */
export async function scheduleFindings(
  store: Pick<Store, 'schedules' | 'now'>,
  board: string,
): Promise<readonly Finding[]> {
  const all = (await store.schedules(board)).map(scheduleStatus)
  if (all.length === 0) return []
  const now = await store.now()
  const what = 'schedules'
  const findings: Finding[] = []
  const stuck = all.filter(({ problem }) => problem !== null)
  const [first] = stuck
  if (first !== undefined) {
    const says = `${count(stuck.length, 'schedule')} cannot post: ${namesOf(stuck)}`
    findings.push({ what, is: 'wrong', says, mend: `zagflow schedule show ${first.name} says why` })
  }
  const late = all.filter(({ dueAt }) => dueAt !== null && dueAt < now - OVERDUE_MS)
  if (late.length > 0) {
    const says = `ticks of ${count(late.length, 'schedule')} are overdue: ${namesOf(late)}`
    const mend = 'conductors of this board post them: zagflow conductor'
    findings.push({ what, is: 'wrong', says, mend })
  }
  if (findings.length > 0) return findings
  const of = (state: ScheduleStatus['state']): string => {
    const number = all.filter((one) => one.state === state).length
    return number === 0 ? '' : `, ${number} ${state}`
  }
  const says = `${count(all.length, 'schedule')}${of('active')}${of('paused')}${of('ended')}`
  return [{ what, is: 'well', says }]
}

function namesOf(schedules: readonly ScheduleStatus[]): string {
  const names = schedules.slice(0, SHOWN).map(({ name }) => name)
  return `${names.join(', ')}${schedules.length > SHOWN ? ', …' : ''}`
}
