/**
 * What must hold of every job that has ended, whatever its conductors went through. Each rule compares what Zagflow recorded
 * with what the ledger saw.
 *
 * W1  It ended as it must, with every atom in a state that fits.
 * W2  Its history has no gap, and each transition is one that the tables allow, from the state before.
 * W3  Each call has one key; each key that began has one recorded answer, and each answer was seen to end, unless it says that
 *     nobody knows.
 * W4  A call begins again only if who had begun it was killed before, or had lost the job, or the broker lost what it held, or who
 *     begins it stood still since it committed to that: never without a cause.
 * W5  A call whose answer is recorded never begins again, but by a process that stood still since it committed to that.
 * W6  What is reverted ran; where the flow was reverted, all that ran is, in reverse order where there is one.
 * W7  No epoch is claimed twice, and none is above the job's.
 * W8  What a conductor was told to be committed is in the history under its number, and nobody else was told of that number: what
 *     an owner of old had to say is written nowhere.
 */
import assert from 'node:assert/strict'
import { atomMayGo, flowMayGo, type AtomState, type FlowState } from '../../src/machine/states.ts'
import type { CallRecord, HistoryRecord } from '../../src/machine/records.ts'
import { idempotencyKey } from '../../src/worker/call-context.ts'
import type { JobSummary, Store } from '../../persistence/store.ts'
import type { LedgerLine } from './ledger.ts'
import type { Work } from './workload.ts'

type BodyLine = Extract<LedgerLine, { readonly direction: string }>

/** Figures for whoever wants to see that the test tests something. */
export interface Findings {
  /** Calls whose bodies began more than once. */
  readonly again: number
  readonly calls: number
}

/** Lines of each job, in order. */
export function linesByJob(
  lines: readonly LedgerLine[],
): ReadonlyMap<string, readonly LedgerLine[]> {
  const jobs = new Map<string, LedgerLine[]>()
  const killed: LedgerLine[] = []
  for (const line of lines) {
    if (line.what === 'killed' || line.what === 'wiped') {
      // A death concerns every job, those that begin later too.
      killed.push(line)
      for (const list of jobs.values()) list.push(line)
      continue
    }
    let list = jobs.get(line.job)
    if (list === undefined) jobs.set(line.job, (list = [...killed]))
    list.push(line)
  }
  return jobs
}

/** Asserts W1–W8 of one job. */
export async function checkJob(
  store: Store,
  jobId: string,
  work: Work,
  lines: readonly LedgerLine[],
): Promise<Findings> {
  const found = await store.job(jobId)
  assert.ok(found, `the job ${jobId} is gone`)
  try {
    return await check(store, found, work, lines)
  } catch (error) {
    const trace = lines
      .filter((line) => line.what !== 'killed' && line.what !== 'wiped')
      .map((line) => JSON.stringify(line))
    throw new Error(
      `job ${jobId} (${work.root.id}): ${error instanceof Error ? error.message : String(error)}\n${trace.join('\n')}`,
      { cause: error },
    )
  }
}

async function check(
  store: Store,
  found: JobSummary,
  work: Work,
  lines: readonly LedgerLine[],
): Promise<Findings> {
  const { job, detail } = found
  const calls = await store.calls(detail.id)
  const atoms = await store.atoms(detail.id)
  assert.equal(job.state, 'COMPLETE', `W1: ${job.reason ?? ''}`)
  assert.equal(detail.state, work.ends, 'W1')
  for (const atom of atoms) {
    const fits = work.ends === 'SUCCESS' ? ['SUCCESS', 'IGNORE'] : ['REVERTED', 'IGNORE', 'PENDING']
    assert.ok(fits.includes(atom.state), `W1: ${atom.path} is ${atom.state}`)
  }
  const history = await store.history(job.id, { limit: 100_000 })
  checkHistory(history, job.historySeq)
  const keys = checkCalls(detail.id, calls, bodies(lines))
  checkCauses(lines)
  checkTold(lines, history)
  checkReverts(bodies(lines), work, calls)
  checkEpochs(lines, job.epoch)
  return { again: [...keys.values()].filter((begun) => begun > 1).length, calls: keys.size }
}

function bodies(lines: readonly LedgerLine[]): readonly BodyLine[] {
  return lines.filter((line) => 'direction' in line)
}

/** W2. */
export function checkHistory(history: readonly HistoryRecord[], last: number): void {
  assert.deepEqual(
    history.map(({ seq }) => seq),
    Array.from({ length: last }, (_, at) => at + 1),
    'W2: numbers',
  )
  const states = new Map<string, string>()
  for (const { kind, name, from, state, seq } of history) {
    assert.equal(from, states.get(`${kind} ${name}`) ?? 'PENDING', `W2: ${seq} ${name}`)
    const mayGo =
      kind === 'flow'
        ? flowMayGo(from as FlowState, state as FlowState)
        : atomMayGo(from as AtomState, state as AtomState)
    assert.ok(mayGo, `W2: ${name} went from ${from} to ${state}`)
    states.set(`${kind} ${name}`, state)
  }
}

