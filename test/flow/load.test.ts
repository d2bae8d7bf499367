import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Issue } from '../../src/base/errors.ts'
import { loadFlow } from '../../src/flow/load.ts'
import { parseDocument } from '../../src/flow/parse.ts'
import { assertIssue, flowError, issuesOf } from './issues-of.ts'
import { guardPrototype } from './prototype-guard.ts'

guardPrototype()

const load =
  (text: string, name = 'f.yaml') =>
  () =>
    loadFlow(text, { name })

function only(text: string, name?: string): Issue {
  const issues = issuesOf(load(text, name))
  assert.equal(issues.length, 1, JSON.stringify(issues))
  return issues[0] ?? assert.fail()
}

test('YAML and JSON give one and the same document', () => {
  const yaml = loadFlow(
    'flow: f\ninput: { a: integer? }\nlinear:\n  - task: a\n    when: "${{ a > 1 }}"\n',
  ).document
  const json = loadFlow(
    '{"flow":"f","input":{"a":"integer?"},"linear":[{"task":"a","when":"a > 1"}]}',
    { name: 'f.json' },
  ).document
  assert.deepEqual(yaml, json)
  assert.deepEqual(yaml, parseDocument(structuredClone(yaml)))
  assert.deepEqual(loadFlow('\ufeffflow: f\nlinear: []').document.flow, 'f')
})

test('errors have file, line and column', () => {
  const error = flowError(load('flow: f\nlinear:\n  - task: a\n    timeout: 5\n  - tsk: b\n'))
  assert.match(error.message, /f\.yaml:4:14 linear\[0\]\.timeout: .*write 5s or 5ms/)
  assert.match(error.message, /f\.yaml:5:5 linear\[1\]: .*did you mean "task"/)
  const json = flowError(
    load('{\n "flow": "f",\n "linear": [\n  { "task": "a", "timeout": 5 }\n ]\n}', 'f.json'),
  )
  assert.match(json.message, /f\.json:4:29 linear\[0\]\.timeout/)
})

test('an expression that is not quoted says so, once a line', () => {
  for (const line of [
    'with: { sku: ${{ sku }} }',
    'when: ${{ a ? 1 : 2 }}',
    'with:\n      x: ${{ {"k": 1} }}',
  ]) {
    const issue = only(`flow: f\nlinear:\n  - task: a\n    ${line}\n  - task: b\n`)
    assert.match(issue.hint ?? '', /quote the expression/)
    assert.ok(issue.line === 4 || issue.line === 5)
  }
})

test('what YAML can and documents may not is refused', () => {
  const bad: readonly (readonly [string, RegExp])[] = [
    ['flow: &a f\nlinear: []', /anchor &a/],
    ['flow: f\nlinear: *a', /alias|unresolved/i],
    ['flow: !!str f\nlinear: []', /tag/],
    ['flow: !!js/function "f"\nlinear: []', /tag/],
    ['flow: ! f\nlinear: []', /tag/],
    ['flow: f\nflow: g\nlinear: []', /there already/],
    ['flow: f\nlinear: []\n---\nflow: g\nlinear: []', /2 documents/],
    ['flow: f\nlinear:\n\t- task: a', /a tab indents/],
    ['flow: f\nlinear: []\nlabels: { <<: { a: b } }', /merge keys/],
    ['flow: f\nlinear: []\n? [a]\n: 1', /key/],
    ['flow: f\nlinear: []\n__proto__: { polluted: 1 }', /"__proto__" is not allowed/],
    ['flow: f\nlinear: [{ task: a, with: { constructor: 1 } }]', /"constructor" is not allowed/],
    ['flow: f\nversion: 012\nlinear: []', /begins with 0/],
    ['flow: f\nversion: 9007199254740993\nlinear: []', /cannot carry exactly/],
    ['flow: f\nversion: 1e400\nlinear: []', /no number that JSON can carry/],
    ['flow: f\nversion: .nan\nlinear: []', /no number that JSON can carry/],
    ['', /empty/],
    ['# nothing', /not a flow document|no document/],
    ['flow: f\0', /UTF-8/],
    ['\ufffe\0f', /UTF-8/],
  ]
  for (const [text, message] of bad) {
    const issues = issuesOf(load(text))
    assert.ok(
      issues.some((issue) => message.test(issue.message)),
      `${JSON.stringify(text)}: ${JSON.stringify(issues)}`,
    )
  }
})

test('words that other YAMLs read as booleans or times are texts', () => {
  const { document } = loadFlow(
    'flow: no\nlinear:\n  - { task: yes, with: { a: on, b: 1:30, c: 0o14, d: null } }',
  )
  assert.deepEqual(document.flow, 'no')
  assert.deepEqual('linear' in document && document.linear, [
    { task: 'yes', with: { a: 'on', b: '1:30', c: 12, d: null } },
  ])
})

