/**
 * `zagflow run`: a flow, here, to its end.
 *
 * Invariants
 * U1  The first Ctrl-C suspends durably, and the last line says how to go on; the second ends the process at once, and what
 *     ran goes on from its last commit with the same command.
 * U2  What tasks print goes to stderr; stdout carries the output alone.
 */
import { NotFoundError, UsageError } from '../../base/errors.ts'
import type { Json, JsonObject } from '../../base/json.ts'
import type { BrokerPlace } from '../../client/broker-place.ts'
import {
  sourceOf,
  completed,
  prepare,
  type PreparedFlow,
  type Signatures,
} from '../../posting/prepare.ts'
import { KnownSignatures } from '../../posting/signatures.ts'
import type { SourceDocument } from '../../flow/document.ts'
import { tasksOf } from '../../client/served.ts'
import { RUN_BOARD } from '../../client/local-run.ts'
import type { Outcome } from '../../client/outcome.ts'
import { resume, run, type ResumeOptions } from '../../client/run.ts'
import type { ResolvedDocument } from '../../flow/resolved.ts'
import type { Store } from '../../../persistence/store.ts'
import type { TaskRegistry } from '../../worker/registry.ts'
import type { Context } from '../context.ts'
import { takeFromTheDead } from '../dead-owner.ts'
import { createDisplay, type Display } from '../display.ts'
import { createEngine } from '../engine.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { findFlow } from '../flow-source.ts'
import { readInput } from '../input.ts'
import { onInterrupt } from '../interrupts.ts'
import { findJob } from '../job-id.ts'
import { readLabels } from '../labels.ts'
import { loadTasks } from '../modules.ts'
import { exitCodeOfOutcome, outcomeData, outcomeText } from '../printing/outcome.ts'
import { elapsed } from '../printing/text.ts'
import { drawTree } from '../printing/tree.ts'
import { DEFAULT_PERSISTENCE } from '../settings/names.ts'

export interface RunFlags {
  readonly input?: string
  readonly set: readonly string[]
  readonly label: readonly string[]
  readonly dryRun?: boolean
  readonly resume?: string
  readonly key?: string
  readonly quiet?: boolean
}

export async function runCommand(
  context: Context,
  reference: string | undefined,
  flags: RunFlags,
): Promise<ExitCode> {
  if (flags.resume !== undefined) return resumeRun(context, reference, flags.resume, flags)
  if (reference === undefined) {
    throw new UsageError('expected a flow: a file, module.ts#export or a registered name', {
      hint: 'such as: zagflow run checkout.yaml --set sku=A1',
    })
  }
  const { terminal, settings, registered } = context
  const found = await findFlow(reference, {
    modules: settings.tasks,
    takesTasks: true,
    registered,
  })
  terminal.say(terminal.talk.dim(`flow: ${found.described}`))
  const input = readInput(flags.input, flags.set)
  const broker = brokerFor(context, found.tasks)
  const source = sourceOf(found.flow)
  const signatures =
    broker === undefined
      ? found.tasks.signatures()
      : await announcedSignatures(await context.sharedStore(), source, found.tasks)
  const prepared = prepare(source, signatures)
  if (flags.dryRun === true) return dryRun(context, prepared, input)
  const labels = readLabels(flags.label)
  completed(prepared, input) // what is wrong is said before anything is opened
  const store = await context.store()
  const known = flags.key === undefined ? null : await store.job(flags.key, RUN_BOARD)
  if (known !== null) await takeFromTheDead(store, known.job)
  return drive(context, {
    store,
    document: prepared.document,
    tasks: found.tasks,
    broker,
    modules: found.modules,
    flags,
    begin: async (options, onStart) => {
      const all = { ...options, store, key: flags.key, labels, onStart }
      const begin = () => run(prepared.source, input, all)
      return known === null ? begin() : pastSuspension(store, known.job.id, options, begin)
    },
  })
}

