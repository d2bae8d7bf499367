import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from 'zod'
import { flowJsonSchema } from '../../src/flow/json-schema.ts'
import { parseDocument } from '../../src/flow/parse.ts'

const schema = z.fromJSONSchema(flowJsonSchema())
const fits = (document: unknown): boolean => schema.safeParse(document).success

const checkout = {
  zagflow: 1,
  flow: 'checkout',
  version: 1,
  input: {
    sku: 'string?',
    quantity: { type: 'integer', minimum: 1, default: 1 },
    tags: { type: 'array', items: 'string' },
    who: { type: ['string', 'null'], optional: true },
    address: { type: 'object', properties: { city: 'string' }, additionalProperties: false },
  },
  linear: [
    {
      task: 'inventory.reserve',
      retry: { attempts: 5, delay: '1s', factor: 2 },
      provides: ['reservation'],
    },
    {
      id: 'settle',
      retry: { forEach: ['a', 'b'], provides: 'method' },
      unordered: [
        {
          task: 'payment.charge',
          with: { amount: '${{ total }}' },
          provides: { paid: '${{ result.id }}' },
        },
        {
          graph: [{ task: 'a' }, { task: 'b' }],
          links: [{ from: 'a', to: 'b', when: 'x', depth: 'flow' }],
        },
        { linear: [], retry: { never: 'revert' }, onFailure: 'continue' },
      ],
    },
    { task: 'x', retry: { attempts: '${{ n }}' } },
  ],
  output: { tracking: '${{ tracking }}' },
}

/** Faults that the schema of an editor must show, each made by changing the document above. */
const faults: readonly (readonly [string, object])[] = [
  ['an unknown key', { verison: 1 }],
  ['a wrong type', { version: '1' }],
  ['another grammar', { zagflow: 2 }],
  ['a name with a space', { flow: 'a b' }],
  ['no name', { flow: undefined }],
  ['an unknown type', { input: { a: 'strng' } }],
  ['a keyword that is not offered', { input: { a: { type: 'string', pattern: 'x' } } }],
  ['a reserved kind', { linear: [{ sleep: '5s' }] }],
  ['a node without a kind', { linear: [{ id: 'x' }] }],
  ['two kinds', { linear: [{ task: 'x', linear: [] }] }],
  ['an unknown key of a node', { linear: [{ task: 'x', tiemout: '5s' }] }],
  ['a fault deep inside', { linear: [{ unordered: [{ graph: [{ task: 'x', timeout: 5 }] }] }] }],
  ['a duration without a unit', { linear: [{ task: 'x', timeout: '5' }] }],
  ['no attempts', { linear: [{ task: 'x', retry: { delay: '5s' } }] }],
  ['attempts below 1', { linear: [{ task: 'x', retry: { attempts: 0 } }] }],
  ['the retry of a flow at a task', { linear: [{ task: 'x', retry: { never: 'revert' } }] }],
  ['a retry of no kind', { retry: { nevr: 'revert' } }],
  ['an unknown depth', { linear: [{ graph: [], links: [{ from: 'a', to: 'b', depth: 'deep' }] }] }],
  ['links of a linear flow', { links: [] }],
]

test('a valid document fits the JSON Schema that editors use', () => {
  assert.doesNotThrow(() => parseDocument(checkout))
  assert.ok(fits(checkout), z.prettifyError(schema.safeParse(checkout).error ?? new z.ZodError([])))
  for (const kind of ['linear', 'unordered', 'graph'])
    assert.ok(fits({ flow: 'f', [kind]: [] }), kind)
  assert.ok(fits({ flow: 'f', tasks: './tasks.ts', linear: [] }), 'files may name their tasks')
})

test('planted faults do not fit it, and the loader refuses them too', () => {
  for (const [name, change] of faults) {
    const document: unknown = JSON.parse(JSON.stringify({ ...checkout, ...change }))
    assert.ok(!fits(document), `${name} fits the JSON Schema`)
    assert.throws(() => parseDocument(document), name)
  }
})

test('it is a JSON Schema of draft 2020-12 whose references are its own', () => {
  const made = flowJsonSchema()
  assert.equal(made['$schema'], 'https://json-schema.org/draft/2020-12/schema')
  const text = JSON.stringify(made)
  assert.deepEqual([...new Set(text.match(/"\$ref":"[^"]*"/g))].toSorted(), [
    '"$ref":"#/$defs/node"',
    '"$ref":"#/$defs/schema"',
  ])
  assert.ok(text.includes('"description":"Name of the task in a worker."'))
})
