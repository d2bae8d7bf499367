/**
 * The messages between engine and worker, version 1: what every body must be, checked on both ends. `docs/protocol.md` says
 * what each is for and who may send it when.
 *
 * Invariants
 * W1  A body is one JSON object with `v` and `type`; its AMQP `type` property says the same.
 * W2  Everything about a call names its whole key and carries its token: a message about another call, direction or run
 *     changes nothing.
 * W3  A reader ignores members that it does not know: later versions add some. It refuses another `v`.
 * W4  Times are epoch milliseconds of the sender's clock; they are told to people, and never decide what is due.
 */
import { z } from 'zod'
import { failureSchema } from '../base/failure.ts'
import type { Json, JsonObject } from '../base/json.ts'
import type { RetryRound } from '../machine/records.ts'

/** The version that this code speaks. */
export const PROTOCOL_VERSION = 1

/** What is a name or part of one on the broker, where 255 bytes are the most. */
const name = z.string().min(1).max(255)
/** Path of an atom; a retry's ends in `:retry`. */
const atomPath = z.string().min(1).max(2048)
/** JSON, as a message's body gives it: `wire.ts` has looked at all of it, and more closely than a schema could. */
const json = z.custom<Json>((value) => value !== undefined, 'expected a value')
const time = z.number().int().nonnegative()
const milliseconds = z.number().nonnegative()
const count = z.number().int().nonnegative()
const version = z.literal(PROTOCOL_VERSION)
const jsonObject = z.custom<JsonObject>((value) => isObject(value), 'expected an object')

/** The whole key of a call; every copy of its request has the same. */
export const callKeySchema = z.object({
  jobId: name,
  /** The run of its flow. */
  flowId: name,
  atom: atomPath,
  direction: z.enum(['execute', 'revert', 'decide']),
  /** Grows with each recorded answer of that atom and direction. From 1; databases keep it in 32 bits. */
  call: z.number().int().positive().max(2_147_483_647),
})

/** A call and the proof that whoever speaks of it was given its request. */
const callRefSchema = callKeySchema.extend({ token: name })

/** engine → topic queue. */
export const requestSchema = callRefSchema.extend({
  v: version,
  type: z.literal('request'),
  task: name,
  topic: name,
  flow: name,
  attempt: count,
  args: jsonObject,
  outcome: z.enum(['success', 'failure', 'unknown']).optional(),
  result: json.optional(),
  failure: failureSchema.optional(),
  failures: z.record(z.string(), failureSchema).optional(),
  rounds: z.custom<readonly RetryRound[]>(areRounds, 'expected a list of rounds').optional(),
  /** From start to end of the body; the worker enforces it. */
  timeoutMs: milliseconds.optional(),
  heartbeatMs: milliseconds.optional(),
  repeat: z.literal('never').optional(),
  priority: z.number().int(),
  /** Another copy may exist, or have been run: ask before it is started. */
  again: z.boolean(),
  publishedAt: time,
  /** How often a worker says `running` for it. */
  reportEveryMs: milliseconds,
  /** A copy that is older than this is asked about before it is started. */
  askAfterMs: milliseconds,
  traceparent: z.string().max(1024).optional(),
})

/** worker → reply queue: these calls run here now. Said soon after the start of each that is not over by then, then every `reportEveryMs`. */
export const runningSchema = z.object({
  v: version,
  type: z.literal('running'),
  worker: name,
  calls: z
    .array(callRefSchema.extend({ startedAt: time }))
    .min(1)
    .max(1000),
})

/** worker → reply queue. Not durable knowledge: shown, then forgotten. */
export const progressSchema = callRefSchema.extend({
  v: version,
  type: z.literal('progress'),
  worker: name,
  progress: z.number().min(0).max(1),
  details: json.optional(),
})

/** worker → reply queue: the call succeeded. */
export const resultSchema = callRefSchema.extend({
  v: version,
  type: z.literal('result'),
  worker: name,
  result: json,
  startedAt: time,
})

/** worker → reply queue: the call failed. */
export const failedSchema = callRefSchema.extend({
  v: version,
  type: z.literal('failure'),
  worker: name,
  failure: failureSchema,
  /** `unknown`: nobody knows how far it came. */
  outcome: z.enum(['failure', 'unknown']),
  startedAt: time,
})

/** worker → reply queue: it does not know that task; nothing was started, and its copy is gone. */
export const unknownSchema = callRefSchema.extend({
  v: version,
  type: z.literal('unknown'),
  worker: name,
  task: name,
})

