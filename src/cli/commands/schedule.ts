/** `zagflow schedule …`: flows that are posted again and again. */
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { InvalidInputError, UsageError, ZagflowError } from '../../base/errors.ts'
import type { JsonObject } from '../../base/json.ts'
import { scheduleStatus, upcomingTicks } from '../../client/schedule.ts'
import type { ScheduleOptions } from '../../client/schedule-spec.ts'
import { sourceOf } from '../../posting/prepare.ts'
import { readScheduleFile } from '../../schedule/file.ts'
import { scheduleJsonSchema } from '../../schedule/json-schema.ts'
import { TaskRegistry } from '../../worker/registry.ts'
import type { Context } from '../context.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { findFlow, type FoundFlow } from '../flow-source.ts'
import { readInput } from '../input.ts'
import { readLabels } from '../labels.ts'
import { scheduleData, scheduleTable, scheduleText, tickLines } from '../printing/schedules.ts'
import { count } from '../printing/text.ts'

export interface AddFlags {
  readonly cron?: string
  readonly every?: string
  readonly zone?: string
  readonly start?: string
  readonly end?: string
  readonly overlap?: string
  readonly maxQueued?: number
  readonly catchUp?: string
  readonly maxCatchUp?: number
  readonly input?: string
  readonly set: readonly string[]
  readonly priority?: number
  readonly label: readonly string[]
  readonly postedBy?: string
  readonly paused?: boolean
  readonly replace?: boolean
  readonly dryRun?: boolean
}

export interface ListFlags {
  readonly group?: string
}

export interface JobsFlags {
  readonly limit: number
}

export interface SyncFlags {
  readonly dryRun?: boolean
}

/** What a file or flags say is checked where it is used, so that the errors are the same. */
type Unchecked = { readonly [key: string]: unknown }

/** `zagflow schedule add NAME FLOW` */
export async function addCommand(
  context: Context,
  name: string,
  reference: string,
  flags: AddFlags,
): Promise<ExitCode> {
  const { terminal } = context
  const found = await find(context, reference)
  terminal.say(terminal.talk.dim(`flow: ${found.described}`))
  const { cron, every, zone, start, end, overlap, maxQueued, catchUp, maxCatchUp } = flags
  const { priority, postedBy, paused, replace = false } = flags
  const input = readInput(flags.input, flags.set)
  const labels = readLabels(flags.label)
  const timing = { cron, every, zone, start, end, overlap, maxQueued, catchUp, maxCatchUp }
  const options = optionsOf(found, {
    ...timing,
    ...(Object.keys(input).length === 0 ? {} : { input }),
    ...(Object.keys(labels).length === 0 ? {} : { labels }),
    priority,
    postedBy,
    paused,
    replace,
  })
  const zag = await context.connection(found.tasks)
  const { record, outcome } =
    flags.dryRun === true
      ? await zag.planSchedule(name, options)
      : await zag.schedule(name, options).then(async (schedule) => {
          return { record: await schedule.status(), outcome: schedule.outcome }
        })
  const now = await zag.store.now()
  const ticks = upcomingTicks(record, now, 5)
  if (terminal.json) {
    terminal.data({ ...scheduleData(record), outcome, dryRun: flags.dryRun === true, ticks })
    return EXIT.done
  }
  const did = flags.dryRun === true ? `would be ${outcome}` : `${outcome}`
  terminal.print(outcome === 'same' ? `${name} is there already, the same` : `${name} ${did}`)
  for (const line of tickLines(record, ticks, now)) terminal.print(`  ${line}`)
  if (record.state === 'paused') terminal.say(`It is paused: zagflow schedule resume ${name}`)
  return EXIT.done
}

/** `zagflow schedule list` */
export async function listCommand(context: Context, { group }: ListFlags): Promise<ExitCode> {
  const { terminal } = context
  const store = await context.sharedStore()
  const schedules = (await store.schedules(context.boardName, group)).map(scheduleStatus)
  if (terminal.json) {
    terminal.data({ schedules: schedules.map(scheduleData) })
    return EXIT.done
  }
  if (schedules.length > 0) {
    terminal.print(scheduleTable(schedules, await store.now(), terminal))
    const stuck = schedules.filter(({ problem }) => problem !== null).length
    if (stuck > 0) terminal.say(`${count(stuck, 'schedule')} cannot post: zagflow schedule show …`)
  } else if (group === undefined) {
    terminal.say("There are none. Add one: zagflow schedule add NAME FLOW --cron '0 2 * * *'")
  } else terminal.say(`No schedule is of the group "${group}".`)
  return EXIT.done
}

