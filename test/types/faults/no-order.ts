// What is wrong with flows whose nodes run in no order of their own.
import { flow, graph, linear, unordered, z } from '../../../src/flow/builders.ts'
import { hear, noop, num, reserve, say, ship } from './tasks.ts'

graph('two providers', [
  reserve,
  // ✗ Type 'Step<"num", …>' is not assignable to type '"num provides 'reservationId', which another node of this graph provides too"'.
  num,
])

flow('graph at the root', { kind: 'graph', input: { sku: z.string() } }, [
  ship,
  // ✗ Type 'Step<"inventory.reserve", …>' is not assignable to type '"inventory.reserve requires 'quantity', which no node of this graph and no input provides"'.
  reserve,
])

graph('wrong type in a graph', [
  // ✗ Type 'Step<"ship", …>' is not assignable to type 'WRONG_TYPE<"ship", "reservationId", number, string>'.
  ship,
  num,
])

flow('skipped in a graph', { kind: 'graph' }, [
  // ✗ Type 'Step<"say", …>' is not assignable to type '"say requires 'm', whose provider may be skipped"'.
  say,
  hear.when('job.priority > 1'),
])

graph('twice', [
  noop,
  // ✗ Type 'Step<"noop", …>' is not assignable to type '"the id 'noop' is used twice; give one of them another by .as()"'.
  noop,
])

graph('link', [reserve, ship], {
  // ✗ Type '"shipp"' is not assignable to type '"inventory.reserve" | "ship"'. Did you mean '"ship"'?
  links: [{ from: 'inventory.reserve', to: 'shipp' }],
})

flow(
  'link at the root',
  {
    kind: 'graph',
    // ✗ Type '"heer"' is not assignable to type '"hear" | "noop"'.
    links: [{ from: 'heer', to: 'noop' }],
  },
  [hear, noop],
)

graph('depth', [hear, noop], {
  // ✗ Type '"flows"' is not assignable to type '"all" | "atom" | "flow" | "neighbors" | "path" | undefined'. Did you mean '"flow"'?
  links: [{ from: 'hear', to: 'noop', when: 'true', depth: 'flows' }],
})

flow('siblings', { kind: 'unordered' }, [
  hear,
  // ✗ Type 'Step<"say", …>' is not assignable to type '"say requires 'm', which only its sibling 'hear' provides: use linear or graph"'.
  say,
])

unordered('twice', [
  linear('a', [noop]),
  // ✗ Type 'Composition<"a", …>' is not assignable to type '"the id 'a' is used twice; give one of them another by .as()"'.
  linear('a', [hear]),
])