/** W3. How often each key began. */
function checkCalls(
  flowId: string,
  calls: readonly CallRecord[],
  lines: readonly BodyLine[],
): ReadonlyMap<string, number> {
  const begun = new Map<string, number>()
  const ended = new Map<string, number>()
  for (const { what, key } of lines) {
    const counts = what === 'begin' ? begun : what === 'end' ? ended : undefined
    counts?.set(key, (counts.get(key) ?? 0) + 1)
  }
  const recorded = new Set<string>()
  const numbers = new Map<string, number>()
  for (const { atom, direction, call, outcome } of [...calls].sort((a, b) => a.call - b.call)) {
    const last = numbers.get(`${direction} ${atom}`) ?? 0
    assert.equal(call, last + 1, `W3: calls of ${atom} (${direction}) have a gap`)
    numbers.set(`${direction} ${atom}`, call)
    const key = idempotencyKey({ flowId, atom, direction, call })
    recorded.add(key)
    assert.ok((begun.get(key) ?? 0) >= 1, `W3: ${key} is recorded and never began`)
    // Its process was killed, and the next owner took it back before it began again: then nobody knows, and says so.
    if (outcome === 'unknown') continue
    assert.ok((ended.get(key) ?? 0) >= 1, `W3: ${key} is recorded and never ended`)
  }
  for (const key of begun.keys()) assert.ok(recorded.has(key), `W3: ${key} has no recorded answer`)
  return begun
}

/** W4, W5. */
function checkCauses(lines: readonly LedgerLine[]): void {
  const killed = new Set<number>()
  const lost = new Set<number>()
  const begunBy = new Map<string, Extract<LedgerLine, { readonly direction: string }>>()
  const latest = new Map<string, string>()
  const settled = new Set<string>()
  for (const line of lines) if (line.what === 'lost') lost.add(line.pid)
  for (const [at, line] of lines.entries()) {
    if (line.what === 'killed') killed.add(line.pid)
    else if (line.what === 'wiped') begunBy.clear()
    else if (line.what === 'begin') {
      const { key, atom, direction } = line
      const isInTime = !settled.has(key) || stoodStill(lines, at)
      assert.ok(isInTime, `W5: ${key} began again after its answer was recorded`)
      const before = begunBy.get(key)
      const isCaused =
        before === undefined ||
        killed.has(before.pid) ||
        killed.has(before.parent ?? before.pid) ||
        lost.has(before.pid) ||
        stoodStill(lines, at)
      assert.ok(isCaused, `W4: ${key} began again, though ${before?.pid} lives and holds it`)
      begunBy.set(key, line)
      latest.set(`${direction} ${atom}`, key)
    } else if (line.what === 'told' && (line.from === 'RUNNING' || line.from === 'REVERTING')) {
      const direction = line.from === 'RUNNING' ? 'execute' : 'revert'
      const key = latest.get(`${direction} ${line.name}`)
      if (key !== undefined) settled.add(key)
    }
  }
}

/** Whether a body was begun by a process that had stood still since it committed to that, and then heard that its claim was lost. */
function stoodStill(lines: readonly LedgerLine[], at: number): boolean {
  const pid = lines[at]?.pid
  const next = lines
    .slice(at + 1)
    .find((line) => line.pid === pid && (line.what === 'lost' || line.what === 'claimed'))
  return next?.what === 'lost'
}

/** W6. */
function checkReverts(lines: readonly BodyLine[], work: Work, calls: readonly CallRecord[]): void {
  const executed = new Set<string>()
  const lastEnd = new Map<string, number>()
  const lastBegin = new Map<string, number>()
  for (const [at, { what, direction, atom }] of lines.entries()) {
    if (direction === 'execute') executed.add(atom)
    else assert.ok(executed.has(atom), `W6: ${atom} is reverted and never ran`)
    if (direction !== 'revert') continue
    if (what === 'begin') lastBegin.set(atom, at)
    else if (what === 'end') lastEnd.set(atom, at)
  }
  if (work.ends !== 'REVERTED') return
  for (const atom of executed) {
    const isReverted = calls.some((call) => call.atom === atom && call.direction === 'revert')
    assert.ok(isReverted, `W6: ${atom} ran and is not reverted`)
  }
  if (work.root.kind !== 'linear') return
  const order = work.root.nodes.map(({ id }) => `${work.root.id}/${id}`)
  for (const [at, atom] of order.entries()) {
    const after = order[at + 1]
    if (after === undefined || !executed.has(after)) continue
    const begins = lastBegin.get(atom) ?? Infinity
    assert.ok((lastEnd.get(after) ?? Infinity) < begins, `W6: ${atom} is reverted before ${after}`)
  }
}

/** W8. */
function checkTold(lines: readonly LedgerLine[], history: readonly HistoryRecord[]): void {
  const bySeq = new Map(history.map((row) => [row.seq, row]))
  const tellers = new Map<number, number>()
  for (const line of lines) {
    if (line.what !== 'told') continue
    const { pid, seq, name, from, state } = line
    const row = bySeq.get(seq)
    assert.ok(row, `W8: ${pid} was told of ${seq}, which is not in the history`)
    assert.deepEqual([name, from, state], [row.name, row.from, row.state], `W8: ${seq}`)
    assert.ok(!tellers.has(seq), `W8: ${pid} and ${tellers.get(seq)} were told of ${seq}`)
    tellers.set(seq, pid)
  }
}

/** W7. */
function checkEpochs(lines: readonly LedgerLine[], last: number): void {
  const epochs = lines.flatMap((line) => (line.what === 'claimed' ? [line.epoch] : []))
  assert.equal(new Set(epochs).size, epochs.length, `W7: ${epochs.join(', ')}`)
  assert.ok(Math.max(0, ...epochs) <= last, `W7: ${epochs.join(', ')} above ${last}`)
}
