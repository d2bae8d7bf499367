/** Flows of no-op tasks in three shapes, of any size. */
import { graph, linear, unordered } from '../../src/flow/composition.ts'
import type { Runnable } from '../../src/flow/runnable.ts'
import { task } from '../../src/flow/task.ts'

export const SHAPES = ['chain', 'fan-out', 'layers'] as const
export type ShapeName = (typeof SHAPES)[number]

/** Tasks in each layer; each but those of the first waits for two of the layer before. */
const WIDTH = 10

const noop = task('noop', { execute: async () => undefined })

/** A flow of so many tasks. `layers` is a graph by explicit links. */
export function shape(name: ShapeName, tasks: number): Runnable {
  const id = (at: number): string => `task-${at}`
  const nodes = Array.from({ length: tasks }, (_, at) => noop.as(id(at)))
  switch (name) {
    case 'chain':
      return linear('chain', nodes)
    case 'fan-out':
      return unordered('fan-out', nodes)
    case 'layers': {
      const links = nodes.slice(WIDTH).flatMap((_, at) => {
        const first = Math.floor(at / WIDTH) * WIDTH
        const to = id(at + WIDTH)
        return [0, 1].map((step) => ({ from: id(first + ((at + step) % WIDTH)), to }))
      })
      return graph('layers', nodes, { links })
    }
  }
}
