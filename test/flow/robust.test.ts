import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { canonicalJson, toJson } from '../../src/base/codec.ts'
import { ExpressionError, InvalidFlowError, NotSerialisableError } from '../../src/base/errors.ts'
import { toFailure } from '../../src/base/failure.ts'
import type { Json } from '../../src/base/json.ts'
import { compile, type FlowPlan } from '../../src/flow/compile.ts'
import { compileExpression } from '../../src/flow/expression.ts'
import { loadFlow } from '../../src/flow/load.ts'
import { parseDocument } from '../../src/flow/parse.ts'
import { resolve } from '../../src/flow/resolve.ts'
import { compileTemplate } from '../../src/flow/template.ts'
import { guardPrototype } from './prototype-guard.ts'
import { signature } from './signatures.ts'

guardPrototype()

const signatures = [
  signature('a', { x: 'integer' }, { y: 'string' }),
  signature('b', { y: 'string?' }, { x: 'integer' }),
]

/** Runs a call that may refuse, but only by an error of that class with a message. */
function refusesBy(wanted: new (...args: never[]) => Error, call: () => unknown): void {
  try {
    call()
  } catch (error) {
    assert.ok(error instanceof wanted, error instanceof Error ? error.stack : String(error))
    assert.ok(error.message.length > 0 && error.message.length < 100_000)
  }
}

const word = fc.constantFrom(
  'task',
  'linear',
  'unordered',
  'graph',
  'links',
  'id',
  'when',
  'with',
  'provides',
  'retry',
  'revertRetry',
  'timeout',
  'flow',
  'input',
  'output',
  'version',
  'zagflow',
  'attempts',
  'forEach',
  'never',
  'strategy',
  'delay',
  'from',
  'to',
  'depth',
  'type',
  'items',
  'properties',
  'default',
  'switch',
  'tasks',
  'labels',
  'onFailure',
  'priority',
  'x',
  'y',
  '__proto__',
  'constructor',
  'toString',
  'provide',
)
const leaf = fc.oneof(
  fc.constantFrom<Json>(
    'a',
    'b',
    'string',
    'string?',
    '5s',
    '5',
    5,
    -1,
    0,
    1.5,
    null,
    true,
    '${{ x }}',
    '${{ x + ',
    '$${{',
    '${{ {"a": {}} }}',
    '',
    'has(symbols.x)',
    '__proto__',
    'continue',
    'revert',
    'path',
    [],
    {},
  ),
  fc.string({ maxLength: 8 }),
)
const { json: grammarLike } = fc.letrec<{ json: Json }>((tie) => ({
  json: fc.oneof(
    { depthSize: 'small' },
    leaf,
    fc.array(tie('json'), { maxLength: 4 }),
    fc.dictionary(word, tie('json'), { maxKeys: 5 }),
  ),
}))

test('whatever looks like a document is refused by an InvalidFlowError or resolves', () => {
  fc.assert(
    fc.property(grammarLike, fc.constantFrom('linear', 'unordered', 'graph'), (body, kind) => {
      refusesBy(InvalidFlowError, () => resolve(parseDocument(body), { signatures }))
      refusesBy(InvalidFlowError, () =>
        resolve(parseDocument({ flow: 'f', [kind]: [body] }), { signatures }),
      )
      refusesBy(InvalidFlowError, () =>
        resolve(parseDocument({ flow: 'f', [kind]: body, retry: body }), { signatures }),
      )
      refusesBy(InvalidFlowError, () =>
        resolve(
          parseDocument({
            flow: 'f',
            input: { x: body },
            linear: [{ task: 'a', with: { x: body } }],
          }),
          { signatures },
        ),
      )
    }),
    { numRuns: 1_500 },
  )
})

test('any text is refused by an InvalidFlowError or loads', () => {
  const fragments = fc.constantFrom(
    'flow: f\n',
    'linear:\n',
    '  - task: a\n',
    '    when: ',
    '${{ x }}',
    '${{',
    '}}',
    '"',
    "'",
    ': ',
    '- ',
    '\n',
    '\t',
    '{',
    '}',
    '[',
    ']',
    '&a ',
    '*a',
    '!!str ',
    '|\n  x',
    '? ',
    '# c',
    '---\n',
    '...\n',
    '%YAML 1.2\n',
    '<<: ',
    '\u0000',
    '\ufeff',
    '\ud800',
    '0x1',
    '.nan',
    '~',
    ',',
  )
  fc.assert(
    fc.property(
      fc.array(fc.oneof(fragments, fc.string({ maxLength: 5 })), { maxLength: 20 }),
      fc.constantFrom('f.yaml', 'f.json'),
      (parts, name) => {
        refusesBy(InvalidFlowError, () => loadFlow(parts.join(''), { name }))
        refusesBy(InvalidFlowError, () =>
          loadFlow(`flow: f\nlinear:\n  - task: a\n${parts.join('')}`, { name, tasks: 'take' }),
        )
      },
    ),
    { numRuns: 1_000 },
  )
})

