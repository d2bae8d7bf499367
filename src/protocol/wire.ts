/**
 * Messages as bytes: one way out, one way in for each kind of queue. What comes in is judged before anybody acts on it.
 *
 * Invariants
 * R1  A reader never throws, whatever the bytes and properties are; what it refuses has a reason for people.
 * R2  What it lets through can be stored by every database: the rules of `toJson` (J1–J4) hold for each member.
 * R3  Size is judged before anything is parsed, depth before anything recurses.
 * R4  A result or the details of a failure that cannot be stored do not leave their call without an answer: the call failed,
 *     and the failure says why.
 */
import { isUtf8 } from 'node:buffer'
import type { z } from 'zod'
import { BANNED_KEYS, formatPath, MAX_VALUE_BYTES, MAX_VALUE_DEPTH, toJson } from '../base/codec.ts'
import { readFailure, toFailure } from '../base/failure.ts'
import {
  announceSchema,
  askSchema,
  barrierSchema,
  cancelSchema,
  dropSchema,
  failedSchema,
  goSchema,
  progressSchema,
  PROTOCOL_VERSION,
  releasedSchema,
  reportSchema,
  requestSchema,
  resultSchema,
  runningSchema,
  unknownSchema,
  wakeSchema,
  type AnnounceMessage,
  type ControlMessage,
  type ReplyMessage,
  type RequestMessage,
  type WakeMessage,
} from './messages.ts'

/** The largest body that is read, in bytes: RabbitMQ 4 takes no larger one either, unless it is told to. */
export const MAX_BODY_BYTES = 16 * 1024 * 1024

/** What of a delivery decides whether it is a message. A `Delivery` is one. */
export interface Received {
  readonly body: Buffer
  /** If it is there, it must be the body's `type`. */
  readonly type?: string | undefined
  readonly contentType?: string | undefined
  readonly contentEncoding?: string | undefined
}

/** A message, or why it is none. */
export type Read<M> =
  { readonly ok: true; readonly message: M } | { readonly ok: false; readonly reason: string }

export type WireMessage =
  RequestMessage | ReplyMessage | ControlMessage | AnnounceMessage | WakeMessage

const REQUEST = { request: requestSchema } as const
const REPLY = {
  running: runningSchema,
  progress: progressSchema,
  result: resultSchema,
  failure: failedSchema,
  unknown: unknownSchema,
  released: releasedSchema,
  ask: askSchema,
  barrier: barrierSchema,
} as const
const CONTROL = {
  go: goSchema,
  drop: dropSchema,
  cancel: cancelSchema,
  report: reportSchema,
} as const
const ANNOUNCE = { announce: announceSchema } as const
const WAKE = { wake: wakeSchema } as const

/** The body of a message: JSON text. */
export function writeMessage(message: WireMessage): string {
  return JSON.stringify(message)
}

/** Reads what a topic queue holds. */
export function readRequest(received: Received): Read<RequestMessage> {
  return read<RequestMessage>(received, REQUEST)
}

/** Reads what a reply queue holds. A result that cannot be stored is read as a failure (R4). */
export function readReply(received: Received): Read<ReplyMessage> {
  return read<ReplyMessage>(received, REPLY)
}

/** Reads what a worker's control queue holds. */
export function readControl(received: Received): Read<ControlMessage> {
  return read<ControlMessage>(received, CONTROL)
}

/** Reads what the queue of announcements holds. */
export function readAnnounce(received: Received): Read<AnnounceMessage> {
  return read<AnnounceMessage>(received, ANNOUNCE)
}

/** Reads what delay queues carry. */
export function readWake(received: Received): Read<WakeMessage> {
  return read<WakeMessage>(received, WAKE)
}

type Schemas<M> = { readonly [type: string]: z.ZodType<M> }
type Body = { [member: string]: unknown }

function read<M>(received: Received, schemas: Schemas<M>): Read<M> {
  const problem = propertiesProblem(received)
  if (problem !== undefined) return refuse(problem)
  const text = received.body.toString('utf8')
  let body: unknown
  try {
    body = JSON.parse(text)
  } catch (error) {
    return refuse(`the body is no JSON: ${error instanceof Error ? error.message : String(error)}`)
  }
  if (!isObject(body)) return refuse(`the body is ${kindOf(body)}, not a JSON object`)
  if (body['v'] !== PROTOCOL_VERSION) return refuse(versionProblem(body['v']))
  const type = body['type']
  const schema =
    typeof type === 'string' && Object.hasOwn(schemas, type) ? schemas[type] : undefined
  if (schema === undefined) {
    const known = Object.keys(schemas).join(', ')
    return refuse(`the body's type is ${shown(type)}; this queue takes ${known}`)
  }
  if (received.type !== undefined && received.type !== type) {
    return refuse(`the property type is ${shown(received.type)}, the body's type ${shown(type)}`)
  }
  const trouble = valueProblem(body, text)
  if (trouble !== undefined) return refuse(`${shown(type)}: ${trouble}`)
  const parsed = (body['type'] === type ? schema : (schemas['failure'] ?? schema)).safeParse(body)
  if (parsed.success) return { ok: true, message: parsed.data }
  return refuse(`${shown(type)}: ${firstIssue(parsed.error)}`)
}

