import assert from 'node:assert/strict'
import test from 'node:test'
import { z } from 'zod'
import { parseSource } from './layout/imports.ts'
import { checkLayout } from './layout/rules.ts'
import { listFiles, readFile } from './support/repository.ts'

const { dependencies, peerDependencies } = z
  .object({
    dependencies: z.record(z.string(), z.string()),
    peerDependencies: z.record(z.string(), z.string()),
  })
  .parse(JSON.parse(readFile('package.json')))
const allowed = [...Object.keys(dependencies), ...Object.keys(peerDependencies)]

test('units import only units below them, and each third-party client lives in one unit', () => {
  const sources = ['src', 'engines', 'jobboard', 'persistence']
    .flatMap((folder) => listFiles(folder, '.ts'))
    .map((name) => parseSource(name, readFile(name)))
  assert.ok(sources.length > 0)
  const lines = checkLayout(sources, allowed).map(
    ({ file, rule, found }) => `${file} ${found}\n    ${rule}`,
  )
  assert.equal(lines.length, 0, `the layout is broken:\n  ${lines.join('\n  ')}`)
})

/** Small trees with one fault each, beside the rule that finds it. */
const faults: readonly (readonly [string, string, Readonly<Record<string, string>>])[] = [
  [
    'a unit that imports a unit above it',
    'L1: base is below flow',
    {
      'src/base/a.ts': "import { b } from '../flow/b.ts'",
      'src/flow/b.ts': 'export const b = 1',
    },
  ],
  [
    'a type of a unit above, because types are knowledge too',
    'L1: flow is below machine',
    {
      'src/flow/a.ts': "import type { B } from '../machine/b.ts'",
      'src/machine/b.ts': 'export type B = 1',
    },
  ],
  [
    'an import over several lines',
    'L1: flow is below machine',
    {
      'src/flow/a.ts': "import {\n  b,\n  c,\n} from '../machine/b.ts'",
      'src/machine/b.ts': '',
    },
  ],
  [
    'a re-export',
    'L1: flow is below machine',
    { 'src/flow/a.ts': "export * from '../machine/b.ts'", 'src/machine/b.ts': '' },
  ],
  [
    'a dynamic import',
    'L1: flow is below machine',
    { 'src/flow/a.ts': "const b = import('../machine/b.ts')", 'src/machine/b.ts': '' },
  ],
  [
    'a board that knows the store',
    'L1: jobboard and persistence do not know each other',
    { 'jobboard/sql.ts': "import '../persistence/b.ts'", 'persistence/b.ts': '' },
  ],
  [
    'an engine that sees the board',
    'L2: engines does not import jobboard',
    { 'engines/a.ts': "import '../jobboard/b.ts'", 'jobboard/b.ts': '' },
  ],
  [
    'an import of a file that is not there',
    'L1: an import',
    { 'src/base/a.ts': "import './b.ts'" },
  ],
  ['a file outside of every unit', 'L1: every file', { 'src/helpers/a.ts': '' }],
  [
    'a client outside of its unit',
    'L3: knex lives in persistence',
    { 'engines/a.ts': "import knex from 'knex'" },
  ],
  [
    'a part of a client',
    'L3: knex lives in persistence',
    { 'engines/a.ts': "import k from 'knex/knex.mjs'" },
  ],
  [
    'a client outside of its folder',
    'L3: node-zookeeper-client lives in jobboard/zookeeper/',
    { 'jobboard/a.ts': "const z = await import('node-zookeeper-client')" },
  ],
  [
    'a package that users would not get',
    'L4: fast-check',
    { 'src/base/a.ts': "import fc from 'fast-check'" },
  ],
  ['the environment', 'L5:', { 'src/client/a.ts': "const url = process.env['X']" }],
  ['a file', 'L5:', { 'src/flow/load.ts': "import fs from 'node:fs/promises'" }],
  ['a print', 'L5: nothing prints', { 'engines/a.ts': "console.log('here')" }],
  ['the clock', 'L6:', { 'src/machine/a.ts': 'const now = Date.now()' }],
  ['chance', 'L6:', { 'src/flow/a.ts': 'const seed = Math.random()' }],
  ['a timer', 'L6:', { 'src/machine/a.ts': 'setTimeout(() => {}, 1)' }],
  ['a wait', 'L6: the machine', { 'src/machine/a.ts': 'export async function a() {}' }],
  ['I/O', 'L6:', { 'src/machine/a.ts': "import net from 'node:net'" }],
  [
    'a worker that loads a database client through others',
    'L7: a worker process does not load pg',
    {
      'src/worker/a.ts': "import { b } from '../protocol/b.ts'",
      'src/protocol/b.ts': "import pg from 'pg'",
    },
  ],
]

for (const [what, rule, files] of faults) {
  test(`the layout's rules find ${what}`, () => {
    const sources = Object.entries(files).map(([name, text]) => parseSource(name, text))
    const rules = checkLayout(sources, allowed).map((violation) => violation.rule)
    assert.ok(
      rules.some((found) => found.startsWith(rule)),
      `expected ${rule}, got ${rules.join(', ') || 'nothing'}`,
    )
  })
}

test('what stands in a comment is no import, clock or file', () => {
  const text = [
    "/** import { b } from '../cli/b.ts' */",
    '/**',
    " * const fs = await import('node:fs'), at Date.now()",
    ' */',
    'export const a = 1 // unlike Date.now()',
  ].join('\n')
  assert.deepEqual(checkLayout([parseSource('src/machine/a.ts', text)], allowed), [])
})

test('each folder says in a README what it is for, because that is where a reader begins', () => {
  const folders = new Set(
    ['src', 'engines', 'jobboard', 'persistence', 'bench', 'examples']
      .flatMap((folder) => listFiles(folder, '.ts'))
      .map((name) => /^(src\/[^/]+|(?!src\/)[^/]+)\//.exec(name)?.[1] ?? name)
      .filter((folder) => !folder.endsWith('.ts')),
  )
  folders.add('scripts').add('test').add('test/support')
  const readmes = new Set([...folders].flatMap((folder) => listFiles(folder, 'README.md')))
  const lacking = [...folders].filter((folder) => !readmes.has(`${folder}/README.md`))
  assert.deepEqual(lacking, [])
})
