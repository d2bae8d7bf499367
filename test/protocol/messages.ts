/** One good message of each type, as the wire has it. */
import { tokenOf } from '../../src/protocol/token.ts'
import type { Received } from '../../src/protocol/wire.ts'

export type Body = { [member: string]: unknown }

export const key = {
  jobId: '0190a1b2-0000-7000-8000-000000000001',
  flowId: '0190a1b2-0000-7000-8000-000000000002',
  atom: 'checkout/settle/payment.charge',
  direction: 'execute',
  call: 1,
} as const
export const token = tokenOf('a secret', key)
const ref = { ...key, token }
const worker = 'worker-1'

/** By type, with every optional member. */
export const messages: { readonly [type: string]: Body } = {
  request: {
    v: 1,
    type: 'request',
    ...ref,
    task: 'payment.charge',
    topic: 'default',
    flow: 'checkout',
    attempt: 1,
    args: { amount: 99.5, lines: [{ sku: 'lamp', name: 'Löffel 🥄' }] },
    outcome: 'failure',
    result: null,
    failure: { code: 'Declined', message: 'no', cause: { code: 'TaskFailed', message: 'why' } },
    failures: { 'checkout/settle/payment.charge': { code: 'Declined', message: 'no' } },
    rounds: [{ value: 1, failures: { 'checkout/x': { code: 'X', message: 'x' } } }],
    timeoutMs: 1000,
    heartbeatMs: 100.5,
    repeat: 'never',
    priority: -1,
    again: false,
    publishedAt: 1_795_000_000_000,
    reportEveryMs: 10_000,
    askAfterMs: 60_000,
    traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
  },
  running: { v: 1, type: 'running', worker, calls: [{ ...ref, startedAt: 1_795_000_000_000 }] },
  progress: { v: 1, type: 'progress', ...ref, worker, progress: 0.5, details: { rows: 65 } },
  result: { v: 1, type: 'result', ...ref, worker, result: { id: 'p-1' }, startedAt: 1 },
  failure: {
    v: 1,
    type: 'failure',
    ...ref,
    worker,
    failure: {
      code: 'Declined',
      message: 'no',
      name: 'E',
      stack: 'at x',
      data: [1],
      retryable: false,
    },
    outcome: 'failure',
    startedAt: 1,
  },
  unknown: { v: 1, type: 'unknown', ...ref, worker, task: 'payment.charge' },
  released: { v: 1, type: 'released', ...ref, worker, held: false },
  ask: {
    v: 1,
    type: 'ask',
    worker,
    calls: [{ ...ref, redelivered: true, again: false, hold: 3 }],
  },
  barrier: { v: 1, type: 'barrier', id: 'b-1', replyTo: 'zagflow.replies.c1' },
  go: { v: 1, type: 'go', calls: [{ ...key }] },
  drop: { v: 1, type: 'drop', calls: [{ ...key, reason: 'held by worker-2' }] },
  cancel: { v: 1, type: 'cancel', calls: [{ ...key, reason: 'the order was withdrawn' }] },
  report: { v: 1, type: 'report', calls: [{ ...ref }], replyTo: 'zagflow.replies.c1' },
  announce: {
    v: 1,
    type: 'announce',
    worker,
    name: 'worker',
    host: 'host',
    pid: 7,
    topics: ['default'],
    tasks: ['payment.charge'],
    signatures: { 'payment.charge': {} },
    load: { running: 1, held: 0, concurrency: 16 },
    leaseMs: 30_000,
    lost: ['default'],
  },
  wake: { v: 1, type: 'wake', board: 'default', jobId: key.jobId, dueAt: 1_795_000_000_000 },
}

/** The good message of a type. */
export function good(type: string): Body {
  const message = messages[type]
  if (message === undefined) throw new Error(`no message of type ${type}`)
  return message
}

/** A delivery with that body: a text, bytes, or a value for JSON. */
export function delivered(body: unknown, properties: Partial<Received> = {}): Received {
  const bytes = Buffer.isBuffer(body)
    ? body
    : Buffer.from(typeof body === 'string' ? body : JSON.stringify(body))
  return { contentType: 'application/json', ...properties, body: bytes }
}
