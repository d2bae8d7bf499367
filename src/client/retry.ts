/**
 * A job that ended runs again: from its start, or from where it failed.
 *
 * Invariants
 * Y1  Nothing is stored of what is refused: state, versions and input are checked before.
 * Y2  What is kept is decided on rows that were read, and stored only if run and revision of the job are still the same.
 */
import { isDeepStrictEqual } from 'node:util'
import { ConflictError, NotFoundError, UsageError } from '../base/errors.ts'
import { toFailure } from '../base/failure.ts'
import { uuidV7 } from '../base/ids.ts'
import type { JsonObject } from '../base/json.ts'
import { compile, nodeAt, providers, type Plan } from '../flow/compile.ts'
import { completeInput } from '../flow/complete-input.ts'
import { RESOLVED_FORMAT, SEMANTICS, type ResolvedDocument } from '../flow/resolved.ts'
import { compileTemplate } from '../flow/template.ts'
import { carryOver } from '../machine/carry-over.ts'
import type { AtomRecord } from '../machine/records.ts'
import type {
  CarriedRun,
  FlowDetail,
  JobRecord,
  LoadedFlow,
  Store,
} from '../../persistence/store.ts'
import { tellBoard, type BoardPlace } from './tell-board.ts'

/** How a job runs again. */
export interface RetryOptions {
  /**
   * `start`: as if it had just been posted. `failed`: what succeeded and was not taken back is kept with its results, the rest runs
   * again. @default 'start'
   */
  readonly from?: 'start' | 'failed' | undefined
  /**
   * Another input, or what makes it of the one it had. It is checked as when the job was posted. Tasks that are kept keep the results
   * that they gave for the old one. @default the input it had
   */
  readonly input?: JsonObject | ((input: JsonObject) => JsonObject) | undefined
}

/** What a retry came to. */
export interface Retried {
  /** Number of the new run: 2 for the first retry. */
  readonly run: number
  /** Tasks that are kept with their results, by path. */
  readonly kept: readonly string[]
  /** Those of `kept` that read a symbol of the input that is another one now. */
  readonly outdated: readonly string[]
}

/**
 * Makes a job run again. Throws {@link ConflictError} (it has not ended, or there is nothing to go on from), {@link NotFoundError},
 * {@link InvalidInputError}, {@link UnavailableError}. `decide` only says what would be done.
 */
export async function retryJob(
  place: BoardPlace,
  jobId: string,
  options: RetryOptions = {},
): Promise<Retried> {
  const decided = await decideRetry(place.store, jobId, options)
  const { flowId, input, carried, retried } = decided
  const job = await place.store.rerun(jobId, { flowId, input, carried })
  if (job === null) throw new ConflictError(`the job ${jobId}`, 'it goes on already')
  await tellBoard(place, job)
  return retried
}

/** Makes a job in the trash, suspended or on probation claimable again. Throws {@link ConflictError}, {@link NotFoundError}. */
export async function releaseJob(place: BoardPlace, jobId: string): Promise<JobRecord> {
  const released = await place.store.releaseJob(jobId)
  if (released === null) {
    const found = await place.store.job(jobId)
    if (found === null) throw new NotFoundError('job', jobId)
    const why = `it is ${found.job.state}: there is nothing to release it from`
    throw new ConflictError(`the job ${jobId}`, why)
  }
  await tellBoard(place, released)
  return released
}

/** What a retry would do. Throws what {@link retryJob} throws. */
export async function decideRetry(
  store: Store,
  jobId: string,
  options: RetryOptions,
): Promise<{
  readonly flowId: string
  readonly input: JsonObject | undefined
  readonly carried: CarriedRun | undefined
  readonly retried: Retried
}> {
  const { from = 'start' } = options
  if (from !== 'start' && from !== 'failed') {
    throw new UsageError(`retry(): from: expected "start" or "failed", got ${String(from)}`)
  }
  // Y2: the rows, where they are needed, in the same look as the job.
  const isFromFailed = from === 'failed'
  const [loaded] = isFromFailed ? await store.load([jobId]) : []
  const found = isFromFailed ? loaded : await store.job(jobId)
  if (found === undefined || found === null) throw new NotFoundError('job', jobId)
  const { job, detail } = found
  if (job.endedAt === null) {
    throw new ConflictError(`the job ${jobId}`, 'it has not ended', {
      hint: `cancel it first, or wait: zagflow jobs watch ${jobId}`,
    })
  }
  if (isFromFailed) refuseNothingFailed(job, detail)
  const document = await documentOf(store, detail.document)
  const input = inputOf(document, detail.input, options.input)
  const flowId = uuidV7()
  const run = detail.run + 1
  if (loaded === undefined) {
    return { flowId, input, carried: undefined, retried: { run, kept: [], outdated: [] } }
  }
  const { plan, carried } = carriedRun(loaded, document)
  const kept = carried.atoms.filter(({ kind, state }) => kind === 'task' && state === 'SUCCESS')
  const changed = input === undefined ? [] : changedSymbols(detail.input, input)
  const outdated = kept.filter(({ path }) => readsAny(plan, path, changed, kept))
  return {
    flowId,
    input,
    // Where nothing is kept it begins at its start.
    carried: carried.atoms.length === 0 ? undefined : carried,
    retried: {
      run,
      kept: kept.map(({ path }) => path),
      outdated: outdated.map(({ path }) => path),
    },
  }
}

