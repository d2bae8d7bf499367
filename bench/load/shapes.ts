/** Flows of no-op tasks in three shapes, of any size. */
import { graph, linear, unordered } from '../../src/flow/composition.ts'
import type { ResolvedDocument, ResolvedFlow } from '../../src/flow/resolved.ts'
import type { Runnable } from '../../src/flow/runnable.ts'
import { task } from '../../src/flow/task.ts'

export const SHAPES = ['chain', 'fan-out', 'layers'] as const
export type ShapeName = (typeof SHAPES)[number]

/** Tasks in each layer; each but those of the first waits for two of the layer before. */
const WIDTH = 10

export const noop = task('noop', { execute: async () => undefined })

/** A flow of so many tasks. `layers` is a graph by explicit links. */
export function shape(name: ShapeName, tasks: number): Runnable {
  const nodes = ids(tasks).map((id) => noop.as(id))
  switch (name) {
    case 'chain':
      return linear(name, nodes)
    case 'fan-out':
      return unordered(name, nodes)
    case 'layers':
      return graph(name, nodes, { links: linksOf(tasks) })
  }
}

/** The same, as it is stored: for flows that are longer than a document may be. */
export function resolvedShape(name: ShapeName, tasks: number): ResolvedDocument {
  const nodes = ids(tasks).map((id) => {
    return { kind: 'task', id, task: 'noop', requires: {}, provides: {}, revert: false } as const
  })
  const roots: { readonly [shape in ShapeName]: () => ResolvedFlow } = {
    chain: () => ({ kind: 'linear', id: name, nodes }),
    'fan-out': () => ({ kind: 'unordered', id: name, nodes }),
    layers: () => ({ kind: 'graph', id: name, nodes, links: linksOf(tasks) }),
  }
  return { format: 1, flow: name, source: '', closed: false, input: {}, root: roots[name]() }
}

function ids(tasks: number): readonly string[] {
  return Array.from({ length: tasks }, (_, at) => `task-${at}`)
}

function linksOf(tasks: number): readonly { readonly from: string; readonly to: string }[] {
  return ids(tasks)
    .slice(WIDTH)
    .flatMap((to, at) => {
      const first = Math.floor(at / WIDTH) * WIDTH
      return [0, 1].map((step) => ({ from: `task-${first + ((at + step) % WIDTH)}`, to }))
    })
}
