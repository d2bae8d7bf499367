/** `zagflow conductor` and `zagflow dev`: processes that run what was posted, until they are told to stop. */
import { UsageError } from '../../base/errors.ts'
import type { Logger } from '../../base/logger.ts'
import type { BoardPlace } from '../../client/board-url.ts'
import type { BrokerPlace } from '../../client/broker-place.ts'
import { sourceOf } from '../../posting/prepare.ts'
import { openWorkerBased } from '../../client/worker-based.ts'
import { Conductor } from '../../conductor/conductor.ts'
import type { ConductorOptions } from '../../conductor/options.ts'
import type { ConductorEvent, JobEvent } from '../../conductor/events.ts'
import type { Context } from '../context.ts'
import { databaseName } from '../database-name.ts'
import { createEngine } from '../engine.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { findFlow } from '../flow-source.ts'
import { loadTasks } from '../modules.ts'
import { serviceLogger } from '../service-logger.ts'

/** `zagflow conductor` */
export async function conductorCommand(context: Context): Promise<ExitCode> {
  const { settings } = context
  const broker = brokerFor(context)
  if (broker !== undefined) return workersConductor(context, broker)
  if (settings.tasks.length === 0) {
    const what = context.broker === undefined ? 'a conductor without a broker' : 'this conductor'
    throw new UsageError(`${what} runs the tasks itself, so it needs them`, {
      hint: 'zagflow conductor --tasks ./tasks.ts; or set ZAGFLOW_BROKER, and zagflow worker runs them',
    })
  }
  const tasks = await loadTasks(settings.tasks)
  const logger = serviceLogger(context.terminal, settings.log)
  return serve(context, 'conductor', logger, {
    place: context.boardPlace,
    registry: tasks,
    engine: createEngine(settings, tasks, logger),
    onJob: (event) => logJob(logger, event),
  })
}

/** The broker that tasks go to; none where they run here. */
function brokerFor({ settings, broker, given }: Context): BrokerPlace | undefined {
  const { engine } = settings
  if (engine === 'serial' || engine === 'parallel') return undefined
  if (broker === undefined) {
    if (engine === undefined) return undefined
    throw new UsageError('the worker-based engine needs a broker', {
      hint: 'set ZAGFLOW_BROKER to amqp://user:password@host/vhost',
    })
  }
  // Those of the environment and of a file may be there for the workers.
  if (given.tasks !== undefined) {
    throw new UsageError('a conductor with a broker runs no tasks: workers do', {
      hint: 'leave out --tasks and start zagflow worker --tasks …, or unset ZAGFLOW_BROKER',
    })
  }
  if (given.concurrency !== undefined) {
    throw new UsageError('--concurrency is of tasks that run here, and workers run them', {
      hint: 'zagflow worker --concurrency 16',
    })
  }
  return broker
}

/** A conductor that sends tasks to workers. */
async function workersConductor(context: Context, broker: BrokerPlace): Promise<ExitCode> {
  const { settings, terminal, boardName } = context
  const logger = serviceLogger(terminal, settings.log)
  const store = await context.sharedStore()
  const name = settings.name ?? `conductor ${process.pid}`
  const about = { broker, store, board: boardName, parks: true, name, logger }
  const opened = await openWorkerBased(about)
  context.onClose(() => opened.stop())
  return serve(context, 'conductor', logger, {
    place: context.boardPlace,
    engine: opened.engine,
    load: opened.load,
    wakeups: opened.wakeups,
    broker,
    onJob: (event) => logJob(logger, event),
  })
}

/** `zagflow dev [FLOW…]` */
export async function devCommand(
  context: Context,
  references: readonly string[],
): Promise<ExitCode> {
  const { settings, terminal, registered } = context
  if (settings.engine === 'worker-based') {
    throw new UsageError('dev runs tasks itself, in this process', {
      hint: 'zagflow conductor and zagflow worker --tasks ./tasks.ts run them over the broker',
    })
  }
  const tasks = await loadTasks(settings.tasks)
  const sources = []
  for (const reference of references) {
    const found = await findFlow(reference, { modules: [], takesTasks: true, registered })
    for (const module of found.modules) tasks.add(await loadTasks([module]), { module })
    tasks.add(found.tasks)
    sources.push(sourceOf(found.flow))
  }
  if (tasks.tasks.length === 0) {
    throw new UsageError('there are no tasks to run', {
      hint: 'zagflow dev --tasks ./tasks.ts, or a flow file that names its `tasks:`',
    })
  }
  const logger = serviceLogger(terminal, settings.log)
  const { broker } = context
  if (broker !== undefined) {
    logger.info({}, `dev runs tasks itself: the broker ${broker.shown} is not used`)
  }
  const place = boardOfDev(context)
  if (place.name !== context.boardName || place.kind !== context.boardPlace.kind) {
    logger.info({}, 'dev keeps its jobs on a board in the database, unless --board says otherwise')
  }
  const zag = await context.connection(tasks, place)
  for (const source of sources) {
    const { name, version } = await zag.register(source)
    logger.info({}, `registered ${name}@${version}: zagflow post ${name}`)
  }
  return serve(context, 'dev', logger, {
    place,
    registry: tasks,
    engine: createEngine(settings, tasks, logger),
    onJob: (event) => logJob(logger, event),
    onEvent: (event) => logStep(logger, event),
  })
}