test('any text as expression or template is refused by an ExpressionError or gives JSON', () => {
  const fragment = fc.constantFrom(
    'x',
    'y',
    '.z',
    '[0]',
    '["a"]',
    '(',
    ')',
    '[',
    ']',
    '{',
    '}',
    '"a"',
    "'b'",
    ': ',
    ', ',
    ' + ',
    ' - ',
    ' * ',
    ' / ',
    ' % ',
    ' == ',
    ' && ',
    ' || ',
    ' ? ',
    ' in ',
    '!',
    '-',
    '1',
    '2.5',
    'true',
    'null',
    '.map(v, v',
    '.filter(v, v',
    '.exists(v, v',
    'size(',
    'string(',
    'has(',
    'symbols.',
    'int(',
    '.split(',
    '.join(',
    '.substring(',
    'constructor',
    '.constructor',
    '__proto__',
    '}}',
    '${{',
    '\n',
    '//',
    '\\',
    'r"',
    '"""',
  )
  const some: readonly Json[] = [1, 'text', [1, 2, 3], { z: 1, a: 'b' }, null, true, [{ z: [] }]]
  fc.assert(
    fc.property(
      fc.array(fragment, { maxLength: 12 }),
      fc.nat(some.length - 1),
      fc.nat(some.length - 1),
      (parts, x, y) => {
        const text = parts.join('')
        const scope = {
          lookup: (symbol: string) =>
            symbol === 'x' ? some[x] : symbol === 'y' ? some[y] : undefined,
        }
        refusesBy(ExpressionError, () => {
          const value = compileExpression(text).evaluate(scope)
          assert.deepEqual(toJson(value), value)
        })
        refusesBy(ExpressionError, () => compileExpression(text).typeWith(() => undefined))
        refusesBy(ExpressionError, () => compileTemplate(`a \${{ ${text} }} b`).evaluate(scope))
        refusesBy(ExpressionError, () => compileTemplate(text).evaluate(scope))
      },
    ),
    { numRuns: 3_000 },
  )
})

test('a well-typed expression does not fail for its types', () => {
  const number: fc.Arbitrary<string> = fc.constantFrom(
    'n',
    '1',
    '2.5',
    'size(s)',
    'size(l)',
    'l[0]',
  )
  const text = fc.constantFrom('s', '"a"', 'string(n)', 's.trim()', 'o.t')
  const bool = fc.constantFrom('b', 'n > 1', 's == "x"', 'n in l', 'has(o.t)', 'l.exists(v, v > 1)')
  const { expression } = fc.letrec<{ expression: string }>(() => ({
    expression: fc.oneof(
      fc
        .tuple(number, fc.constantFrom('+', '-', '*', '<', '=='), number)
        .map((parts) => parts.join(' ')),
      fc.tuple(text, fc.constantFrom('+', '<', '!='), text).map((parts) => parts.join(' ')),
      fc.tuple(bool, fc.constantFrom('&&', '||'), bool).map((parts) => parts.join(' ')),
      fc.tuple(bool, number, text).map(([condition, a, c]) => `${condition} ? ${a} : ${c}`),
      fc.tuple(number).map(([a]) => `l.map(v, v + ${a})`),
    ),
  }))
  const values = new Map<string, Json>([
    ['n', 2],
    ['s', 'x'],
    ['b', true],
    ['l', [1, 2]],
    ['o', { t: 'y' }],
  ])
  fc.assert(
    fc.property(expression, (code) => {
      compileExpression(code).typeWith((name) => {
        const kinds = { n: 'number', s: 'string', b: 'boolean' } as const
        if (name === 'n' || name === 's' || name === 'b') return { kind: kinds[name] }
        if (name === 'l') return { kind: 'list', items: { kind: 'number' } }
        return { kind: 'map', fields: new Map([['t', { kind: 'string' }]]), rest: undefined }
      })
      compileExpression(code).evaluate({ lookup: (name) => values.get(name) })
    }),
    { numRuns: 500 },
  )
})

