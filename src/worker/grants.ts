/**
 * How many deliveries each topic of a worker may have, so that all of them together fill its places and no more. Pure.
 *
 * A prefetch cannot be changed for deliveries that are under way: a consumer with another one may get as many as it allows on
 * top of them. So each topic has one or a few consumers, its grants; to take places away one of them is cancelled, and
 * its places are free when its deliveries are settled.
 */

/** A consumer of a topic. */
export interface Grant {
  /** Index of the topic. */
  readonly topic: number
  /** Its prefetch. */
  readonly size: number
  /** Deliveries of it that are here and not settled. */
  readonly unsettled: number
  /** It was cancelled: it gets no more. */
  readonly isClosing: boolean
}

export type GrantStep<G extends Grant> =
  | { readonly do: 'open'; readonly topic: number; readonly size: number }
  | { readonly do: 'cancel'; readonly grant: G }

interface Standing<G> {
  readonly topic: number
  readonly grants: readonly G[]
  readonly credit: number
  /** Its deliveries that are not settled, of cancelled grants, too. */
  readonly here: number
  /** Everything that it may have is here: there may be more in its queue. */
  readonly isFull: boolean
}

/**
 * What is to be changed now, of `places` for so many topics. Each topic has at least one place as long as there are any; one
 * that is full gets what others do not use; topics that are all full come to equal shares.
 */
export function planGrants<G extends Grant>(
  places: number,
  topicCount: number,
  grants: readonly G[],
): readonly GrantStep<G>[] {
  const active = grants.filter(({ isClosing }) => !isClosing)
  const cancelled = new Set<G>()
  let free = places
  for (const { isClosing, unsettled, size } of grants) free -= isClosing ? unsettled : size
  // Fewer places than before.
  for (const grant of [...active].sort((a, b) => idleOf(b) - idleOf(a))) {
    if (free >= 0 || idleOf(grant) <= 0) break
    cancelled.add(grant)
    free += idleOf(grant)
  }
  const donor =
    free >= chunkOf(places)
      ? undefined
      : findDonor(places, standings(topicCount, grants, cancelled))
  if (donor !== undefined) {
    cancelled.add(donor)
    free += idleOf(donor)
  }
  return [
    ...[...cancelled].map((grant) => ({ do: 'cancel', grant }) as const),
    ...giveOut(places, free, standings(topicCount, grants, cancelled)),
  ]
}

function giveOut<G extends Grant>(
  places: number,
  free: number,
  topics: readonly Standing<G>[],
): readonly GrantStep<G>[] {
  if (places <= 0) return []
  const sizes = new Map<number, number>()
  let left = free
  for (const { topic, credit, here } of topics) {
    // One that has nothing at all gets a place, if there is one or not.
    if (credit > 0 || (left <= 0 && here > 0)) continue
    sizes.set(topic, 1)
    left -= 1
  }
  const isHungry = topics.some(({ isFull }) => isFull)
  const takers = topics
    .filter(({ isFull }) => isFull || !isHungry)
    .map(({ topic, credit }) => ({ topic, credit: credit + (sizes.get(topic) ?? 0) }))
  // Many small grants would be many channels.
  if (sizes.size === 0 && left < chunkOf(places)) return []
  for (; left > 0 && takers.length > 0; left--) {
    const poorest = takers.reduce((least, taker) => (taker.credit < least.credit ? taker : least))
    poorest.credit += 1
    sizes.set(poorest.topic, (sizes.get(poorest.topic) ?? 0) + 1)
  }
  return [...sizes].map(([topic, size]) => ({ do: 'open', topic, size }))
}

/** A grant to be taken from its topic, where another is full and nothing is free. */
function findDonor<G extends Grant>(places: number, topics: readonly Standing<G>[]): G | undefined {
  const [neediest] = topics.filter(({ isFull }) => isFull).sort((a, b) => a.credit - b.credit)
  if (neediest === undefined) return undefined
  const others = topics.filter(({ topic }) => topic !== neediest.topic)
  const idle = others.filter(({ isFull, credit }) => !isFull && credit > 1)
  const richer = others.filter(({ credit }) => credit - neediest.credit > chunkOf(places))
  const [richest] = (idle.length > 0 ? idle : richer).sort((a, b) => b.credit - a.credit)
  const [best] = [...(richest?.grants ?? [])].sort(
    (a, b) => idleOf(b) - idleOf(a) || a.size - b.size,
  )
  return best
}

function standings<G extends Grant>(
  topicCount: number,
  grants: readonly G[],
  cancelled: ReadonlySet<G>,
): readonly Standing<G>[] {
  return Array.from({ length: topicCount }, (_, topic) => {
    const all = grants.filter((grant) => grant.topic === topic)
    const active = all.filter((grant) => !grant.isClosing && !cancelled.has(grant))
    const credit = active.reduce((sum, { size }) => sum + size, 0)
    const used = active.reduce((sum, { unsettled }) => sum + unsettled, 0)
    const here = all.reduce((sum, { unsettled }) => sum + unsettled, 0)
    return { topic, grants: active, credit, here, isFull: credit > 0 && used >= credit }
  })
}

function idleOf({ size, unsettled }: Grant): number {
  return Math.max(0, size - unsettled)
}

function chunkOf(places: number): number {
  return Math.max(1, Math.floor(places / 8))
}