/** A board in ZooKeeper is for what runs on several hosts; the environment may name one for the conductors. */
function boardOfDev({ boardPlace, given }: Context): BoardPlace {
  if (boardPlace.kind === 'sql' || given.board !== undefined) return boardPlace
  return { kind: 'sql', name: boardPlace.name }
}

type Served = Pick<
  ConductorOptions,
  'engine' | 'registry' | 'load' | 'wakeups' | 'onJob' | 'onEvent'
> & {
  /** Where its workers are. */
  readonly broker?: BrokerPlace
  readonly place: BoardPlace
}

async function serve(
  context: Context,
  kind: 'conductor' | 'dev',
  logger: Logger,
  { broker, place, ...served }: Served,
): Promise<ExitCode> {
  const { terminal, settings } = context
  const { name, maxFlows, leaseMs, graceMs } = settings
  const store = await context.sharedStore()
  const board = await context.board(store, logger, place)
  const conductor = new Conductor({
    ...served,
    store,
    board,
    name,
    maxFlows,
    leaseMs,
    graceMs,
    logger,
  })
  const stopping = untilStopped(conductor, logger)
  try {
    await conductor.start()
    if (!stopping.hasBegun()) {
      const ready = {
        kind,
        name: conductor.name,
        board: place.kind === 'sql' ? place.name : place.shown,
        persistence: databaseName(settings.persistence),
        ...(broker === undefined ? {} : { broker: broker.shown }),
        ...(served.registry === undefined ? {} : { tasks: served.registry.tasks.length }),
        pid: process.pid,
      }
      const fields = Object.entries(ready).slice(2)
      if (terminal.json) terminal.dataLine({ ready: true, ...ready })
      else
        terminal.print(
          `ready ${kind} ${conductor.name} ${fields.map(([key, value]) => `${key}=${value}`).join(' ')}`,
        )
    }
    return await stopping.ended
  } finally {
    stopping.end()
    await conductor.stop({ graceMs: 0 })
  }
}

/** The first signal hands everything over, the second aborts what runs, a third ends the process. */
function untilStopped(
  conductor: Conductor,
  logger: Logger,
): { readonly ended: Promise<ExitCode>; hasBegun(): boolean; end(): void } {
  let signals = 0
  let settle: (code: ExitCode) => void = () => {}
  let fail: (error: unknown) => void = () => {}
  const ended = new Promise<ExitCode>((resolve, reject) => {
    settle = resolve
    fail = reject
  })
  const listener = (name: NodeJS.Signals): void => {
    signals += 1
    if (signals > 2) process.exit(EXIT.interrupted)
    const { flows } = conductor.load
    if (signals === 1) logger.info({ flows }, `${name}: hands its flows over, then ends`)
    else logger.warn({ flows }, `${name} again: aborts what runs`)
    const stopped = conductor.stop()
    if (signals > 1) return
    stopped.then(() => settle(signals > 1 ? EXIT.interrupted : EXIT.done), fail)
  }
  const names = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
  for (const name of names) process.on(name, listener)
  return {
    ended,
    hasBegun: () => signals > 0,
    end: () => {
      for (const name of names) process.off(name, listener)
    },
  }
}

function logJob(logger: Logger, event: JobEvent): void {
  const { job, flow } = event
  switch (event.kind) {
    case 'claimed':
      logger.debug({ job, flow, epoch: event.epoch }, 'claimed a job')
      return
    case 'completed': {
      const [failure] = event.failures
      const why = event.reason ?? (failure && `${failure.atom}: ${failure.message}`)
      logger.info({ job, flow, why: why ?? undefined }, `job ended ${event.state}`)
      return
    }
    case 'parked':
      logger.debug({ job, flow, for: event.parkedFor, dueAt: event.dueAt }, 'parked a job')
      return
    case 'released':
      logger.debug({ job, flow, reason: event.reason }, 'gave a job back')
      return
    case 'trashed':
      logger.error({ job, flow, reason: event.reason }, 'job went to the trash: zagflow jobs show')
      return
    case 'lost':
      logger.warn({ job, flow, reason: event.reason }, 'lost a job to another conductor')
      return
  }
}

function logStep(logger: Logger, event: ConductorEvent): void {
  const { job, name, state, attempt, failure } = event
  const tries = attempt !== undefined && attempt > 1 ? attempt : undefined
  const fields = { job: job.slice(0, 13), attempt: tries, failure: failure?.message }
  logger.info(fields, `${name} ${state}`)
}
