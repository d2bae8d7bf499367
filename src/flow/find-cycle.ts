/** A node of a cycle, and the symbol that the next one waits for (empty for a link). */
export interface CycleStep {
  readonly node: number
  readonly because: string
}

/**
 * A cycle of a graph, or undefined. `edges` maps each node to those it waits for, with the reason. Linear; no recursion.
 * The cycle is given in the order of work: each step is before the next.
 */
export function findCycle(
  nodes: number,
  edges: ReadonlyMap<number, ReadonlyMap<number, string>>,
): readonly CycleStep[] | undefined {
  const waits = new Int32Array(nodes)
  const followers: number[][] = Array.from({ length: nodes }, () => [])
  for (const [to, froms] of edges) {
    for (const from of froms.keys()) {
      followers[from]?.push(to)
      waits[to] = (waits[to] ?? 0) + 1
    }
  }
  const ready: number[] = []
  for (let node = 0; node < nodes; node++) if (waits[node] === 0) ready.push(node)
  let done = 0
  for (let node = ready.pop(); node !== undefined; node = ready.pop()) {
    done += 1
    for (const next of followers[node] ?? []) {
      const left = (waits[next] ?? 0) - 1
      waits[next] = left
      if (left === 0) ready.push(next)
    }
  }
  if (done === nodes) return undefined
  // Whoever still waits, waits for one that waits: going back along those must meet itself.
  let node = waits.findIndex((left) => left > 0)
  const seen = new Map<number, number>()
  const back: CycleStep[] = []
  while (!seen.has(node)) {
    seen.set(node, back.length)
    const before = [...(edges.get(node) ?? [])].find(([from]) => (waits[from] ?? 0) > 0)
    if (before === undefined) return undefined
    back.push({ node: before[0], because: before[1] })
    node = before[0]
  }
  return back.slice(seen.get(node)).toReversed()
}
