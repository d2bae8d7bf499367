/**
 * What is known of a flow while it runs, for drawing: its atoms in the order of the document, with their states.
 *
 * Invariants
 * P1  Taking an event costs the same however big the flow is; so does choosing what to show of a big one.
 * P2  It knows no clock: times are those of the events.
 */
import type { ResolvedDocument, ResolvedNode } from '../../flow/resolved.ts'
import type { AtomState, FlowState } from '../../machine/states.ts'

/** A line of the drawing: a task, or a flow inside the flow. */
export interface Row {
  readonly kind: 'task' | 'flow'
  /** Path, such as `checkout/settle/payment.charge`. */
  readonly path: string
  /** Levels below the root's children. */
  readonly depth: number
  readonly name: string
  /** `linear`, `unordered`, `graph`; of a task its name, where its id is another. */
  readonly about: string
  /** Attempts that it may take, where that is a number. */
  readonly attempts: number | undefined
  state: AtomState
  attempt: number
  startedAt: number | undefined
  endedAt: number | undefined
  /** 0 to 1. */
  progress: number | undefined
  note: string
  /** Message of the last failure, while it matters. */
  failure: string | undefined
  /** Of a flow with a retry: the round, and its last failure. */
  round: number
}

/** What happened to an atom or the flow: what of an event is drawn. */
export interface Happened {
  readonly kind: 'flow' | 'task' | 'retry'
  readonly name: string
  readonly state: string
  readonly attempt?: number | undefined
  readonly failure?: { readonly message: string } | undefined
  readonly at: number
}

const ACTIVE: ReadonlySet<string> = new Set(['RUNNING', 'RETRYING', 'REVERTING'])
const BAD: ReadonlySet<string> = new Set(['FAILURE', 'REVERT_FAILURE'])
const RECENT = 6

export class FlowProgress {
  readonly flow: string
  readonly rows: readonly Row[]
  readonly tasks: number
  state: FlowState = 'PENDING'
  startedAt: number | undefined
  endedAt: number | undefined
  readonly counts = new Map<AtomState, number>()
  readonly #byPath = new Map<string, Row>()
  readonly #active = new Set<Row>()
  readonly #bad = new Set<Row>()
  #recent: Row[] = []

  constructor(document: ResolvedDocument) {
    this.flow = document.flow
    const rows: Row[] = []
    const visit = (node: ResolvedNode, path: string, depth: number): void => {
      rows.push(rowOf(node, path, depth))
      if (node.kind === 'task') return
      for (const child of node.nodes) visit(child, `${path}/${child.id}`, depth + 1)
    }
    visit(document.root, document.root.id, -1)
    this.rows = rows
    for (const row of rows) this.#byPath.set(row.path, row)
    this.tasks = rows.filter(({ kind }) => kind === 'task').length
    this.counts.set('PENDING', this.tasks)
  }

  /** Atoms in this state. */
  count(...states: readonly AtomState[]): number {
    return states.reduce((sum, state) => sum + (this.counts.get(state) ?? 0), 0)
  }

  take(event: Happened): void {
    if (event.kind === 'flow') {
      this.state = event.state as FlowState
      this.startedAt ??= event.at
      this.endedAt = ENDS.has(event.state) ? event.at : undefined
      return
    }
    const path = event.kind === 'retry' ? event.name.replace(/:retry$/, '') : event.name
    const row = this.#byPath.get(path)
    if (row === undefined) return
    if (event.kind === 'retry') this.#takeRound(row, event)
    else this.#takeTask(row, event)
  }

  progress(path: string, progress: number, details: unknown): void {
    const row = this.#byPath.get(path)
    if (row === undefined) return
    row.progress = progress
    row.note = noteOf(details)
  }

  /** The rows that matter most, in the order of the document: what runs, what failed, what ended last; at most `most`. */
  notable(most: number): readonly Row[] {
    const chosen = new Set<Row>()
    for (const rows of [this.#active, this.#bad, this.#recent.toReversed()]) {
      for (const row of rows) {
        if (chosen.size >= most) break
        chosen.add(row)
      }
    }
    return [...chosen].sort((a, b) => (a.path < b.path ? -1 : 1))
  }

  #takeTask(row: Row, event: Happened): void {
    const state = event.state as AtomState
    this.counts.set(row.state, (this.counts.get(row.state) ?? 1) - 1)
    this.counts.set(state, (this.counts.get(state) ?? 0) + 1)
    row.state = state
    if (event.attempt !== undefined) row.attempt = event.attempt
    if (event.failure !== undefined) row.failure = event.failure.message
    if (state === 'SUCCESS' || state === 'PENDING') row.failure = undefined
    if (state === 'RUNNING' || state === 'REVERTING' || state === 'PENDING') {
      row.startedAt = state === 'PENDING' ? undefined : event.at
      row.endedAt = undefined
      row.progress = undefined
      row.note = ''
    } else {
      row.endedAt = event.at
    }
    if (ACTIVE.has(state)) this.#active.add(row)
    else this.#active.delete(row)
    if (BAD.has(state)) this.#bad.add(row)
    else this.#bad.delete(row)
    if (!ACTIVE.has(state) && state !== 'PENDING') {
      this.#recent.push(row)
      if (this.#recent.length > RECENT) this.#recent = this.#recent.slice(-RECENT)
    }
  }

  #takeRound(row: Row, event: Happened): void {
    row.state = event.state as AtomState
    if (event.state === 'SUCCESS') row.round = event.attempt ?? row.round + 1
    if (event.failure !== undefined) row.failure = event.failure.message
  }
}

const ENDS: ReadonlySet<string> = new Set(['SUCCESS', 'FAILURE', 'REVERTED', 'SUSPENDED'])

function rowOf(node: ResolvedNode, path: string, depth: number): Row {
  const isTask = node.kind === 'task'
  const { retry } = node
  const attempts = retry !== undefined && 'attempts' in retry ? retry.attempts : undefined
  return {
    kind: isTask ? 'task' : 'flow',
    path,
    depth,
    name: node.label ?? node.id,
    about: isTask
      ? node.label === undefined && node.task === node.id
        ? ''
        : node.task
      : node.kind,
    attempts: typeof attempts === 'number' ? attempts : undefined,
    state: 'PENDING',
    attempt: 0,
    startedAt: undefined,
    endedAt: undefined,
    progress: undefined,
    note: '',
    failure: undefined,
    round: 0,
  }
}

/** What a task says beside its progress: a text, or the one text in an object. */
function noteOf(details: unknown): string {
  if (typeof details === 'string') return details
  if (typeof details !== 'object' || details === null) return ''
  return Object.entries(details)
    .filter(([, value]) => typeof value === 'string' || typeof value === 'number')
    .slice(0, 3)
    .map(([key, value]) => (key === 'message' ? String(value) : `${key} ${value}`))
    .join(', ')
}
