/**
 * A run that failed or was reverted runs again from where it failed: which rows of it a new run begins with. Pure.
 *
 * Invariants
 * N1  A node is kept only if it is done and not undone, and all before it are kept: so all that gave it values, or decided
 *     about it, are.
 * N2  What has a revert and stands (SUCCESS) is always kept: nothing is done twice that nobody took back.
 * N3  What a revert took back, or may have (REVERT_FAILURE), is not kept. A task without a revert was never taken back: what it
 *     gave stands, also in a flow that is REVERTED.
 * N4  The new run is one that the machine itself could have come to: it goes on as any other after a crash. A failure that was
 *     tolerated (`onFailure: continue`) stays tolerated, and what a decider ignored stays ignored, where all before it is kept.
 * N5  A round of a retry that failed begins anew, from the flow's start and with a whole budget; where something in it stands by
 *     N2 it goes on instead, with its value and a whole budget. A round that had not failed goes on as it was.
 *
 * Costs O(rows + edges of the plan).
 */
import type { FlowPlan, NodePlan, Plan, TaskPlan } from '../flow/compile.ts'
import type { AtomRecord, IgnoreReason, RetryRound, ScopeRecord } from './records.ts'
import { reachedBy } from './start.ts'

/** Rows that a new run begins with; none: it begins at its start. */
export interface CarriedOver {
  readonly atoms: readonly AtomRecord[]
  readonly scopes: readonly ScopeRecord[]
}

/** What is kept of a run that ended REVERTED or FAILURE, as its rows say. */
export function carryOver(plan: Plan, ended: CarriedOver): CarriedOver {
  const ledger = new Ledger(ended)
  ledger.keepRoot(plan.root)
  const stands = ledger.atoms.some(({ kind, state }) => kind === 'task' && state === 'SUCCESS')
  return stands ? { atoms: ledger.atoms, scopes: ledger.scopes } : { atoms: [], scopes: [] }
}

/** `part`: some of a flow is kept, not all of it. */
type Kept = 'whole' | 'part' | 'none'

/** What is kept of a flow. */
interface KeptFlow {
  readonly kept: Kept
  /** Something in it that has a revert stands. */
  readonly holds: boolean
  /** A decider in it ignored what comes after it in the flows around it (depth `all`). */
  readonly ignoresBeyond: boolean
}

const NOTHING: KeptFlow = { kept: 'none', holds: false, ignoresBeyond: false }

class Ledger {
  readonly atoms: AtomRecord[] = []
  readonly scopes: ScopeRecord[] = []
  readonly #atomRows: ReadonlyMap<string, AtomRecord>
  readonly #scopeRows: ReadonlyMap<string, ScopeRecord>

  constructor(ended: CarriedOver) {
    this.#atomRows = new Map(ended.atoms.map((atom) => [atom.path, atom]))
    this.#scopeRows = new Map(ended.scopes.map((scope) => [scope.path, scope]))
  }

  keepRoot(root: FlowPlan): void {
    const row = this.#scopeRows.get(root.path)
    if (row !== undefined && row.state !== 'PENDING') this.#keepEntered(root, row, true)
  }

  #keepNode(node: NodePlan): KeptFlow {
    if (node.kind === 'task') {
      const kept = this.#keptTask(node)
      if (kept === undefined) return NOTHING
      this.atoms.push(kept)
      const holds = node.task.revert && kept.state === 'SUCCESS'
      return { kept: 'whole', holds, ignoresBeyond: kept.ignored === 'all' }
    }
    const row = this.#scopeRows.get(node.path)
    if (row === undefined || row.state === 'PENDING') return NOTHING
    if (row.state !== 'IGNORED' && row.state !== 'CONTINUED') {
      return this.#keepEntered(node, row, false)
    }
    return { kept: 'whole', holds: false, ignoresBeyond: this.#keepAsItIs(node) }
  }