/** `zagflow schedule show NAME` */
export async function showCommand(
  context: Context,
  name: string,
  { limit }: JobsFlags,
): Promise<ExitCode> {
  const { terminal } = context
  const zag = await context.connection()
  const schedule = await zag.schedule(name)
  const [status, jobs] = [await schedule.status(), await schedule.jobs(limit)]
  const now = await zag.store.now()
  const ticks = upcomingTicks(status, now, limit)
  if (terminal.json) {
    terminal.data({
      ...scheduleData(status),
      spec: status.spec,
      ticks,
      jobs: jobs.map(({ job, detail }) => ({
        tick: job.scheduledFor,
        job: job.id,
        state: job.state,
        flowState: detail.state,
        createdAt: job.createdAt,
        endedAt: job.endedAt,
      })),
    })
    return EXIT.done
  }
  const conductors = await zag.store.processes({ kind: 'conductor', board: context.boardName })
  const isServed = conductors.length > 0
  terminal.print(scheduleText(status, { now, ticks, jobs, isServed, paint: terminal.paint }))
  return EXIT.done
}

/** `zagflow schedule pause|resume|reset|remove NAME…` */
export async function steerCommand(
  context: Context,
  verb: 'pause' | 'resume' | 'reset' | 'remove',
  names: readonly string[],
): Promise<ExitCode> {
  const { terminal } = context
  const zag = await context.connection()
  // All are looked for before one is changed.
  const schedules = []
  for (const name of names) schedules.push(await zag.schedule(name))
  const done: unknown[] = []
  for (const schedule of schedules) {
    const { name } = schedule
    await schedule[verb]()
    if (verb === 'remove') {
      done.push({ name, removed: true })
      if (!terminal.json) terminal.print(`${name} removed`)
      continue
    }
    const status = await schedule.status()
    done.push(scheduleData(status))
    if (terminal.json) continue
    const now = await zag.store.now()
    terminal.print(`${name} is ${status.state}`)
    if (status.state !== 'active') continue
    for (const line of tickLines(status, upcomingTicks(status, now, 1), now)) {
      terminal.print(`  next ${line}`)
    }
  }
  if (terminal.json) terminal.data(done)
  return EXIT.done
}

/** `zagflow schedule sync FILE` */
export async function syncCommand(
  context: Context,
  file: string,
  { dryRun = false }: SyncFlags,
): Promise<ExitCode> {
  const { terminal } = context
  const { group, schedules } = readScheduleFile(readText(file), file)
  const tasks = new TaskRegistry()
  const entries: [string, ScheduleOptions][] = []
  for (const { name, flow, spec, line } of schedules) {
    try {
      const found = await find(context, flow, path.dirname(file))
      tasks.add(found.tasks)
      entries.push([name, optionsOf(found, spec)])
    } catch (error) {
      if (!(error instanceof ZagflowError)) throw error
      throw new InvalidInputError(
        [{ path: `schedules.${name}.flow`, message: error.message, line }],
        { subject: file, cause: error },
      )
    }
  }
  const zag = await context.connection(tasks)
  const { steps } = await zag.syncSchedules(group, Object.fromEntries(entries), { dryRun })
  if (terminal.json) {
    terminal.data({ group, dryRun, steps })
    return EXIT.done
  }
  const signs = { added: '+', changed: '~', removed: '-', same: ' ' }
  const { paint } = terminal
  const colours = {
    added: paint.green,
    changed: paint.yellow,
    removed: paint.red,
    same: paint.dim,
  }
  for (const { name, does } of steps) {
    const [sign, colour] = [signs[does], colours[does]]
    terminal.print(colour(`${sign} ${name}${does === 'same' ? '' : `  ${does}`}`))
  }
  const changed = steps.filter(({ does }) => does !== 'same').length
  if (changed === 0) terminal.say(`The group "${group}" is as the file says.`)
  else if (dryRun) terminal.say(`Nothing was stored: ${count(changed, 'change')} without --dry-run`)
  return EXIT.done
}

/** `zagflow schedule schema` */
export async function schemaCommand({ terminal }: Context): Promise<ExitCode> {
  terminal.data(scheduleJsonSchema())
  return EXIT.done
}

function optionsOf(found: FoundFlow, options: Unchecked | JsonObject): ScheduleOptions {
  const flow = found.registeredAs ?? sourceOf(found.flow)
  return { ...options, flow } // checked by whoever takes it
}

/** A flow; paths of a file are relative to its folder. */
function find(context: Context, reference: string, folder = '.'): Promise<FoundFlow> {
  const { settings, registered } = context
  const isPath = /[/\\]|\.(ya?ml|json|[cm]?[jt]sx?)(#|$)/i.test(reference)
  const there = isPath && !path.isAbsolute(reference) ? path.join(folder, reference) : reference
  return findFlow(there, { modules: settings.tasks, takesTasks: false, registered })
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new UsageError(`${file} cannot be read: ${reason}`, { cause: error })
  }
}
