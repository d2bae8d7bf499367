/** Rows in memory are packed where they say little: what is read is what was written, whichever way it is kept. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { MemoryHistory } from '../../persistence/memory/history.ts'
import { MemoryRows } from '../../persistence/memory/rows.ts'
import type { AtomRecord, CallRecord, HistoryRecord } from '../../src/machine/records.ts'
import { DIRECTIONS } from '../../src/machine/records.ts'
import { ATOM_STATES, FLOW_STATES } from '../../src/machine/states.ts'
import { Random } from '../support/random.ts'

const NOW = 1_790_000_000_000
const failure = { code: 'TaskFailed', message: 'no' }

const plainAtom: AtomRecord = {
  path: 'f/a',
  kind: 'task',
  state: 'RUNNING',
  attempt: 1,
  executeCalls: 0,
  revertCalls: 0,
  dueAt: null,
  outcome: null,
  ignored: null,
  failure: null,
  revertFailure: null,
  rounds: null,
  replyTo: null,
  copy: null,
  starts: 0,
}
const plainCall: CallRecord = {
  atom: 'f/a',
  direction: 'execute',
  call: 1,
  attempt: 1,
  outcome: 'success',
  startedAt: NOW,
  endedAt: NOW + 5,
  failure: null,
}
const plainRow: HistoryRecord = {
  seq: 1,
  at: NOW,
  kind: 'task',
  name: 'f/a',
  from: 'PENDING',
  state: 'RUNNING',
  attempt: 1,
  call: 1,
  failure: null,
}

describe('the rows of a run in memory', () => {
  it('give back atoms as they were written last, whatever they say', () => {
    const rows = new MemoryRows()
    const several: Partial<AtomRecord>[] = [
      ...ATOM_STATES.map((state) => ({ state })),
      { kind: 'retry', rounds: [{ value: 1, failures: {} }] },
      { attempt: 255, executeCalls: 255, revertCalls: 255, outcome: 'unknown', kind: 'retry' },
      { attempt: 256 },
      { executeCalls: 70_000 },
      { dueAt: NOW },
      { ignored: 'path', state: 'IGNORE' },
      { failure, outcome: 'failure', state: 'FAILURE' },
      { revertFailure: failure },
      { replyTo: 'queue' },
      { copy: 3 },
      { starts: 2 },
      {},
    ]
    for (const said of several) {
      const atom = { ...plainAtom, ...said }
      rows.setAtom(atom)
      assert.deepEqual(rows.atom('f/a'), atom)
      assert.deepEqual(rows.atoms(), [atom])
      assert.deepEqual(rows.replyQueues().filter(Boolean), [said.replyTo].filter(Boolean))
    }
  })

  it('give back the calls of each atom, and know which numbers were given', () => {
    const rows = new MemoryRows()
    const calls: CallRecord[] = [
      plainCall,
      { ...plainCall, atom: 'f/b', outcome: 'failure', failure },
      { ...plainCall, call: 2, outcome: 'unknown', startedAt: NOW - 7, endedAt: 0 },
      ...DIRECTIONS.map((direction) => ({ ...plainCall, direction, call: 4096, attempt: 5000 })),
      { ...plainCall, atom: 'f/b', call: 4095, attempt: 4095, startedAt: NOW + 0.5 },
    ]
    for (const call of calls) {
      assert.equal(rows.hasCall(call), false)
      rows.addCall(call)
      assert.equal(rows.hasCall(call), true)
    }
    assert.deepEqual(rows.calls(), calls)
    for (const atom of ['f/a', 'f/b', 'f/c']) {
      const own = calls.filter((call) => call.atom === atom)
      assert.deepEqual(rows.calls(atom).reverse(), own)
    }
    assert.deepEqual(rows.atoms(), [], 'a call makes no atom')
  })

  it('find atoms and calls in whatever order they come, among many', () => {
    const random = new Random(1)
    const rows = new MemoryRows()
    const atoms = new Map<string, AtomRecord>()
    const calls: CallRecord[] = []
    for (let step = 0; step < 20_000; step++) {
      // Runs of neighbours, as flows write them, and jumps.
      const from = random.below(3000)
      const length = random.chance(0.25) ? 40 : 1
      for (let at = from; at < from + length; at++) {
        const path = `f/t${at}`
        const before = atoms.get(path) ?? { ...plainAtom, path }
        const executeCalls = before.executeCalls + random.below(2)
        const atom = { ...before, executeCalls }
        atoms.set(path, atom)
        rows.setAtom(atom)
        if (executeCalls === before.executeCalls) continue
        const call = { ...plainCall, atom: path, call: executeCalls }
        assert.equal(rows.hasCall(call), false, `${path} ${executeCalls}`)
        rows.addCall(call)
        calls.push(call)
      }
    }
    assert.deepEqual(rows.atoms(), [...atoms.values()])
    assert.deepEqual(rows.calls(), calls)
    for (const call of calls) assert.equal(rows.hasCall(call), true)
  })

  it('give back a history of any length, gaps and all', () => {
    const history = new MemoryHistory()
    const rows: HistoryRecord[] = []
    const add = (said: Partial<HistoryRecord>): void => {
      rows.push({ ...plainRow, seq: (rows.at(-1)?.seq ?? 4) + 1, at: NOW + rows.length, ...said })
    }
    for (const from of ATOM_STATES) for (const state of ATOM_STATES) add({ from, state })
    for (const state of FLOW_STATES) add({ kind: 'flow', state, attempt: null, call: null })
    for (const count of [0, 1022, 1023, 100_000]) add({ attempt: count, call: count })
    add({ failure, kind: 'retry' })
    add({ at: 0 })
    for (let more = 0; more < 2000; more++) add({ name: `f/t${more}` })
    add({ seq: 5000 })
    add({})
    for (const row of rows) history.add(row)
    assert.deepEqual(history.after(0, 10_000), rows)
    for (const after of [4, 5, 100, 1500, 4999, 5000, 5001]) {
      const wanted = rows.filter((row) => row.seq > after).slice(0, 10)
      assert.deepEqual(history.after(after, 10), wanted)
    }
  })
})
