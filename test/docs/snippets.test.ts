/** What documents show in code is true: it parses, it compiles, and its commands exist. */
import assert from 'node:assert/strict'
import fs from 'node:fs/promises'
import path from 'node:path'
import test from 'node:test'
import { fileURLToPath } from 'node:url'
import type { Command } from 'commander'
import { createProgram } from '../../src/cli/program.ts'
import { Terminal } from '../../src/cli/terminal.ts'
import { loadFlow } from '../../src/flow/load.ts'
import { flowJsonSchema } from '../../src/flow/json-schema.ts'
import { readScheduleFile } from '../../src/schedule/file.ts'
import { scheduleJsonSchema } from '../../src/schedule/json-schema.ts'
import { readFile } from '../support/repository.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { compileFolder } from '../types/compiler.ts'
import { blocksOf, documents } from './documents.ts'

const blocks = documents.flatMap((name) => blocksOf(name))

test('the YAML of documents that is a whole flow is one', () => {
  const flows = blocks.filter(
    ({ language, text }) => language === 'yaml' && /^(zagflow|flow):/m.test(text),
  )
  assert.ok(flows.length >= 2, 'the flows of README.md and docs/flows.md were found')
  for (const { place, text } of flows) {
    assert.doesNotThrow(() => loadFlow(text, { name: `${place}.yaml` }), place)
  }
})

/** What README.md takes as given: two services, three tasks. */
const GIVEN = `
import { connect, task, z } from 'zagflow'
declare const stock: {
  reserve(sku: string, quantity: number, key: string): Promise<string>
  release(id: string): Promise<void>
}
const charge = task('payment.charge', {
  requires: { amount: z.number(), currency: z.string() },
  execute: () => undefined,
})
const notify = task('mail.notify', { requires: { sku: z.string() }, execute: () => undefined })
const ship = task('shipping.ship', {
  requires: { reservationId: z.string() },
  provides: { trackingNumber: z.string() },
  execute: () => ({ trackingNumber: 'T' }),
})
`

test('the TypeScript of README.md compiles, with the strictest settings, as it stands there', async (t) => {
  const shown = blocksOf('README.md').filter(({ language }) => language === 'ts')
  assert.equal(shown.length, 2)
  const folder = await temporaryFolder(t)
  const frontDoor = fileURLToPath(new URL('../../src/index.js', import.meta.url))
  await fs.mkdir(path.join(folder, 'node_modules', 'zagflow'), { recursive: true })
  await fs.writeFile(
    path.join(folder, 'node_modules', 'zagflow', 'package.json'),
    JSON.stringify({ name: 'zagflow', type: 'module', exports: './index.ts' }),
  )
  await fs.writeFile(
    path.join(folder, 'node_modules', 'zagflow', 'index.ts'),
    `export * from ${JSON.stringify(frontDoor)}\n`,
  )
  await fs.writeFile(path.join(folder, 'package.json'), '{ "type": "module" }')
  const program = [GIVEN, ...shown.map(({ text }) => text)].join('\n').replace(
    // One import of a module is enough: both blocks are one program here.
    "import { flow, from, task, unordered, z } from 'zagflow'",
    "import { flow, from, unordered } from 'zagflow'",
  )
  await fs.writeFile(path.join(folder, 'readme.ts'), program)
  const { errors, output } = await compileFolder(folder)
  assert.deepEqual(errors, [], output)
})

test('every command that a document shows exists', () => {
  const { program } = createProgram(new Terminal())
  const named = [...blocks.map(({ place, text }) => ({ place, text })), ...inlineCode()]
  const unknown: string[] = []
  let checked = 0
  for (const { place, text } of named) {
    for (const { groups } of text.matchAll(
      /(?:^|[|$] |`)(?:npx )?zagflow (?<words>[a-z][^\n`]*)/gm,
    )) {
      checked += 1
      const problem = problemOf(program, (groups?.['words'] ?? '').split(' '))
      if (problem !== undefined) unknown.push(`${place}: zagflow ${groups?.['words']}: ${problem}`)
    }
  }
  assert.ok(checked > 20, 'commands were found')
  assert.deepEqual(unknown, [])
})

test('a command or an option that is not there is found', () => {
  const { program } = createProgram(new Terminal())
  assert.equal(problemOf(program, ['jobs', 'list', '--flow', 'checkout']), undefined)
  assert.match(problemOf(program, ['job', 'list']) ?? '', /no command "job"/)
  assert.match(problemOf(program, ['jobs', 'lst']) ?? '', /no command "jobs lst"/)
  assert.match(problemOf(program, ['run', 'a.yaml', '--sett=1']) ?? '', /no option --sett/)
})

/** Code within sentences, where it is a command of Zagflow. */
function inlineCode(): readonly { readonly place: string; readonly text: string }[] {
  return documents.flatMap((name) =>
    [...readFile(name).matchAll(/`(?<text>zagflow [^`]+)`/g)].map(({ groups }) => ({
      place: name,
      text: groups?.['text'] ?? '',
    })),
  )
}

function problemOf(program: Command, words: readonly string[]): string | undefined {
  let command = program
  for (const [index, word] of words.entries()) {
    if (command.commands.length === 0 || !/^[a-z]+$/.test(word)) break
    const below = command.commands.find((child) => child.name() === word)
    if (below === undefined) {
      return word === 'help' ? undefined : `no command "${words.slice(0, index + 1).join(' ')}"`
    }
    command = below
  }
  const options = words
    .filter((word) => /^--[a-z]/.test(word))
    .map((word) => word.split(/[=|\\,]/)[0])
  const unknown = options.find((option) => !command.options.some(({ long }) => long === option))
  return unknown === undefined || unknown === '--help' ? undefined : `no option ${unknown}`
}

test('the schema of files of schedules that is shipped is the one of this version', () => {
  assert.deepEqual(
    JSON.parse(readFile('schema/schedules.schema.json')),
    JSON.parse(JSON.stringify(scheduleJsonSchema())),
    'npm run build',
  )
})

test('the YAML of documents that is a file of schedules is one', () => {
  const files = blocks.filter(({ language, text }) => language === 'yaml' && /^group:/m.test(text))
  assert.ok(files.length > 0, 'the one of docs/schedules.md was found')
  for (const { place, text } of files) {
    assert.doesNotThrow(() => readScheduleFile(text, `${place}.yaml`), place)
  }
})

test('the schema of flow documents that is shipped is the one of this version', () => {
  assert.deepEqual(
    JSON.parse(readFile('schema/flow.schema.json')),
    flowJsonSchema(),
    'npm run build',
  )
})
