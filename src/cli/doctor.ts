/** `zagflow doctor`: looks at everything that Zagflow needs, says what is wrong, and how to mend it. */
import type { ResolvedDocument } from '../flow/resolved.ts'
import type { JobFilter, ProcessRecord, Store } from '../../persistence/store.ts'
import { brokerLoadOf, tasksOf, usesWorkers } from '../client/served.ts'
import type { Context } from './context.ts'
import type { Known } from './doctor-broker.ts'
import { scheduleFindings } from './doctor-schedules.ts'
import { statusOf } from './commands/database.ts'
import { databaseName } from './database-name.ts'
import { EXIT, type ExitCode } from './exit-codes.ts'
import { errorText, exitCodeOf } from './fail.ts'
import type { Settings } from './settings/names.ts'
import { findingText, type Finding } from './printing/findings.ts'
import { count, elapsed } from './printing/text.ts'

const LEAST_NODE = [20, 19] as const
/** Jobs that are counted; more are "more than". */
const COUNTED = 1_000
/** A job that waits for longer is looked at. */
const WAITS_MS = 5_000
const SKEW_MS = 2_000

type Tell = (finding: Finding) => void

export async function doctorCommand(context: Context): Promise<ExitCode> {
  const { terminal } = context
  const findings: Finding[] = []
  let unreachable = false
  const tell: Tell = (finding) => {
    findings.push(finding)
    if (!terminal.json) terminal.print(findingText(finding, terminal.paint))
  }
  tell(node(process.versions.node))
  let known: Known | undefined
  try {
    const store = await database(context, tell)
    if (store !== undefined) {
      const conductors = await lookAtConductors(context, store, tell)
      known = { store, conductors, workers: await store.processes({ kind: 'worker' }) }
      await lookAtJobs(context, store, conductors, tell)
      for (const finding of await scheduleFindings(store, context.boardName)) tell(finding)
    }
  } catch (error) {
    unreachable = exitCodeOf(error) === EXIT.unavailable
    tell({ what: 'database', is: 'wrong', says: errorText(error) })
  }
  try {
    unreachable ||= !(await board(context, known, tell))
  } catch (error) {
    unreachable ||= exitCodeOf(error) === EXIT.unavailable
    tell({ what: 'board', is: 'wrong', says: errorText(error) })
  }
  try {
    await broker(context, known, tell)
  } catch (error) {
    unreachable ||= exitCodeOf(error) === EXIT.unavailable
    tell({ what: 'broker', is: 'wrong', says: errorText(error) })
  }
  const isWell = findings.every(({ is }) => is !== 'wrong')
  if (terminal.json) terminal.data({ ok: isWell, findings })
  if (unreachable) return EXIT.unavailable
  return isWell ? EXIT.done : EXIT.failed
}

function node(version: string): Finding {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  const isNew = major > LEAST_NODE[0] || (major === LEAST_NODE[0] && minor >= LEAST_NODE[1])
  return isNew
    ? { what: 'node', is: 'well', says: `Node.js ${version}` }
    : {
        what: 'node',
        is: 'wrong',
        says: `Node.js ${version} is too old`,
        mend: `install Node.js ${LEAST_NODE.join('.')} or later`,
      }
}

/** A board in ZooKeeper. False: it cannot be reached. */
async function board(context: Context, known: Known | undefined, tell: Tell): Promise<boolean> {
  const place = context.boardPlace
  if (place.kind === 'sql') return true
  const { lookAtZooKeeper } = await import('./doctor-zookeeper.ts')
  return lookAtZooKeeper(context, place, known, tell)
}

async function broker(context: Context, known: Known | undefined, tell: Tell): Promise<void> {
  const place = context.broker
  if (place !== undefined) {
    const { lookAtBroker } = await import('./doctor-broker.ts')
    await lookAtBroker(context, place, known, tell)
    return
  }
  const users = known?.conductors.filter(usesWorkers) ?? []
  if (users.length === 0) return
  tell({
    what: 'broker',
    is: 'odd',
    says: `none is set here, and ${count(users.length, 'conductor')} that live${users.length === 1 ? 's' : ''} use${users.length === 1 ? 's' : ''} one`,
    mend: 'set ZAGFLOW_BROKER, so that the doctor can look at it',
  })
}

/** Whether it can be reached and is migrated; the store then, started. */
async function database(context: Context, tell: Tell): Promise<Store | undefined> {
  const name = databaseName(context.settings.persistence)
  const status = await statusOf(context)
  if (status.pending.length > 0) {
    tell({
      what: 'database',
      is: 'wrong',
      says: `${name} lacks ${count(status.pending.length, 'migration')}: ${status.pending.join(', ')}`,
      mend: 'zagflow db migrate',
    })
    return undefined
  }
  const store = await context.sharedStore()
  const before = Date.now()
  const now = await store.now()
  tell({
    what: 'database',
    is: 'well',
    says: `${name} is at ${status.applied.at(-1) ?? 'nothing'}`,
  })
  const skew = now - (before + Date.now()) / 2
  if (Math.abs(skew) > SKEW_MS) {
    tell({
      what: 'clock',
      is: 'odd',
      says: `this host's clock is ${elapsed(Math.abs(skew))} ${skew > 0 ? 'behind' : 'before'} the database's`,
      mend: "synchronise both (NTP); only the database's decides what is due",
    })
  }
  await lookAtDurability(context, tell)
  return store
}