async function resumeRun(
  context: Context,
  reference: string | undefined,
  wanted: string,
  flags: RunFlags,
): Promise<ExitCode> {
  const { terminal, settings, registered } = context
  if (flags.input !== undefined || flags.set.length > 0 || flags.key !== undefined) {
    throw new UsageError('--resume goes on with the input that is stored', {
      hint: 'leave out --input, --set and --key',
    })
  }
  const options = { modules: settings.tasks, takesTasks: true, registered }
  const found = reference === undefined ? undefined : await findFlow(reference, options)
  const tasks = found?.tasks ?? (await loadTasks(settings.tasks))
  const store = await context.sharedStore()
  const { job, detail } = await findJob(store, wanted, context.boardName)
  const document = await store.document(detail.document)
  if (document === null) throw new NotFoundError('document', detail.document)
  const resolved = document as unknown as ResolvedDocument // stored by `post` alone
  const atoms = await store.atoms(detail.id)
  const broker = brokerFor(context, tasks, { job, atoms })
  if (broker === undefined) refuseMissingTasks(resolved, tasks, job.id)
  await takeFromTheDead(store, job)
  terminal.say(terminal.talk.dim(`goes on with job ${job.id} (${job.flow})`))
  return drive(context, {
    store,
    document: resolved,
    tasks,
    broker,
    modules: found?.modules ?? settings.tasks,
    flags,
    jobId: job.id,
    before: atoms,
    begin: (options) =>
      pastSuspension(store, job.id, options, () => resume(store, job.id, options)),
  })
}

interface Drive {
  readonly store: Store
  readonly document: ResolvedDocument
  readonly tasks: TaskRegistry
  /** Where workers are that run the tasks; undefined: they run here. */
  readonly broker: BrokerPlace | undefined
  readonly modules: readonly string[]
  readonly flags: RunFlags
  readonly jobId?: string
  /** Atoms that have run before. */
  readonly before?: Awaited<ReturnType<Store['atoms']>>
  readonly begin: (
    options: ResumeOptions,
    onStart: (jobId: string) => void,
  ) => Promise<Outcome<Json>>
}

async function drive(context: Context, options: Drive): Promise<ExitCode> {
  const { terminal, settings, logger } = context
  const { document, tasks, flags, broker } = options
  if (broker !== undefined) {
    terminal.say(terminal.talk.dim(`tasks run on workers of ${broker.shown}`))
  }
  const engine = broker === undefined ? createEngine(settings, tasks, logger) : undefined
  await engine?.start()
  const display = createDisplay(terminal, document, flags.quiet === true ? 'none' : undefined)
  let jobId = options.jobId
  const where = { modules: options.modules, isOnWorkers: broker !== undefined }
  const again = (): string => resumeCommand(jobId ?? '', where, settings.persistence)
  const interrupts = interruptible(context, display, again, () => jobId !== undefined)
  const undirect = terminal.redirect()
  const startedAt = performance.now()
  display.begin(
    (options.before ?? []).map(({ kind, path: name, state, attempt, failure }) => {
      const at = Date.now()
      return { kind, name, state, attempt, at, ...(failure === null ? {} : { failure }) }
    }),
  )
  try {
    const outcome = await options.begin(
      {
        ...(broker === undefined
          ? { engine }
          : { engine: 'worker-based', broker: broker.urls, namespace: broker.namespace }),
        tasks,
        logger,
        signal: interrupts.signal,
        onAbort: 'suspend',
        onEvent: (event) => display.event(event),
        onProgress: (atom, progress, details) => display.progress(atom, progress, details),
      },
      (id) => (jobId = id),
    )
    display.end()
    undirect()
    const took = elapsed(performance.now() - startedAt)
    const talk = { took, again: again(), paint: terminal.talk }
    terminal.say(outcomeText(document.flow, outcome, talk))
    if (terminal.json) terminal.data(outcomeData(document.flow, outcome))
    else if (outcome.state === 'SUCCESS') terminal.print(JSON.stringify(outcome.output, null, 2))
    return exitCodeOfOutcome(outcome)
  } finally {
    display.end()
    undirect()
    interrupts.end()
    await engine?.stop({ graceMs: 0 })
  }
}

/**
 * The broker over which workers run the tasks: where it is asked for, where tasks of the run are with workers already, and where a
 * broker is set and no tasks are loaded. Else they run here. Throws {@link UsageError}.
 */