test('a billion laughs, deep nesting and huge texts are refused quickly', () => {
  const laughs = ['a: &a [x]']
  for (let level = 0; level < 9; level++) {
    const before = String.fromCharCode(97 + level)
    const name = String.fromCharCode(98 + level)
    laughs.push(`${name}: &${name} [${`*${before},`.repeat(9)}*${before}]`)
  }
  const start = process.cpuUsage()
  assert.ok(issuesOf(load(laughs.join('\n'))).some((issue) => /alias|anchor/.test(issue.message)))
  assertIssue(issuesOf(load('['.repeat(100_000))), '', /levels/)
  assertIssue(
    issuesOf(load(`{"flow":"f","linear":${'['.repeat(1_000)}${']'.repeat(1_000)}}`, 'f.json')),
    '',
    /levels/,
  )
  assertIssue(issuesOf(load('x'.repeat(2_200_000))), '', /at most 2097152/)
  assert.ok(issuesOf(load('- '.repeat(20_000))).length > 0)
  const { user } = process.cpuUsage(start)
  assert.ok(user < 10_000_000, `took ${user / 1e6} s of CPU`)
})

test('a JSON file is JSON; duplicate keys and unsafe numbers in it are found', () => {
  assert.match(only('{"flow": "f", "linear": [],}', 'f.json').message, /JSON|Unexpected|Expected/)
  assert.ok(issuesOf(load('flow: f\nlinear: []', 'f.json')).length > 0)
  assert.match(only('{"flow": "f", "flow": "g", "linear": []}', 'f.json').message, /there already/)
  assert.match(
    only('{"flow": "f", "version": 9007199254740993, "linear": []}', 'f.json').message,
    /cannot carry exactly/,
  )
  assert.doesNotThrow(
    load(
      '{"flow": "f", "linear": [{"task": "a", "with": {"a\\u0062": 1, "b": "{\\"x\\": \\"}"}}]}',
      'f.json',
    ),
  )
  assert.match(
    only('{"flow": "f", "linear": [], "a\\u0062": 1, "ab": 2}', 'f.json').message,
    /there already/,
  )
  assert.match(
    issuesOf(load('{"flow": "f", "linear": [], "__proto__": {"polluted": 1}}', 'f.json'))[0]
      ?.message ?? '',
    /__proto__/,
  )
})

test('`tasks` is taken beside the document where a command asks for it, else refused', () => {
  const text = 'flow: f\ntasks: ./tasks.ts\nlinear: []'
  assertIssue(issuesOf(load(text)), 'tasks', /zagflow run/)
  const loaded = loadFlow(text, { tasks: 'take' })
  assert.deepEqual(loaded.tasks, ['./tasks.ts'])
  assert.ok(!('tasks' in loaded.document))
  assert.deepEqual(
    loadFlow('{"flow":"f","tasks":["a","b"],"linear":[]}', { tasks: 'take' }).tasks,
    ['a', 'b'],
  )
  assertIssue(
    issuesOf(() => loadFlow('flow: f\ntasks: 5\nlinear: []', { tasks: 'take' })),
    'tasks',
    /a path/,
  )
})

const examples = [
  `flow: passing_data
input:
  value1: { type: number, default: 2 }
  value2: { type: number, default: 3 }
linear:
  - task: demo.hello                       # returns nothing: goes on
  - task: demo.add
    with: { input1: "\${{ value1 }}", input2: "\${{ value2 }}" }
    provides: { value3: "\${{ result.output }}" }
  - task: demo.print
    with: { text: "The answer is \${{ value3 }}" }
  - task: demo.goodbye
output:
  value3: "\${{ value3 }}"
`,
  `flow: if
input:
  value: integer
linear:
  - task: demo.hello
  - id: above3
    when: "\${{ value > 3 }}"
    linear:
      - task: demo.print
        with: { text: Value is greater than 3 }
      - id: and
        task: demo.print
        with: { text: Doing something... }
  - id: is5
    when: "\${{ value == 5 }}"
    linear:
      - task: demo.print
        with: { text: Value is 5 }
  - task: demo.bye
`,
  `flow: build_child
input: { image_tag: string, build_env: string }
linear:
  - task: zag.shell
    with:
      env: { TAG: "\${{ image_tag }}", BUILD_ENV: "\${{ build_env }}" }
      script: |
        echo "Building image with tag: $TAG"
        echo "Build completed successfully"
`,
  `zagflow: 1
flow: checkout
version: 1
input:
  sku: string
  quantity: { type: integer, minimum: 1 }
  total: number
linear:
  - task: inventory.reserve
  - id: settle
    retry: { attempts: 3, delay: 5s }
    unordered:
      - task: payment.charge
        with: { amount: "\${{ total }}", currency: EUR }
      - task: mail.notify
        when: "\${{ quantity > 10 }}"
  - task: shipping.ship
output:
  tracking: "\${{ trackingNumber }}"
`,
]

test('the documents that show the grammar load', () => {
  for (const text of examples) assert.doesNotThrow(load(text), text.slice(0, 30))
})