/** worker → reply queue: it stops, and gives the copy back; if it had begun, its body was ended. That start was not lost by the call's doing. */
export const releasedSchema = callRefSchema.extend({
  v: version,
  type: z.literal('released'),
  worker: name,
  /** It was redelivered or `again`, and no `go` had come: why it came back from somebody before is for its owner to judge. */
  held: z.boolean(),
})

/** worker → reply queue: may these doubtful copies be started? Repeated until answered. */
export const askSchema = z.object({
  v: version,
  type: z.literal('ask'),
  worker: name,
  calls: z
    .array(
      callRefSchema.extend({
        redelivered: z.boolean(),
        again: z.boolean(),
        /** Which holding of a copy this is, counted by the worker: the same in repetitions, another when a copy came back to the same worker. */
        hold: z.number().int().nonnegative().optional(),
      }),
    )
    .min(1)
    .max(1000),
})

/** The holding that was asked about: a word about another one than the worker has now changes nothing. */
const hold = z.number().int().nonnegative().optional()

/** engine → control queue of a worker: start these. */
export const goSchema = z.object({
  v: version,
  type: z.literal('go'),
  calls: z.array(callKeySchema.extend({ hold })).min(1).max(1000),
})

/** engine → control queue of a worker: forget these copies (acknowledge them, answer nothing). */
export const dropSchema = z.object({
  v: version,
  type: z.literal('drop'),
  calls: z
    .array(callKeySchema.extend({ hold, reason: z.string().max(1024) }))
    .min(1)
    .max(1000),
})

/** engine → control queue of a worker: abort these if they run. The answer still comes. */
export const cancelSchema = z.object({
  v: version,
  type: z.literal('cancel'),
  calls: z
    .array(callKeySchema.extend({ reason: z.string().max(4096) }))
    .min(1)
    .max(1000),
})

/** engine → control queue of a worker: which of these run with you? Answered at once by `running` for those that do. */
export const reportSchema = z.object({
  v: version,
  type: z.literal('report'),
  calls: z.array(callRefSchema).min(1).max(1000),
  replyTo: name,
})

/** engine → a reply queue: passed on to `replyTo` when everything before it in the queue was handled. */
export const barrierSchema = z.object({
  v: version,
  type: z.literal('barrier'),
  id: name,
  replyTo: name,
})

/** worker → announcements: it lives, and serves these tasks. Every `leaseMs / 3`. */
export const announceSchema = z.object({
  v: version,
  type: z.literal('announce'),
  worker: name,
  name,
  host: name,
  pid: count,
  topics: z.array(name).max(1000),
  /** Names of tasks and retry strategies. */
  tasks: z.array(name).max(10_000),
  /** What the tasks require and provide, as documents have it. */
  signatures: json.optional(),
  load: z.object({ running: count, held: count, concurrency: count }),
  /** It is gone if it is not heard of for so long. 0: it goes now. */
  leaseMs: milliseconds,
  /** Topics whose queues it found deleted: copies may be lost. */
  lost: z.array(name).max(1000).optional(),
})

/** The wake-up that rides on delay queues. */
export const wakeSchema = z.object({
  v: version,
  type: z.literal('wake'),
  board: name,
  jobId: name,
  dueAt: time,
})

function isObject(value: unknown): value is { readonly [key: string]: unknown } {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function areRounds(value: unknown): boolean {
  if (!Array.isArray(value)) return false
  return value.every(
    (round) => isObject(round) && round['value'] !== undefined && isObject(round['failures']),
  )
}

export type CallRef = z.infer<typeof callRefSchema>
export type RequestMessage = z.infer<typeof requestSchema>
export type RunningMessage = z.infer<typeof runningSchema>
export type ProgressMessage = z.infer<typeof progressSchema>
export type ResultMessage = z.infer<typeof resultSchema>
export type FailureMessage = z.infer<typeof failedSchema>
export type UnknownMessage = z.infer<typeof unknownSchema>
export type ReleasedMessage = z.infer<typeof releasedSchema>
export type AskMessage = z.infer<typeof askSchema>
export type GoMessage = z.infer<typeof goSchema>
export type DropMessage = z.infer<typeof dropSchema>
export type CancelMessage = z.infer<typeof cancelSchema>
export type ReportMessage = z.infer<typeof reportSchema>
export type BarrierMessage = z.infer<typeof barrierSchema>
export type AnnounceMessage = z.infer<typeof announceSchema>
export type WakeMessage = z.infer<typeof wakeSchema>

/** What a reply queue may hold. */
export type ReplyMessage =
  | RunningMessage
  | ProgressMessage
  | ResultMessage
  | FailureMessage
  | UnknownMessage
  | ReleasedMessage
  | AskMessage
  | BarrierMessage

/** What a worker's control queue may hold. */
export type ControlMessage = GoMessage | DropMessage | CancelMessage | ReportMessage
