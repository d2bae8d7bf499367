/** One job, with its flow as a tree. Pure. */
import type { JobDetails } from '../../client/job.ts'
import type { AtomRecord, CallRecord } from '../../machine/records.ts'
import type { ProcessRecord } from '../../../persistence/store.ts'
import { RUN_BOARD } from '../../client/local-run.ts'
import { elsewhereText, type Elsewhere } from './elsewhere.ts'
import { stateText } from './jobs.ts'
import { lookOf } from './states.ts'
import type { Paint } from './paint.ts'
import { age, count, elapsed, moment, pad, plainText } from './text.ts'
import { drawTree, type NodeText } from './tree.ts'

export interface JobTextOptions {
  /** Of the database's clock, epoch ms. */
  readonly now: number
  /** The conductor that has it, if it lives. */
  readonly owner: ProcessRecord | undefined
  /** Why it is not on its board yet. */
  readonly waits?: string | undefined
  /** Where its calls are that workers run. */
  readonly elsewhere: Omit<Elsewhere, 'now'>
  readonly paint: Paint
}

const LONGEST_VALUE = 400

/** All that a person asks of a job. */
export function jobText(details: JobDetails, options: JobTextOptions): string {
  const { job, flow, document } = details
  const { paint, now } = options
  const facts: (readonly [string, string])[] = [
    ['job', job.id],
    ['state', stateText({ job, detail: flow }, now, paint)],
    ...standing(details, options),
    [
      'posted',
      `${moment(job.createdAt)} (${ago(now - job.createdAt)})${job.postedBy === null ? '' : ` by ${plainText(job.postedBy)}`}`,
    ],
    ...times(details, now),
    ...(job.key === null ? [] : [['key', plainText(job.key)] as const]),
    ...(job.board === 'main' ? [] : [['board', job.board] as const]),
    ...(job.priority === 0 ? [] : [['priority', String(job.priority)] as const]),
    ...(flow.run === 1 ? [] : [['run', `${flow.run} (${again(details)})`] as const]),
    ...labels(job.labels),
    ['input', value(flow.input, paint)],
    ...(flow.state === 'SUCCESS' ? [['output', value(flow.output, paint)] as const] : []),
  ]
  const widest = Math.max(...facts.map(([name]) => name.length))
  const version = document.version === undefined ? '' : ` v${document.version}`
  const lines = [
    `${paint.bold(job.flow)}${version}`,
    ...facts.map(([name, text]) => `  ${paint.dim(pad(name, widest))}  ${text}`),
    '',
    drawAtoms(details, options),
  ]
  const help = remedy(details)
  if (help.length > 0) lines.push('', ...help)
  return lines.join('\n')
}

function drawAtoms(
  { document, atoms, calls }: JobDetails,
  { paint, now, elsewhere }: JobTextOptions,
): string {
  const byPath = new Map(atoms.map((atom) => [atom.path, atom]))
  const callsOf = new Map<string, CallRecord[]>()
  for (const call of calls) {
    const known = callsOf.get(call.atom)
    if (known === undefined) callsOf.set(call.atom, [call])
    else known.push(call)
  }
  return drawTree(document, paint, (path, node) => {
    if (node.kind !== 'task') {
      const retry = byPath.get(`${path}:retry`)
      return retry === undefined ? {} : retryText(retry, paint)
    }
    const atom = byPath.get(path)
    if (atom === undefined) return { sign: paint.dim(lookOf('PENDING').sign) }
    const { below = [], ...text } = atomText(atom, callsOf.get(path) ?? [], now, paint)
    const place = elsewhereText(atom, node, { ...elsewhere, now }, paint)
    return { ...text, below: [...place, ...below] }
  })
}

function atomText(
  atom: AtomRecord,
  calls: readonly CallRecord[],
  now: number,
  paint: Paint,
): NodeText {
  const { sign, paint: colour } = lookOf(atom.state)
  const last = calls.at(-1)
  const parts = [colour(paint, atom.state)]
  if (last !== undefined) parts.push(paint.dim(elapsed(last.endedAt - last.startedAt)))
  const tries = calls.filter(({ direction }) => direction === 'execute').length
  if (tries > 1) parts.push(paint.yellow(count(tries, 'call')))
  if (atom.ignored !== null) parts.push(paint.dim(`skipped by ${atom.ignored}`))
  if (atom.dueAt !== null) {
    const left = atom.dueAt - now
    parts.push(paint.yellow(left > 0 ? `next attempt in ${elapsed(left)}` : 'next attempt is due'))
  }
  const below: string[] = []
  if (atom.failure !== null) below.push(paint.red(plainText(atom.failure.message)))
  else {
    const failed = calls.findLast(
      ({ failure, direction }) => failure !== null && direction === 'execute',
    )
    if (failed?.failure != null && atom.state !== 'SUCCESS')
      below.push(paint.red(plainText(failed.failure.message)))
    else if (failed?.failure != null)
      below.push(paint.dim(`attempt ${failed.attempt}: ${plainText(failed.failure.message)}`))
  }
  if (atom.revertFailure !== null) {
    below.push(paint.red(`its revert: ${plainText(atom.revertFailure.message)}`))
  }
  return { sign: colour(paint, sign), beside: parts.join('  '), below }
}