function brokerFor(
  context: Context,
  tasks: TaskRegistry,
  resumed?: {
    readonly job: { readonly id: string }
    readonly atoms: Awaited<ReturnType<Store['atoms']>>
  },
): BrokerPlace | undefined {
  const { engine } = context.settings
  if (engine === 'serial' || engine === 'parallel') return undefined
  if (engine === 'worker-based')
    return context.requireBroker('the worker-based engine needs a broker')
  const isElsewhere = resumed?.atoms.some(
    ({ state, replyTo }) => replyTo !== null && (state === 'RUNNING' || state === 'REVERTING'),
  )
  if (isElsewhere === true) {
    return context.requireBroker(
      `tasks of the job ${resumed?.job.id} are with workers`,
      'set ZAGFLOW_BROKER, so that it goes on over them; or --engine parallel to run again here what they may be running',
    )
  }
  return tasks.tasks.length === 0 ? context.broker : undefined
}

/** What tasks need and give: of those that are loaded, and of those that workers have announced. */
function announcedSignatures(
  store: Store,
  source: SourceDocument,
  tasks: TaskRegistry,
): Promise<Signatures> {
  return new KnownSignatures({ store, board: RUN_BOARD, here: tasks }).of(source, tasks)
}

/**
 * Goes on with a run; where its last process was ended while it was being suspended, past that suspension: who wants it to
 * go on wants so later.
 */
async function pastSuspension(
  store: Store,
  jobId: string,
  options: ResumeOptions,
  begin: () => Promise<Outcome<Json>>,
): Promise<Outcome<Json>> {
  const [{ mail }, found] = [await store.mailOf(jobId), await store.job(jobId)]
  const wasAsked =
    found?.detail.state === 'SUSPENDING' || mail.some(({ kind }) => kind === 'suspend')
  const outcome = await begin()
  const isStale = wasAsked && outcome.state === 'SUSPENDED'
  return isStale && options.signal?.aborted !== true ? begin() : outcome
}

/** U1. */
function interruptible(
  { terminal }: Context,
  display: Display,
  again: () => string,
  isStored: () => boolean,
): ReturnType<typeof onInterrupt> {
  return onInterrupt({
    first: () => display.footer('Suspending once what runs has ended… (Ctrl-C again: end now)'),
    again: () => {
      display.end()
      terminal.restore()
      if (isStored()) terminal.say(`Ended in the middle. Go on with: ${again()}`)
      process.exit(EXIT.interrupted)
    },
  })
}

function dryRun(context: Context, prepared: PreparedFlow, given: JsonObject): ExitCode {
  const { terminal } = context
  const input = completed(prepared, given)
  const { document, documentHash } = prepared
  if (terminal.json) {
    terminal.data({ flow: document.flow, hash: documentHash, input, document })
  } else {
    terminal.print(drawTree(document, terminal.paint))
    terminal.print(`\n${terminal.paint.bold('input')}  ${JSON.stringify(input)}`)
    terminal.say('Everything fits. Nothing was run, nothing was stored.')
  }
  return EXIT.done
}

/** The command that goes on with a run: what was not the default is in it. */
function resumeCommand(
  jobId: string,
  { modules, isOnWorkers }: { readonly modules: readonly string[]; readonly isOnWorkers: boolean },
  persistence: string,
): string {
  const tasks = modules.map((one) => `--tasks ${quoted(one)}`)
  const how = isOnWorkers ? ['--engine worker-based'] : tasks
  const parts = ['zagflow run --resume', jobId, ...how]
  const isDefault = persistence === DEFAULT_PERSISTENCE
  const isGiven = process.env['ZAGFLOW_PERSISTENCE'] === persistence
  // A URL of a server may hold a password, which is not printed.
  if (!isDefault && !isGiven && /^(better-)?sqlite3?:/.test(persistence)) {
    parts.push(`--persistence ${quoted(persistence)}`)
  }
  return parts.join(' ')
}

function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`
}

/** A run whose tasks are not loaded would fail and be reverted: that is no way to go on. */
function refuseMissingTasks(document: ResolvedDocument, tasks: TaskRegistry, jobId: string): void {
  const missing = [...tasksOf(document)].filter((name) => tasks.find(name) === undefined)
  if (missing.length === 0) return
  const names = missing.slice(0, 8).join(', ')
  throw new UsageError(`the job ${jobId} needs tasks that are not loaded: ${names}`, {
    hint: 'name the module that has them: --tasks ./tasks.ts',
  })
}