/** Documents that were read, by store and hash: they never change, and many jobs have the same. */
const documents = new WeakMap<Store, Map<string, ResolvedDocument>>()
const MOST = 100

async function documentOf(store: Store, hash: string): Promise<ResolvedDocument> {
  const known = documents.get(store) ?? new Map<string, ResolvedDocument>()
  documents.set(store, known)
  const there = known.get(hash)
  if (there !== undefined) return there
  const stored = await store.document(hash)
  if (stored === null) throw new NotFoundError('document', hash)
  const document = stored as unknown as ResolvedDocument // stored by `post` alone
  if (known.size >= MOST) known.clear()
  known.set(hash, document)
  return document
}

const plans = new WeakMap<ResolvedDocument, Plan>()

function planOf(document: ResolvedDocument, hash: string): Plan {
  const plan = plans.get(document) ?? compile(document, hash)
  plans.set(document, plan)
  return plan
}

function inputOf(
  document: ResolvedDocument,
  had: JsonObject,
  wanted: RetryOptions['input'],
): JsonObject | undefined {
  if (wanted === undefined) return undefined
  return completeInput(document, typeof wanted === 'function' ? wanted(had) : wanted)
}

function refuseNothingFailed(job: JobRecord, detail: FlowDetail): void {
  const { format, semantics, state } = detail
  const refuse = (why: string, hint: string): never => {
    throw new ConflictError(`the job ${job.id}`, why, { hint })
  }
  if (state === 'SUCCESS') refuse('nothing of it failed', 'run all of it again: from its start')
  if (state !== 'FAILURE' && state !== 'REVERTED') {
    refuse(
      `it is in the trash in the middle of its run (${state})`,
      `it goes on as it was with: zagflow jobs release ${job.id}; or run it again from its start`,
    )
  }
  if (format > RESOLVED_FORMAT || semantics > SEMANTICS) {
    refuse(
      `a newer version ran it (format ${format}, semantics ${semantics})`,
      'upgrade, or run it again from its start',
    )
  }
}

function carriedRun(
  loaded: LoadedFlow,
  document: ResolvedDocument,
): { readonly plan: Plan; readonly carried: CarriedRun } {
  const { job, detail } = loaded
  try {
    const plan = planOf(document, detail.document)
    const { revision } = job
    return { plan, carried: { flowId: detail.id, revision, ...carryOver(plan, loaded) } }
  } catch (error) {
    const why = `its rows do not fit its flow: ${toFailure(error).message}`
    throw new ConflictError(`the job ${job.id}`, why, { hint: 'run it again from its start' })
  }
}

function changedSymbols(had: JsonObject, has: JsonObject): readonly string[] {
  const names = new Set([...Object.keys(had), ...Object.keys(has)])
  return [...names].filter((name) => !isDeepStrictEqual(had[name], has[name]))
}

/** Whether a task reads one of these symbols, and nobody in the flow gave it. */
function readsAny(
  plan: Plan,
  path: string,
  symbols: readonly string[],
  kept: readonly AtomRecord[],
): boolean {
  const node = nodeAt(plan, path)
  if (symbols.length === 0 || node?.kind !== 'task') return false
  const { task } = node
  return Object.keys(task.requires).some((argument) => {
    const bound = task.with?.[argument]
    const template = bound === undefined ? undefined : compileTemplate(bound)
    if (template?.expressions.some(({ variables }) => variables.includes('input'))) return true
    const read = template?.symbols ?? [argument]
    return read.some((symbol) => {
      if (!symbols.includes(symbol)) return false
      const givers = [...providers(node, symbol)].map((giver) => giver.path)
      return !kept.some((atom) => givers.includes(atom.path))
    })
  })
}