test('any value is refused by a NotSerialisableError or is JSON that stays the same', () => {
  fc.assert(
    fc.property(
      fc.anything({
        withBigInt: true,
        withDate: true,
        withMap: true,
        withSet: true,
        withSparseArray: true,
        withTypedArray: true,
        withNullPrototype: true,
        withBoxedValues: true,
      }),
      (value) => {
        refusesBy(NotSerialisableError, () => {
          const json = toJson(value)
          assert.deepEqual(JSON.parse(JSON.stringify(json)), json)
          assert.equal(canonicalJson(toJson(json)), canonicalJson(json))
        })
        const failure = toFailure(value)
        assert.deepEqual(toJson(failure), failure)
      },
    ),
    { numRuns: 2_000 },
  )
})

/** Random flows of tasks that pass few symbols around: many resolve, many have cycles, gaps and doubts. */
const { node: flowNode } = fc.letrec<{ node: { [key: string]: Json } }>((tie) => {
  const task = fc.record<{ [key: string]: Json }>(
    {
      task: fc.constant('t'),
      with: fc.dictionary(
        fc.constantFrom('p', 'q'),
        fc.constantFrom('${{ a }}', '${{ b }}', '${{ has(symbols.c) ? c : 1 }}', 1),
        { maxKeys: 2 },
      ),
      provides: fc.subarray(['a', 'b', 'c'], { maxLength: 2 }),
      when: fc.constantFrom('a == 1', '1 < 2', 'has(symbols.b)'),
      onFailure: fc.constant('continue'),
    },
    { requiredKeys: ['task', 'with', 'provides'] },
  )
  const flow = fc
    .tuple(
      fc.constantFrom('linear', 'unordered', 'graph', 'graph'),
      fc.array(tie('node'), { maxLength: 4 }),
      fc.array(
        fc.tuple(
          fc.nat(3),
          fc.nat(3),
          fc.option(fc.constantFrom('a == 1', '1 < 2'), { nil: undefined }),
        ),
        { maxLength: 2 },
      ),
      fc.option(fc.constantFrom('a', 'b', 'c'), { nil: undefined }),
    )
    .map(([kind, children, links, retried]) => {
      const nodes = children.map((child, index) => ({ ...child, id: `n${index}` }))
      const edges = links.flatMap(([from, to, when]) => {
        if (from >= nodes.length || to >= nodes.length || from === to) return []
        return [{ from: `n${from}`, to: `n${to}`, ...(when === undefined ? {} : { when }) }]
      })
      return {
        [kind]: nodes,
        ...(kind === 'graph' && edges.length > 0 ? { links: edges } : {}),
        ...(retried === undefined ? {} : { retry: { attempts: 2, provides: retried } }),
      }
    })
  return { node: fc.oneof({ maxDepth: 3 }, task, task, flow) }
})

test('what resolves also compiles, and each of its graphs has an order', () => {
  let resolved = 0
  fc.assert(
    fc.property(
      fc.array(flowNode, { maxLength: 5 }),
      fc.constantFrom('linear', 'graph'),
      fc.boolean(),
      (children, kind, isClosed) => {
        const nodes = children.map((child, index) => ({ ...child, id: `m${index}` }))
        const document = parseDocument({
          flow: 'f',
          ...(isClosed ? { input: { a: 'integer' } } : {}),
          [kind]: nodes,
        })
        refusesBy(InvalidFlowError, () => {
          const plan = compile(resolve(document, { signatures: [] }), 'h')
          resolved += 1
          assertOrdered(plan.root)
        })
      },
    ),
    { numRuns: 3_000 },
  )
  assert.ok(resolved > 300, `only ${resolved} of the random flows resolved`)
})

function assertOrdered(flow: FlowPlan): void {
  for (const child of flow.children) if (child.kind === 'flow') assertOrdered(child)
  if (flow.pattern !== 'graph') return
  const waits = [...flow.indegree]
  const ready = [...flow.heads]
  let done = 0
  for (let index = ready.pop(); index !== undefined; index = ready.pop()) {
    done += 1
    for (const next of flow.successors[index] ?? []) {
      waits[next] = (waits[next] ?? 0) - 1
      if (waits[next] === 0) ready.push(next)
    }
  }
  assert.equal(done, flow.children.length, `${flow.path} has a cycle that was not found`)
}
