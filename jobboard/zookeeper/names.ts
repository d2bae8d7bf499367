/**
 * Names and contents of the board's nodes: composed and read. Pure.
 *
 * Invariants
 * N1  A job node's name sorts by age, then by id; its bucket is its priority: nothing is read to sort.
 * N2  What is composed here reads back as it was. What does not read is malformed, or of a newer version, and says which.
 */
import { z } from 'zod'
import { UsageError } from '../../src/base/errors.ts'
import type { BoardClaim, FleetMember, Posting } from '../jobboard.ts'

/** Where the conductors of all boards of a chroot register. */
export const CONDUCTORS = '/conductors'

/** Paths of a board, below the chroot. */
export interface BoardPaths {
  readonly jobs: string
  readonly claims: string
  readonly promoter: string
  readonly aside: string
}

export function pathsOf(board: string): BoardPaths {
  const root = `/boards/${encodeName(board)}`
  return {
    jobs: `${root}/jobs`,
    claims: `${root}/claims`,
    promoter: `${root}/promoter`,
    aside: `${root}/aside`,
  }
}

/** Any text as part of a node's name. Throws {@link UsageError} for one that is not Unicode. */
export function encodeName(text: string): string {
  try {
    return encodeURIComponent(text).replace(/^\.{1,2}$/, (dots) => dots.replaceAll('.', '%2E'))
  } catch {
    throw new UsageError(`${JSON.stringify(text)} cannot be part of a name: it is not Unicode`)
  }
}

/** Null: it was not composed by {@link encodeName}. */
export function decodeName(name: string): string | null {
  try {
    const text = decodeURIComponent(name)
    return encodeName(text) === name ? text : null
  } catch {
    return null
  }
}

type PostingId = Pick<Posting, 'jobId' | 'posting'>

/** The name of a posting's claim, and the end of its job node's name. */
export function keyOf({ jobId, posting }: PostingId): string {
  return `${encodeName(jobId)}.${posting}`
}

/** Null: this is no key. */
export function readKey(key: string): PostingId | null {
  const parts = /^(.+)\.([1-9]\d{0,14})$/.exec(key)
  const jobId = decodeName(parts?.[1] ?? '')
  return jobId === null || jobId === '' ? null : { jobId, posting: Number(parts?.[2]) }
}

const AGE_DIGITS = 9
const OLDEST = 36 ** AGE_DIGITS - 1

/** The name of a posting's job node in its bucket. */
export function jobName(posting: PostingId & Pick<Posting, 'createdAt'>): string {
  const age = Math.min(Math.floor(posting.createdAt), OLDEST)
  return `${age.toString(36).padStart(AGE_DIGITS, '0')}-${keyOf(posting)}`
}

/** Null: it is malformed. */
export function readJobName(
  name: string,
): (PostingId & { readonly createdAt: number; readonly key: string }) | null {
  if (!/^[0-9a-z]{9}-/.test(name)) return null
  const key = name.slice(AGE_DIGITS + 1)
  const read = readKey(key)
  return read === null ? null : { ...read, key, createdAt: parseInt(name.slice(0, AGE_DIGITS), 36) }
}

/** The name of the bucket of a priority. Throws {@link UsageError} for one that is not a whole number. */
export function bucketName(priority: number): string {
  if (!Number.isSafeInteger(priority)) {
    throw new UsageError(`priority: expected a whole number, got ${priority}`)
  }
  return String(priority)
}

/** Null: it is malformed. */
export function readBucketName(name: string): number | null {
  const priority = /^(0|-?[1-9]\d{0,15})$/.test(name) ? Number(name) : NaN
  return Number.isSafeInteger(priority) ? priority : null
}

/** What stands in a node, or why it is not known. */
export type Reading<T> =
  | { readonly kind: 'read'; readonly value: T }
  /** Written by a newer version: to be left alone. */
  | { readonly kind: 'newer' }
  | { readonly kind: 'malformed' }

const epoch = z.int().min(0)
/** What else a later version writes into a node of this form is kept. */
const jobSchema = z.looseObject({ v: z.literal(1), epoch, at: z.number() })
const claimSchema = z.object({
  v: z.literal(1),
  claimId: z.string().min(1),
  conductor: z.string().min(1),
  epoch,
  /** Where the job node is, for who has to find it: priority and name. */
  job: z.string().optional(),
})
const memberSchema = z.object({
  v: z.literal(1),
  id: z.string().min(1),
  name: z.string().min(1),
  board: z.string(),
  capacity: z.number(),
  host: z.string().optional(),
  pid: z.number().optional(),
  sessionMs: z.number().optional(),
})
const leaderSchema = z.object({ conductor: z.string().min(1) })
const newerSchema = z.object({ v: z.int().min(2) })

/** Of a job node. */
export type JobData = z.infer<typeof jobSchema>
/** Of a claim. */
export type ClaimData = z.infer<typeof claimSchema>
/** Of a registration. */
export type MemberData = z.infer<typeof memberSchema>

/** More than this is not ours; it is not even parsed. */
const LARGEST_BYTES = 4096

export function jobData(posting: Pick<Posting, 'epoch' | 'createdAt'>): Buffer {
  return toBytes({ v: 1, epoch: posting.epoch, at: posting.createdAt } satisfies JobData)
}

/** The same node's contents under another epoch. */
export function withEpoch(data: JobData, newEpoch: number): Buffer {
  return toBytes({ ...data, epoch: newEpoch })
}

export function claimData(claim: Omit<BoardClaim, 'jobId' | 'posting'>, job: string): Buffer {
  const { claimId, conductor } = claim
  return toBytes({ v: 1, claimId, conductor, epoch: claim.epoch, job } satisfies ClaimData)
}

export function memberData(
  member: FleetMember,
  where: Pick<MemberData, 'board' | 'host' | 'pid' | 'sessionMs'>,
): Buffer {
  const { id, name, capacity } = member
  return toBytes({ v: 1, id, name, capacity, ...where } satisfies MemberData)
}

export function leaderData(conductor: string): Buffer {
  return toBytes({ conductor })
}

export const readJobData = (data: Buffer): Reading<JobData> => read(jobSchema, data)
export const readClaimData = (data: Buffer): Reading<ClaimData> => read(claimSchema, data)
export const readMemberData = (data: Buffer): Reading<MemberData> => read(memberSchema, data)

/** The conductor that leads; null: it is malformed. */
export function readLeaderData(data: Buffer): string | null {
  const reading = read(leaderSchema, data)
  return reading.kind === 'read' ? reading.value.conductor : null
}

function toBytes(value: object): Buffer {
  return Buffer.from(JSON.stringify(value))
}

function read<T>(schema: z.ZodType<T>, data: Buffer): Reading<T> {
  if (data.length > LARGEST_BYTES) return { kind: 'malformed' }
  let json: unknown
  try {
    json = JSON.parse(data.toString())
  } catch {
    return { kind: 'malformed' }
  }
  const parsed = schema.safeParse(json)
  if (parsed.success) return { kind: 'read', value: parsed.data }
  return { kind: newerSchema.safeParse(json).success ? 'newer' : 'malformed' }
}
