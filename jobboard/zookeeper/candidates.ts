/**
 * The postings that a board knows of, and which of them it tries next. Pure: it is told what listings showed and what became of
 * tries, and asked what to try.
 *
 * Invariants
 * D1  Order: highest bucket first, then by name (age). Within a bucket mine come before those of others; of others only those that
 *     are ripe, the nearest to me first, and no more than my share of them at a time. While a bucket has ripe ones, no lower one is tried.
 * D2  What was taken is not given again until it is said to be free; two callers never get the same one.
 * D3  What a listing shows is as old as its beginning: changes made here since (posted, taken, removed) stand over it.
 * D4  Who takes postings of others begins with one. Each that is won lets it take one more at once, up to 128; being beaten to
 *     one begins again, 150 ms later: whose they are is at work on them, though no listing shows it yet.
 * D5  What is asked or told often (offers, takes, listings of claims) costs what has changed, not what waits: a backlog may be long.
 * D6  A name that is new in a listing counts as free until claims were listed, or a try says otherwise.
 */
import type { Posting } from '../jobboard.ts'
import { bucketName, readJobName } from './names.ts'
import { distanceOf, hashText, LEAVE_ALONE_MS, rankOf, ripeAt, turnOf } from './preference.ts'

/** A posting that may be tried. */
export interface Candidate extends Pick<Posting, 'jobId' | 'posting' | 'priority' | 'createdAt'> {
  /** Name of its claim. */
  readonly key: string
  /** Name of its node. */
  readonly name: string
  /** `<bucket>/<name>` */
  readonly place: string
}

/**
 * `taken`: given out by `take`, or claimed by us. `claimed`: by somebody else, as far as is known. `shunned`: not to be tried as
 * long as its node is there.
 */
type State = 'free' | 'taken' | 'claimed' | 'shunned'

interface Entry extends Candidate {
  readonly hash: number
  state: State
  /** Whether it was another's turn when it was taken. */
  isOthers: boolean
  rank: number
  /** Epoch ms when it was first seen to be free. */
  seenAt: number
  /** Of the last change made here (D3). */
  stamp: number
}

interface Bucket {
  readonly priority: number
  /** By name. */
  entries: Entry[]
  /** When the last listing of it began, in epoch ms. */
  listedAt: number
  /** Null: to be made again. */
  parts: Parts | null
}

/** Those whose turn is mine, and the others, by name; some may have been taken meanwhile. */
interface Parts {
  readonly mine: Entry[]
  readonly others: Entry[]
  /** When all of the others are ripe, in epoch ms. */
  ripeBy: number
  /** Of those that were claimed since, as listings showed. */
  gone: number
}

/** D4. */
const MOST_OF_OTHERS = 128
const BEATEN_MS = 150
/** Parts with more than this share of claimed ones among the others are made again (D5). */
const GONE_SHARE = 0.5

/** What a listing of a bucket changed. */
export interface BucketChange {
  readonly added: number
  readonly removed: readonly Candidate[]
  /** Names that are no postings. */
  readonly malformed: readonly string[]
}

export class Candidates {
  readonly #places = new Map<string, Entry>()
  readonly #keys = new Map<string, Entry>()
  /** Those in the state of that name. */
  readonly #claimed = new Set<Entry>()
  /** Bigger priority first. */
  #buckets: Bucket[] = []
  /** What was removed here, by when: listings that began earlier may still show it (D3). */
  readonly #removed = new Map<string, number>()
  #me = 0
  #others: readonly number[] = []
  #stamp = 0
  #boldness = 1
  #holdUntil = -Infinity

  get size(): number {
    return this.#places.size
  }

