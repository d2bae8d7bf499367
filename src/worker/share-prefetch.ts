/** How many unsettled deliveries each topic of a worker may have, so that all of them together fill its places. Pure. */

/** A topic as it stands. */
export interface TopicLoad {
  /** Deliveries that are here and not settled. */
  readonly unsettled: number
  /** How many it may have now. */
  readonly prefetch: number
}

/**
 * New prefetches, in the order of the topics. A topic that fills its share gets more from those that do not; topics that all
 * fill theirs have equal shares; each keeps at least one place, so that none starves.
 * @param places how many calls may run at once
 */
export function sharePrefetch(places: number, topics: readonly TopicLoad[]): readonly number[] {
  const room = Math.max(places, topics.length)
  const shares = topics.map(() => 1)
  const wants = topics.map(({ unsettled, prefetch }) =>
    unsettled >= prefetch ? room : Math.max(1, unsettled),
  )
  let left = room - topics.length
  left = fill(shares, left, (at) => (wants[at] ?? 0) - (shares[at] ?? 0))
  fill(shares, left, () => room)
  // What is here already cannot be given back: nobody else gets its place before it is settled.
  let excess = topics.reduce(
    (sum, topic, at) => sum + Math.max(topic.unsettled, shares[at] ?? 1),
    -room,
  )
  for (let at = 0; at < shares.length && excess > 0; at++) {
    const share = shares[at] ?? 1
    const spare = share - Math.max(1, topics[at]?.unsettled ?? 0)
    if (spare <= 0) continue
    shares[at] = share - Math.min(spare, excess)
    excess -= Math.min(spare, excess)
  }
  return shares
}

/** Gives out `left`, one each in turn, to those that need more; what nobody needs is returned. */
function fill(shares: number[], left: number, need: (at: number) => number): number {
  let rest = left
  let isWanted = true
  while (rest > 0 && isWanted) {
    isWanted = false
    for (let at = 0; at < shares.length && rest > 0; at++) {
      if (need(at) <= 0) continue
      shares[at] = (shares[at] ?? 0) + 1
      rest -= 1
      isWanted = true
    }
  }
  return rest
}
