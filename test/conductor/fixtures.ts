/** Conductors, tasks and jobs in a few words. */
import type { TestContext } from 'node:test'
import type { Clock } from '../../src/base/clock.ts'
import type { Json, JsonObject } from '../../src/base/json.ts'
import { silentLogger, type LogFields, type Logger } from '../../src/base/logger.ts'
import { hashJson, uuidV7 } from '../../src/base/ids.ts'
import type { ResolvedDocument, ResolvedFlow } from '../../src/flow/resolved.ts'
import { Conductor } from '../../src/conductor/conductor.ts'
import type { ConductorEvent, JobEvent } from '../../src/conductor/events.ts'
import type { ConductorOptions } from '../../src/conductor/options.ts'
import { TaskRegistry } from '../../src/worker/registry.ts'
import type { CallContext } from '../../src/worker/call-context.ts'
import { ParallelEngine } from '../../engines/parallel.ts'
import type { JobBoard } from '../../jobboard/jobboard.ts'
import { SqlBoard } from '../../jobboard/sql.ts'
import type { Claim, JobRecord, JobSummary, PostRequest, Store } from '../../persistence/store.ts'
import { postOf } from '../persistence/fixtures.ts'
import { eventually, type EventuallyOptions } from '../support/eventually.ts'
import { lastFirst } from '../support/last-first.ts'
import { document } from '../support/flows.ts'

export interface TestTask {
  execute(args: JsonObject, context: CallContext): unknown
  revert?(input: unknown, context: CallContext): unknown
}

/** A registry of plain functions by name. */
export function registryOf(tasks: { readonly [name: string]: TestTask }): TaskRegistry {
  const definitions = Object.entries(tasks).map(([name, task]) => ({
    kind: 'task',
    name,
    signature: { name, requires: {}, provides: {}, revert: task.revert !== undefined },
    validateArguments: (args: JsonObject) => args,
    validateResult: (result: unknown) => result,
    execute: task.execute,
    ...(task.revert === undefined ? {} : { revert: task.revert }),
  }))
  const brand = Symbol.for('zagflow.task')
  return TaskRegistry.of(definitions.map((definition) => ({ [brand]: definition })))
}

/** Tasks `p` (succeeds with 5) and `f` (fails), as the catalogue of behaviours names them. */
export const TASKS = {
  p: { execute: () => 5, revert: () => null },
  f: {
    execute: () => {
      throw new Error('Woot!')
    },
    revert: () => null,
  },
} satisfies { readonly [name: string]: TestTask }

/** A gate that tasks wait at, with abort. */
export class Gate {
  readonly entered: string[] = []
  #open: () => void = () => {}
  readonly #isOpen = new Promise<void>((resolve) => (this.#open = resolve))

  open(): void {
    this.#open()
  }

  task(): TestTask {
    return {
      execute: async (_args, context) => {
        this.entered.push(context.flowId)
        const aborted = new Promise<never>((_, reject) => {
          const { signal } = context
          const fail = (): void => reject(new Error('aborted'))
          if (signal.aborted) fail()
          signal.addEventListener('abort', fail, { once: true })
        })
        await Promise.race([this.#isOpen, aborted])
        return 'through'
      },
      revert: () => null,
    }
  }
}

export interface Started {
  readonly conductor: Conductor
  readonly jobs: JobEvent[]
  readonly events: ConductorEvent[]
  readonly logs: { readonly level: string; readonly message: string; readonly fields: LogFields }[]
}

export interface StartOptions extends Partial<Omit<ConductorOptions, 'store'>> {
  readonly tasks?: { readonly [name: string]: TestTask }
  readonly clock?: Clock
}

/** A conductor with short times; it is stopped after the test. */
export function conductorOf(t: TestContext, store: Store, options: StartOptions = {}): Started {
  const { tasks = TASKS, ...rest } = options
  const registry = rest.registry ?? registryOf(tasks)
  const jobs: JobEvent[] = []
  const events: ConductorEvent[] = []
  const logs: Started['logs'] = []
  const conductor = new Conductor({
    store,
    board: new SqlBoard<Claim>({ store }),
    engine: new ParallelEngine({ tasks: registry }),
    registry,
    pollMs: 50,
    onJob: (event) => void jobs.push(event),
    onEvent: (event) => void events.push(event),
    logger: recordingLogger(logs),
    ...rest,
  })
  lastFirst(t).after(() => conductor.stop({ graceMs: 500 }))
  return { conductor, jobs, events, logs }
}

export async function startConductor(
  t: TestContext,
  store: Store,
  options: StartOptions = {},
): Promise<Started> {
  const made = conductorOf(t, store, options)
  await made.conductor.start()
  return made
}

function recordingLogger(logs: Started['logs']): Logger {
  const log = (level: string) => (fields: LogFields, message: string) =>
    void logs.push({ level, message, fields })
  const logger: Logger = {
    ...silentLogger,
    info: log('info'),
    warn: log('warn'),
    error: log('error'),
    child: () => logger,
  }
  return logger
}

export interface PostOptions {
  readonly priority?: number
  readonly input?: JsonObject
  readonly delayMs?: number
  readonly board?: JobBoard<Claim> | undefined
  readonly document?: Partial<ResolvedDocument>
  /** Its board is outside the store, and a promoter puts it there. */
  readonly waitsForBoard?: boolean
}

/** Posts a flow; on a board outside SQL also there. */
export async function postFlow(
  store: Store,
  root: ResolvedFlow,
  options: PostOptions = {},
): Promise<JobRecord> {
  const { board } = options
  const whole = document(root, options.document ?? {})
  const source: Json = { flow: root.id, nodes: root.nodes.length, at: uuidV7() }
  const request: PostRequest = postOf({
    document: whole,
    documentHash: hashJson(JSON.parse(JSON.stringify(whole)) as Json),
    source,
    sourceHash: hashJson(source),
    contentHash: hashJson(source),
    input: options.input ?? {},
    priority: options.priority,
    delayMs: options.delayMs,
    state: options.waitsForBoard === true || board?.outsideStore === true ? 'POSTING' : 'UNCLAIMED',
  })
  const { job } = await store.post(request)
  if (board?.outsideStore === true && job.state === 'POSTING') {
    const { id: jobId, posting, priority, createdAt, epoch } = job
    await board.post({ jobId, posting, priority, createdAt, epoch })
    await store.posted([{ jobId: job.id, posting: job.posting }])
  }
  return job
}

/** The job once `isSo`. */
export async function jobWhen(
  store: Store,
  jobId: string,
  isSo: (found: JobSummary) => boolean,
  options: EventuallyOptions = {},
): Promise<JobSummary> {
  return eventually(async () => {
    const found = await store.job(jobId)
    return found !== null && isSo(found) ? found : undefined
  }, options)
}

/** The job once it is COMPLETE or TRASHED. */
export function ended(
  store: Store,
  jobId: string,
  options: EventuallyOptions = {},
): Promise<JobSummary> {
  return jobWhen(store, jobId, ({ job }) => job.endedAt !== null, options)
}