  /** Names of this member and of all; with one or none everything is its own. */
  setMembers(me: string | null, all: readonly string[]): void {
    this.#me = hashText(me ?? '')
    this.#others = me === null ? [] : all.filter((name) => name !== me).map(hashText)
    for (const entry of this.#places.values()) this.#rank(entry)
    for (const bucket of this.#buckets) bucket.parts = null
  }

  /** To be asked before a listing is sent, and given back with its answer (D3). */
  stamp(): number {
    return this.#stamp++
  }

  find(key: string): Candidate | undefined {
    return this.#keys.get(key)
  }

  /** A posting that was made here. */
  add(candidate: Candidate, now: number): void {
    if (this.#places.has(candidate.place)) return
    this.#removed.delete(candidate.place)
    this.#insert(candidate, now)
  }

  /** It can be claimed again, as far as is known: the try failed, or the claim was given back. */
  free(candidate: Candidate, now: number): void {
    const entry = this.#places.get(candidate.place)
    if (entry === undefined) return this.add(candidate, now)
    this.#change(entry, 'free')
    entry.seenAt = now
    this.#sortIn(entry)
  }

  /** Somebody else has it. */
  claimed(candidate: Candidate): void {
    const entry = this.#places.get(candidate.place)
    if (entry !== undefined) this.#change(entry, 'claimed')
  }

  /** What was taken was won (D4). */
  won(candidate: Candidate): void {
    if (this.#places.get(candidate.place)?.isOthers !== true) return
    this.#boldness = Math.min(this.#boldness + 1, MOST_OF_OTHERS)
  }

  /** Somebody was faster with what was taken (D4). `isGone`: and has ended it already. */
  beaten(candidate: Candidate, now: number, isGone: boolean): void {
    if (this.#places.get(candidate.place)?.isOthers === true) {
      this.#boldness = 1
      this.#holdUntil = now + BEATEN_MS
    }
    if (isGone) this.remove(candidate.place)
    else this.claimed(candidate)
  }

  /** It cannot be used here, and will not be tried again. */
  shun(candidate: Candidate): void {
    const entry = this.#places.get(candidate.place)
    if (entry !== undefined) this.#change(entry, 'shunned')
  }

  /** Its node is gone. False: it was not known. */
  remove(place: string): boolean {
    const entry = this.#places.get(place)
    this.#removed.set(place, this.#stamp++)
    if (entry === undefined) return false
    this.#drop(entry)
    const bucket = this.#bucketOf(entry.priority)
    const at = placeIn(bucket.entries, entry.name)
    if (bucket.entries[at] === entry) bucket.entries.splice(at, 1)
    return true
  }

  /** Forgets everything: another session begins. */
  clear(): void {
    this.#places.clear()
    this.#keys.clear()
    this.#claimed.clear()
    this.#removed.clear()
    this.#buckets = []
  }

  /** What a listing of a bucket showed that began at `stamp`. */
  listed(
    priority: number,
    names: readonly string[],
    at: { readonly stamp: number; readonly now: number },
  ): BucketChange {
    const bucket = this.#bucketOf(priority)
    const prefix = `${bucketName(priority)}/`
    const shown = new Set<string>()
    const malformed: string[] = []
    const entries: Entry[] = []
    let added = 0
    for (const name of names) {
      const place = prefix + name
      shown.add(place)
      const known = this.#places.get(place)
      if (known !== undefined) {
        entries.push(known)
        continue
      }
      if ((this.#removed.get(place) ?? -1) > at.stamp) continue
      const read = readJobName(name)
      if (read === null) {
        malformed.push(name)
        continue
      }
      const { jobId, posting, createdAt, key } = read
      const candidate = { jobId, posting, createdAt, key, priority, name, place }
      entries.push(this.#register(candidate, at))
      added++
    }
    const removed: Entry[] = []
    for (const entry of bucket.entries) {
      if (shown.has(entry.place)) continue
      if (entry.stamp > at.stamp) entries.push(entry)
      else removed.push(entry)
    }
    for (const entry of removed) this.#drop(entry)
    const isNextTurn = turnOf(bucket.listedAt) !== turnOf(at.now)
    bucket.listedAt = at.now
    if (added > 0 || removed.length > 0 || isNextTurn) {
      bucket.entries = entries.sort(byName)
      bucket.parts = null
    }
    for (const [place, stamp] of this.#removed) {
      if (stamp <= at.stamp && place.startsWith(prefix)) this.#removed.delete(place)
    }
    return { added, removed, malformed }
  }

  /** Priorities of which something is known. */
  get priorities(): readonly number[] {
    return this.#buckets.map((bucket) => bucket.priority)
  }

  /** The keys of all claims, as a listing showed them that began at `stamp`. */
  listedClaims(
    keys: ReadonlySet<string>,
    at: { readonly stamp: number; readonly now: number },
  ): void {
    for (const entry of [...this.#claimed]) {
      if (entry.stamp > at.stamp || keys.has(entry.key)) continue
      this.#claimed.delete(entry)
      entry.state = 'free'
      entry.seenAt = at.now
      this.#bucketOf(entry.priority).parts = null
    }
    for (const key of keys) {
      const entry = this.#keys.get(key)
      if (entry?.state !== 'free' || entry.stamp > at.stamp) continue
      entry.state = 'claimed'
      this.#claimed.add(entry)
      const bucket = this.#bucketOf(entry.priority)
      const { parts } = bucket
      if (parts !== null && ++parts.gone > GONE_SHARE * parts.others.length) bucket.parts = null
    }
  }

  /** Up to `limit` that are to be tried now; they are taken (D1, D2). `onlyMine`: it stops where those of others would come. */
  take(
    limit: number,
    now: number,
    options: { readonly onlyMine?: boolean } = {},
  ): readonly Candidate[] {
    const picks: Entry[] = []
    const pick = (entry: Entry, isOthers: boolean): void => {
      this.#change(entry, 'taken')
      entry.isOthers = isOthers
      picks.push(entry)
    }
    for (const bucket of this.#buckets) {
      if (picks.length >= limit) break
      const { mine, others } = this.#partsOf(bucket)
      while (picks.length < limit && mine.length > 0) {
        const entry = mine.shift()
        if (entry?.state === 'free') pick(entry, false)
      }
      if (picks.length >= limit || others.length === 0) continue
      const ripe = this.#ripeOf(bucket, now)
      if (ripe.length === 0) continue
      if (options.onlyMine === true) break
      const share = Math.max(1, Math.ceil(ripe.length / (this.#others.length + 1)))
      const count = Math.min(share, this.#boldness, limit - picks.length)
      for (const entry of ripe.slice(0, count)) pick(entry, true)
      break
    }
    return picks
  }

  /** Whether `take` would give anything. */
  hasAny(now: number): boolean {
    return this.#buckets.some((bucket) => {
      return this.#partsOf(bucket).mine.some(isFree) || this.#hasRipe(bucket, now)
    })
  }

  /** Whether a bucket still has one of mine. */
  hasMineIn(priority: number): boolean {
    const bucket = this.#buckets.find((one) => one.priority === priority)
    return bucket !== undefined && this.#partsOf(bucket).mine.some(isFree)
  }

  /** When the next one of others may become ripe, in epoch ms: never too late by more than 150 ms. Undefined: all are. */
  nextRipeAt(now: number): number | undefined {
    let ripeBy = -Infinity
    for (const bucket of this.#buckets) {
      const parts = this.#partsOf(bucket)
      if (parts.others.length > 0) ripeBy = Math.max(ripeBy, parts.ripeBy, this.#holdUntil)
    }
    if (now >= ripeBy) return undefined
    return Math.max(this.#holdUntil, Math.min(ripeBy, now + LEAVE_ALONE_MS))
  }

  #register(
    candidate: Candidate,
    { stamp, now }: { readonly stamp: number; readonly now: number },
  ): Entry {
    const hash = hashText(candidate.key)
    const entry: Entry = {
      ...candidate,
      hash,
      state: 'free',
      isOthers: false,
      rank: 0,
      seenAt: now,
      stamp,
    }
    this.#rank(entry)
    this.#places.set(entry.place, entry)
    this.#keys.set(entry.key, entry)
    return entry
  }

  #insert(candidate: Candidate, now: number): void {
    const entry = this.#register(candidate, { stamp: this.#stamp++, now })
    const { entries } = this.#bucketOf(entry.priority)
    entries.splice(placeIn(entries, entry.name), 0, entry)
    this.#sortIn(entry)
  }

  /** Puts one that became free where `take` looks. */
  #sortIn(entry: Entry): void {
    const bucket = this.#bucketOf(entry.priority)
    const { parts } = bucket
    if (parts === null) return
    const distance = this.#distance(bucket, entry)
    const list = distance === 0 ? parts.mine : parts.others
    if (distance > 0) parts.ripeBy = Math.max(parts.ripeBy, ripeAt(distance, entry.seenAt))
    const at = placeIn(list, entry.name)
    if (list[at] !== entry) list.splice(at, 0, entry)
  }

  #partsOf(bucket: Bucket): Parts {
    if (bucket.parts !== null) return bucket.parts
    const parts: Parts = { mine: [], others: [], ripeBy: -Infinity, gone: 0 }
    for (const entry of bucket.entries) {
      if (entry.state !== 'free') continue
      const distance = this.#distance(bucket, entry)
      if (distance === 0) parts.mine.push(entry)
      else {
        parts.others.push(entry)
        parts.ripeBy = Math.max(parts.ripeBy, ripeAt(distance, entry.seenAt))
      }
    }
    return (bucket.parts = parts)
  }

  /** Nearest first (D1). */
  #ripeOf(bucket: Bucket, now: number): Entry[] {
    return this.#partsOf(bucket)
      .others.filter((entry) => this.#isRipe(bucket, entry, now))
      .sort((a, b) => this.#distance(bucket, a) - this.#distance(bucket, b) || byName(a, b))
  }

  #hasRipe(bucket: Bucket, now: number): boolean {
    if (now < this.#holdUntil) return false
    return this.#partsOf(bucket).others.some((entry) => this.#isRipe(bucket, entry, now))
  }

  #isRipe(bucket: Bucket, entry: Entry, now: number): boolean {
    return entry.state === 'free' && this.#ripeAt(bucket, entry) <= now
  }

  #ripeAt(bucket: Bucket, entry: Entry): number {
    return Math.max(ripeAt(this.#distance(bucket, entry), entry.seenAt), this.#holdUntil)
  }

  #distance(bucket: Bucket, entry: Entry): number {
    const { seenAt } = entry
    return distanceOf(entry.rank, this.#others.length + 1, { seenAt, listedAt: bucket.listedAt })
  }

  #rank(entry: Entry): void {
    entry.rank = rankOf(entry.hash, this.#me, this.#others)
  }

  #change(entry: Entry, state: State): void {
    if (state === 'claimed') this.#claimed.add(entry)
    else this.#claimed.delete(entry)
    entry.state = state
    entry.stamp = this.#stamp++
  }

  #drop(entry: Entry): void {
    entry.state = 'taken'
    this.#claimed.delete(entry)
    this.#places.delete(entry.place)
    if (this.#keys.get(entry.key) === entry) this.#keys.delete(entry.key)
  }

  #bucketOf(priority: number): Bucket {
    const at = this.#buckets.findIndex((bucket) => bucket.priority <= priority)
    const found = at < 0 ? undefined : this.#buckets[at]
    if (found?.priority === priority) return found
    const bucket: Bucket = { priority, entries: [], listedAt: -Infinity, parts: null }
    this.#buckets.splice(at < 0 ? this.#buckets.length : at, 0, bucket)
    return bucket
  }
}

function byName(a: Entry, b: Entry): number {
  return a.name < b.name ? -1 : a.name > b.name ? 1 : 0
}

/** Where a name is, or belongs, in a list by name. */
function placeIn(list: readonly Entry[], name: string): number {
  let low = 0
  let high = list.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((list[middle]?.name ?? '') < name) low = middle + 1
    else high = middle
  }
  return low
}

function isFree(entry: Entry): boolean {
  return entry.state === 'free'
}