function propertiesProblem(received: Received): string | undefined {
  const { body, contentType, contentEncoding } = received
  if (contentType !== 'application/json') {
    if (contentType === undefined)
      return 'the property content_type is missing; it is application/json'
    if (!JSON_TYPE.test(contentType)) {
      return `the property content_type is ${shown(contentType)}; it is application/json, in UTF-8`
    }
  }
  if (contentEncoding !== undefined && contentEncoding !== '' && contentEncoding !== 'identity') {
    return `the property content_encoding is ${shown(contentEncoding)}; bodies are not encoded`
  }
  if (body.length === 0) return 'the body is empty'
  if (body.length > MAX_BODY_BYTES) {
    return `the body has ${body.length} bytes; ${MAX_BODY_BYTES} are read at most`
  }
  return isUtf8(body) ? undefined : 'the body is not UTF-8'
}

/** Other parameters would change what the bytes mean, or nobody knows what they mean. */
const JSON_TYPE = /^application\/json\s*(?:;\s*charset\s*=\s*(?:utf-8|"utf-8")\s*)?$/i

/** Escapes of U+0000 or of a surrogate: only with one of these can a text be wrong, for the bytes are UTF-8. */
const SUSPECT = /\\u(?:0000|d[89a-f])/i
/** A failure's details are as deep as a value may be, and its causes stand inside it; a retry's rounds hold failures. */
const FAILURE_LEVELS = MAX_VALUE_DEPTH + 16
const DEEPER: ReadonlySet<string> = new Set(['failure', 'failures', 'rounds'])
/** What a failure is cut to, at most, where nothing is to be cut. */
const SMALL_BODY = 4096

/** R2, and R4: what can be mended is. */
function valueProblem(body: Body, text: string): string | undefined {
  const isSuspect = text.includes('\\u') && SUSPECT.test(text)
  const isLarge = text.length * 3 > MAX_VALUE_BYTES
  for (const member of Object.keys(body)) {
    if (BANNED_KEYS.has(member)) return `the body has a member ${shown(member)}`
    const value = body[member]
    const isFailure = member === 'failure' && body['type'] === 'failure'
    if (isFailure && (isSuspect || text.length > SMALL_BODY || !isCarried(value, FAILURE_LEVELS))) {
      const failure = readFailure(value)
      if (failure === undefined) return 'failure: expected an object with code and message'
      body['failure'] = failure
      continue
    }
    const maxDepth = DEEPER.has(member) ? FAILURE_LEVELS : MAX_VALUE_DEPTH
    if (!isSuspect && !isLarge && isCarried(value, maxDepth)) continue
    try {
      toJson(value, { maxDepth, maxBytes: member === 'result' ? MAX_VALUE_BYTES : MAX_BODY_BYTES })
    } catch (error) {
      if (member !== 'result' || body['type'] !== 'result') {
        return `${member}: ${error instanceof Error ? error.message : String(error)}`
      }
      fail(body, error)
    }
  }
  return undefined
}

/** R4: a result becomes the failure that the same result would have been in the engine's own process. */
function fail(body: Body, error: unknown): void {
  const { message, code } = toFailure(error)
  delete body['result']
  body['type'] = 'failure'
  body['outcome'] = 'failure'
  body['failure'] = { code, message: `the result that ${shown(body['worker'])} sent: ${message}` }
}

/** Whether a parsed value keeps J1, J2 and the depth; texts and bytes are the caller's to judge. */
function isCarried(value: unknown, levels: number): boolean {
  if (typeof value === 'number') return Number.isFinite(value) // 1e999 is read as Infinity
  if (typeof value !== 'object' || value === null) return true
  if (levels === 0) return false
  if (Array.isArray(value)) {
    for (const item of value) if (!isCarried(item, levels - 1)) return false
    return true
  }
  const record = value as Body // neither null nor a list
  for (const key in record) {
    if (key === '__proto__' || key === 'constructor' || key === 'prototype') return false
    if (!isCarried(record[key], levels - 1)) return false
  }
  return true
}

function versionProblem(version: unknown): string {
  const hint =
    typeof version === 'number' && version > PROTOCOL_VERSION
      ? ': a newer Zagflow wrote it; upgrade this one first'
      : ''
  return `the version v is ${shown(version)}; this reads ${PROTOCOL_VERSION}${hint}`
}

function firstIssue(error: z.ZodError): string {
  const [issue] = error.issues
  if (issue === undefined) return 'does not have its shape'
  const { path, message } = issue
  return path.length === 0 ? message : `${formatPath(path)}: ${message}`
}

function refuse(reason: string): { readonly ok: false; readonly reason: string } {
  return {
    ok: false,
    reason: reason.length > MAX_REASON ? `${reason.slice(0, MAX_REASON)} …` : reason,
  }
}

/** A reason stands in a header and in a log line. */
const MAX_REASON = 500

/** Something that others wrote, short, on one line. */
function shown(value: unknown): string {
  if (value === undefined) return 'missing'
  if (typeof value === 'object' && value !== null) return kindOf(value)
  const text = JSON.stringify(value)
  return text.length > 80 ? `${text.slice(0, 80)}…` : text
}

function kindOf(value: unknown): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'a list'
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`
}

function isObject(value: unknown): value is Body {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