function retryText(retry: AtomRecord, paint: Paint): NodeText {
  const rounds = retry.rounds?.length ?? 0
  return rounds > 1 ? { beside: paint.yellow(`round ${rounds}`) } : {}
}

/** Why it stands where it stands. */
function standing(
  { job, flow }: JobDetails,
  { now, owner, waits: waitsFor }: JobTextOptions,
): readonly (readonly [string, string])[] {
  const reason = job.reason ?? flow.reason
  const why = reason === null ? [] : [['why', plainText(reason)] as const]
  switch (job.state) {
    case 'CLAIMED':
      return [
        [
          'conductor',
          owner === undefined
            ? 'died or stands still; another one takes the job over'
            : `${owner.name} on ${owner.host} (process ${owner.pid})`,
        ],
        ...why,
      ]
    case 'PARKED': {
      const waits = {
        delay: 'until it is due',
        retry: 'for the next attempt',
        suspended: 'until somebody resumes it',
        task: 'for a task that runs elsewhere',
      }
      const due =
        job.dueAt === null
          ? ''
          : ` (${moment(job.dueAt)}, in ${elapsed(Math.max(0, job.dueAt - now))})`
      return [['waits', `${job.parkedFor === null ? '' : waits[job.parkedFor]}${due}`], ...why]
    }
    case 'POSTING':
      return [...(waitsFor === undefined ? [] : [['waits', waitsFor] as const]), ...why]
    case 'UNCLAIMED':
    case 'COMPLETE':
    case 'TRASHED':
      return why
  }
}

/** How it came to run again. The calls of what was kept are of the run before. */
function again({ flow, atoms, calls }: JobDetails): string {
  const before = new Set(calls.flatMap((one) => (one.endedAt < flow.createdAt ? [one.atom] : [])))
  const kept = atoms.filter(({ kind, path }) => kind === 'task' && before.has(path)).length
  if (kept === 0) return 'run again from its start'
  return `run again from where it failed; ${count(kept, 'task')} kept`
}

function times({ flow }: JobDetails, now: number): readonly (readonly [string, string])[] {
  const { startedAt, endedAt } = flow
  if (startedAt === null) return []
  if (endedAt === null)
    return [['runs', `since ${moment(startedAt)} (${elapsed(now - startedAt)})`]]
  return [['ended', `${moment(endedAt)}, took ${elapsed(endedAt - startedAt)}`]]
}

function labels(all: { readonly [name: string]: string }): readonly (readonly [string, string])[] {
  const text = Object.entries(all).map(([name, label]) => `${plainText(name)}=${plainText(label)}`)
  return text.length === 0 ? [] : [['labels', text.join(' ')]]
}

/** What can be done about it. */
function remedy({ job, atoms }: JobDetails): readonly string[] {
  if (job.board === RUN_BOARD && job.state !== 'COMPLETE' && job.state !== 'TRASHED') {
    return [`Go on with: zagflow run --resume ${job.id} --tasks …`]
  }
  if (job.state === 'PARKED' && job.parkedFor === 'suspended' && job.dueAt === null) {
    return [`Go on with: zagflow jobs resume ${job.id}`]
  }
  if (job.state !== 'TRASHED') return []
  const stuck = atoms.filter(({ state }) => state === 'REVERT_FAILURE')
  if (stuck.length === 0) return [`Once the cause is mended: zagflow jobs release ${job.id}`]
  return stuck
    .slice(0, 3)
    .map(({ path }) => `Decide: zagflow jobs revert ${job.id} ${path} --again (or --skip)`)
}

function value(json: unknown, paint: Paint): string {
  const text = JSON.stringify(json)
  return text.length <= LONGEST_VALUE
    ? text
    : `${text.slice(0, LONGEST_VALUE)}… ${paint.dim('(all of it: --json)')}`
}

function ago(ms: number): string {
  const text = age(ms)
  return text === 'now' ? 'just now' : `${text} ago`
}