  /** N3, N4. */
  #keptTask({ path, task, continues }: TaskPlan): AtomRecord | undefined {
    const row = this.#atomRows.get(path)
    switch (row?.state) {
      case 'SUCCESS':
      case 'IGNORE':
        return settled(row)
      case 'REVERTED': {
        if (continues && row.failure !== null) return settled(row)
        const isUndone = task.revert || row.outcome !== 'success'
        return isUndone ? undefined : settled({ ...row, state: 'SUCCESS' })
      }
      default:
        return undefined
    }
  }

  #keepEntered(flow: FlowPlan, row: ScopeRecord, isRoot: boolean): KeptFlow {
    const atomsBefore = this.atoms.length
    const scopesBefore = this.scopes.length
    const content = this.#keepContent(flow)
    // Its time may have run out while the last of it ended: nothing of it is left to do. Without content it may not have begun.
    const hasBegun = row.failure === null || content.count > 0
    const isWhole = content.count === flow.children.length && hasBegun
    const round = flow.retry === null ? null : this.#keptRetry(flow, isWhole, content.holds)
    if (round === undefined || (content.isEmpty && !isWhole)) {
      this.atoms.length = atomsBefore
      this.scopes.length = scopesBefore
      return NOTHING
    }
    if (round !== null) this.atoms.push(round)
    this.scopes.push({
      path: flow.path,
      state: isWhole && !isRoot ? 'DONE' : 'ENTERED',
      intention: 'EXECUTE',
      dueAt: null,
      ignored: null,
      failure: null,
    })
    const { holds, ignoresBeyond } = content
    return { kept: isWhole ? 'whole' : 'part', holds, ignoresBeyond }
  }

  /** N1: children in the order of the flow, each after all before it. `count`: those that are kept as a whole. */
  #keepContent(flow: FlowPlan): {
    readonly count: number
    readonly isEmpty: boolean
    readonly holds: boolean
    readonly ignoresBeyond: boolean
  } {
    const kept = new Set<number>()
    let holds = false
    let ignoresBeyond = false
    /** Those that ignored others, with how far. */
    const ignoring: { readonly index: number; readonly depth: IgnoreReason }[] = []
    const count = visit(flow, (index) => {
      const node = flow.children[index] as NodePlan // a position of this flow
      const one = this.#keepNode(node)
      if (one.kept === 'none') return false
      kept.add(index)
      holds ||= one.holds
      ignoresBeyond ||= one.ignoresBeyond
      const depth = one.ignoresBeyond ? 'all' : this.#ignoredBy(node)
      if (depth !== null) ignoring.push({ index, depth })
      return one.kept === 'whole'
    })
    // N4: what they ignored is passed over when its turn comes, though not all before it is kept.
    for (const { index, depth } of ignoring) {
      for (const at of reachedBy(flow, index, depth)) {
        const node = flow.children[at] as NodePlan // a position of this flow
        if (kept.has(at) || !BEYOND.has(this.#ignoredBy(node))) continue
        kept.add(at)
        this.#keepAsItIs(node)
      }
    }
    return { count, isEmpty: kept.size === 0, holds, ignoresBeyond }
  }

  #ignoredBy(node: NodePlan): IgnoreReason | null {
    const row =
      node.kind === 'task' ? this.#atomRows.get(node.path) : this.#scopeRows.get(node.path)
    return row?.ignored ?? null
  }

  /** All rows of a node that was ignored, or tolerated; true: something in it was ignored with depth `all`. */
  #keepAsItIs(node: NodePlan): boolean {
    let isAll = this.#ignoredBy(node) === 'all'
    if (node.kind === 'task') {
      const row = this.#atomRows.get(node.path)
      if (row !== undefined) this.atoms.push(settled(row))
      return isAll
    }
    const row = this.#scopeRows.get(node.path)
    if (row === undefined) return false
    this.scopes.push({ ...row, dueAt: null })
    const retry = node.retry === null ? undefined : this.#atomRows.get(node.retry.path)
    if (retry !== undefined) this.atoms.push(settled(retry))
    for (const child of node.children) isAll = this.#keepAsItIs(child) || isAll
    return isAll
  }

  /** N5. Undefined: its flow begins at its start. */
  #keptRetry(flow: FlowPlan, isWhole: boolean, holds: boolean): AtomRecord | undefined {
    const row = flow.retry === null ? undefined : this.#atomRows.get(flow.retry.path)
    const last = row?.rounds?.at(-1)
    if (row === undefined || last === undefined) return undefined
    const retry = { ...settled(row), state: 'SUCCESS', failure: null } as const
    const hasFailed =
      row.state === 'FAILURE' ||
      last.decision !== undefined ||
      Object.keys(last.failures).length > 0
    if (isWhole || !hasFailed) return retry
    return holds ? { ...retry, attempt: 1, rounds: [anew(last, row.rounds?.[0])] } : undefined
  }
}

/** The last round with its value, as the first one of a whole budget. */
function anew(last: RetryRound, first: RetryRound | undefined): RetryRound {
  const { value, attempts } = last
  const left = first?.left
  return {
    value,
    failures: {},
    ...(left === undefined ? {} : { left }),
    ...(attempts === undefined ? {} : { attempts }),
  }
}

/** A row of a call that is over: nothing of it is under way, or due. */
function settled(row: AtomRecord): AtomRecord {
  return { ...row, dueAt: null, revertFailure: null, replyTo: null, copy: null, starts: 0 }
}

/** Reasons of nodes that the decider of another one ignored. */
const BEYOND: ReadonlySet<IgnoreReason | null> = new Set(['neighbors', 'flow', 'all'] as const)

/** Asks about each child once all before it are kept as a whole (true). Returns how many are. */
function visit(flow: FlowPlan, isWhole: (index: number) => boolean): number {
  let count = 0
  if (flow.pattern !== 'graph') {
    for (const { index } of flow.children) {
      if (isWhole(index)) count++
      else if (flow.pattern === 'linear') break
    }
    return count
  }
  const unmet = flow.indegree.slice()
  const ready = flow.children.map(({ index }) => index).filter((index) => unmet[index] === 0)
  for (let index = ready.pop(); index !== undefined; index = ready.pop()) {
    if (!isWhole(index)) continue
    count++
    for (const next of flow.successors[index] ?? []) {
      const left = (unmet[next] as number) - 1 // a position of this flow
      unmet[next] = left
      if (left === 0) ready.push(next)
    }
  }
  return count
}