/** Whether what was committed survives a loss of power. */
async function lookAtDurability(context: Context, tell: Tell): Promise<void> {
  const { durabilityOf } = await import('../../persistence/durability.ts')
  const settings = await durabilityOf(context.settings.persistence)
  for (const { name, value, isDurable } of settings) {
    tell(
      isDurable
        ? { what: 'durability', is: 'well', says: `${name} is ${value}` }
        : {
            what: 'durability',
            is: 'wrong',
            says: `${name} is ${value}: what was committed may be lost with the power`,
            mend: `set ${name} to on`,
          },
    )
  }
}

async function lookAtConductors(
  { boardName, settings }: Context,
  store: Store,
  tell: Tell,
): Promise<readonly ProcessRecord[]> {
  const conductors = await store.processes({ kind: 'conductor', board: boardName })
  if (conductors.length === 0) {
    tell({
      what: 'conductors',
      is: 'odd',
      says: `none lives on the board "${boardName}"`,
      mend: `${startConductor(settings)} (not needed for zagflow run)`,
    })
  }
  for (const conductor of conductors) {
    const { name, host, pid, load, tasks } = conductor
    const flows = typeof load === 'object' && load !== null && 'flows' in load ? load.flows : 0
    const open = brokerLoadOf(conductor)?.['open']
    const work = usesWorkers(conductor)
      ? `${count(Number(open), 'call')} with workers`
      : count(tasks.length, 'task')
    tell({
      what: 'conductors',
      is: 'well',
      says: `${name} on ${host} (process ${pid}): ${count(Number(flows), 'flow')}, ${work}`,
    })
  }
  return conductors
}

async function lookAtJobs(
  { settings }: Context,
  store: Store,
  conductors: readonly ProcessRecord[],
  tell: Tell,
): Promise<void> {
  const trashed = await countJobs(store, { states: ['TRASHED'] })
  if (trashed !== '0') {
    tell({
      what: 'jobs',
      is: 'wrong',
      says: `${trashed} in the trash`,
      mend: 'zagflow jobs list --state TRASHED, then jobs show, jobs revert or jobs release',
    })
  }
  const suspended = await countJobs(store, { states: ['PARKED'], flowStates: ['SUSPENDED'] })
  if (suspended !== '0') {
    tell({
      what: 'jobs',
      is: 'odd',
      says: `${suspended} suspended`,
      mend: 'zagflow jobs list --state SUSPENDED, then jobs resume (or zagflow run --resume)',
    })
  }
  await lookAtUnserved(settings, store, conductors, tell)
  const bad = trashed !== '0' || suspended !== '0'
  if (!bad) tell({ what: 'jobs', is: 'well', says: 'none in the trash, none suspended' })
}

async function lookAtUnserved(
  settings: Settings,
  store: Store,
  conductors: readonly ProcessRecord[],
  tell: Tell,
): Promise<void> {
  const filter = { states: ['UNCLAIMED', 'POSTING'], order: 'oldest', limit: COUNTED } as const
  const now = await store.now()
  const { jobs } = await store.findJobs({ ...filter, createdBefore: now - WAITS_MS })
  if (jobs.length === 0) return
  const waiting = count(jobs.length, 'job')
  if (conductors.length === 0) {
    const mend = startConductor(settings)
    tell({ what: 'jobs', is: 'wrong', says: `${waiting} wait, and no conductor lives`, mend })
    return
  }
  if (conductors.some(usesWorkers)) {
    // What workers lack is said with them: conductors claim every job.
    tell({ what: 'jobs', is: 'odd', says: `${waiting} wait for conductors that are busy` })
    return
  }
  const missing = new Set<string>()
  for (const hash of new Set(jobs.map(({ detail }) => detail.document))) {
    const document = await store.document(hash)
    if (document === null) continue
    for (const task of tasksOf(document as unknown as ResolvedDocument)) {
      // stored by `post` alone
      if (!conductors.some(({ tasks }) => tasks.includes(task))) missing.add(task)
    }
  }
  if (missing.size > 0) {
    tell({
      what: 'jobs',
      is: 'wrong',
      says: `${waiting} wait; no conductor has ${[...missing].slice(0, 8).join(', ')}`,
      mend: 'start a conductor with the module that has: zagflow conductor --tasks ./tasks.ts',
    })
    return
  }
  tell({ what: 'jobs', is: 'odd', says: `${waiting} wait for conductors that are busy` })
}

/** The command that starts a conductor where these are the settings. */
function startConductor({ broker }: Settings): string {
  return broker === undefined ? 'zagflow conductor --tasks ./tasks.ts' : 'zagflow conductor'
}

async function countJobs(store: Store, filter: JobFilter): Promise<string> {
  const { jobs, next } = await store.findJobs({ ...filter, limit: COUNTED })
  return next === null ? String(jobs.length) : `more than ${COUNTED}`
}
