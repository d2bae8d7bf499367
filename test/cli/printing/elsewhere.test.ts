import assert from 'node:assert/strict'
import test from 'node:test'
import { gapsOf, needsOf, workerCommandFor } from '../../../src/client/served.ts'
import { callsOf } from '../../../src/cli/calls-elsewhere.ts'
import { elsewhereText } from '../../../src/cli/printing/elsewhere.ts'
import { noPaint } from '../../../src/cli/printing/paint.ts'
import type { ResolvedDocument, ResolvedTask } from '../../../src/flow/resolved.ts'
import type { AtomRecord } from '../../../src/machine/records.ts'
import type { ProcessRecord } from '../../../persistence/store.ts'

const NOW = 1_000_000

const node: ResolvedTask = {
  kind: 'task',
  id: 'encode',
  task: 'encode',
  topic: 'video',
  requires: {},
  provides: {},
  revert: false,
}

const atom: AtomRecord = {
  path: 'film/encode',
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
  replyTo: 'zag.replies.1',
  copy: 1,
  starts: 0,
}

function worker(topics: readonly string[], tasks: readonly string[]): ProcessRecord {
  const times = { startedAt: 0, seenAt: NOW, expiresAt: NOW + 1 }
  const about = {
    id: 'w-1',
    kind: 'worker' as const,
    name: 'blue',
    host: 'h',
    pid: 7,
    board: 'main',
  }
  return { ...about, topics, tasks, load: {}, ...times }
}

function said(
  state: string | undefined,
  workers: readonly ProcessRecord[],
  changed: Partial<AtomRecord> = {},
): readonly string[] {
  const about = { jobId: 'j', atom: 'film/encode', direction: 'execute', task: 'encode' }
  const calls =
    state === undefined
      ? []
      : [{ ...about, topic: 'video', state, worker: 'w-1', since: NOW - 4_000 }]
  return elsewhereText({ ...atom, ...changed }, node, { calls, workers, now: NOW }, noPaint)
}

test('where a call is, in a line, whatever is known of it', () => {
  const serving = [worker(['video'], ['encode'])]
  assert.deepEqual(said('running', serving), ['runs on blue (h, process 7), heard of 4s ago'])
  assert.deepEqual(said('running', []), ['runs on worker w-1, heard of 4s ago'])
  assert.deepEqual(said('queued', serving), ['with the workers of the topic video'])
  assert.deepEqual(said(undefined, serving), ['with the workers of the topic video'])
  assert.deepEqual(said('queued', []), ['waits for a worker: none serves the topic video'])
  assert.deepEqual(said('queued', [worker(['video'], ['cut'])]), [
    'waits for a worker that has encode: those of the topic video do not',
  ])
  assert.deepEqual(said('queued', [worker(['audio'], ['encode'])]), [
    'waits for a worker of the topic video: encode is only served on audio',
  ])
  assert.match(said('unknown', serving)[0] ?? '', /^blue .* does not know encode; asked again$/)
  assert.match(said('doubted', serving)[0] ?? '', /^blue .* asks whether it may start it again$/)
  assert.match(said('lost', serving)[0] ?? '', /^no copy of it is known/)
  assert.match(said('aborting', serving)[0] ?? '', /^being aborted on blue/)
  assert.deepEqual(said('running', serving, { starts: 2 }).slice(1), ['started again 2 times'])
})

test('nothing is said of what no worker runs', () => {
  assert.deepEqual(said('running', [], { replyTo: null }), [])
  assert.deepEqual(said('running', [], { state: 'SUCCESS' }), [])
})

test('what conductors of other versions say, and is not readable, is passed over', () => {
  const good = {
    jobId: 'j',
    atom: 'a',
    direction: 'execute',
    task: 't',
    topic: 'x',
    state: 'queued',
  }
  const calls = [{ ...good, worker: null, since: 1 }, { ...good, worker: 7, since: 1 }, null, 'x']
  assert.equal(callsOf({ load: { broker: { calls } } }).length, 1)
  for (const load of [null, {}, { broker: 5 }, { broker: { calls: {} } }]) {
    assert.deepEqual(callsOf({ load }), [])
  }
})

test('what a flow needs of workers: its tasks and the strategies of its retries, by topic', () => {
  const document = {
    root: {
      kind: 'linear',
      id: 'film',
      retry: { kind: 'strategy', strategy: 'patience' },
      nodes: [node, node, { ...node, id: 'cut', task: 'cut', topic: undefined }],
    },
  } as unknown as ResolvedDocument // all that is looked at
  const needs = needsOf(document)
  assert.deepEqual(needs, [
    { task: 'patience', topic: 'default' },
    { task: 'encode', topic: 'video' },
    { task: 'cut', topic: 'default' },
  ])
  const gaps = gapsOf(needs, [worker(['default'], ['patience', 'encode'])])
  assert.deepEqual(gaps, [
    { task: 'encode', topic: 'video', servedOn: ['default'] },
    { task: 'cut', topic: 'default', servedOn: [] },
  ])
  assert.equal(
    workerCommandFor(gaps),
    'zagflow worker --tasks ./tasks.ts --topic video --topic default',
  )
  assert.equal(
    workerCommandFor([{ task: 'cut', topic: 'default' }]),
    'zagflow worker --tasks ./tasks.ts',
  )
})
