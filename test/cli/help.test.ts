import assert from 'node:assert/strict'
import test from 'node:test'
import type { Command } from 'commander'
import { createProgram } from '../../src/cli/program.ts'
import { Terminal } from '../../src/cli/terminal.ts'
import { EXIT } from '../../src/cli/exit-codes.ts'
import { listFiles, readFile } from '../support/repository.ts'
import { parseSource } from '../layout/imports.ts'
import { Workplace } from './command.ts'

const { program } = createProgram(new Terminal())

function commandsBelow(command: Command, path: string): readonly (readonly [string, Command])[] {
  return command.commands.flatMap((child) => {
    const name = `${path} ${child.name()}`
    return child.commands.length === 0 ? [[name, child] as const] : commandsBelow(child, name)
  })
}

const commands = commandsBelow(program, 'zagflow')

test('there are the commands that users look for', () => {
  const names = commands.map(([name]) => name.replace('zagflow ', '')).sort()
  assert.deepEqual(names, [
    'conductor',
    'conductors',
    'db migrate',
    'db prune',
    'db status',
    'dead list',
    'dead purge',
    'dead requeue',
    'dead show',
    'dev',
    'doctor',
    'flow check',
    'flow graph',
    'flow list',
    'flow register',
    'flow schema',
    'flow show',
    'jobs cancel',
    'jobs history',
    'jobs list',
    'jobs release',
    'jobs resume',
    'jobs retry',
    'jobs revert',
    'jobs show',
    'jobs suspend',
    'jobs watch',
    'post',
    'run',
    'schedule add',
    'schedule list',
    'schedule pause',
    'schedule remove',
    'schedule reset',
    'schedule resume',
    'schedule schema',
    'schedule show',
    'schedule sync',
    'worker',
    'workers',
  ])
})

test('every command takes --json, has an example, and each of its options is documented', () => {
  const text = readFile('docs/command-line.md')
  for (const [name, command] of commands) {
    assert.ok(
      command.options.some(({ long }) => long === '--json'),
      name,
    )
    let help = ''
    command.configureOutput({ writeOut: (part) => (help += part) }).outputHelp()
    assert.match(help, /\nExamples?:\n {2}zagflow /, name)
    for (const { long } of command.options) {
      assert.ok(long != null && text.includes(long), `${name} ${long}`)
    }
  }
  for (const code of Object.values(EXIT)) assert.match(text, new RegExp(`^\\| ${code} `, 'm'))
})

test('help loads commander and definitions alone, for it has to be quick', () => {
  const sources = new Map(
    listFiles('src', '.ts').map((name) => [name, parseSource(name, readFile(name))]),
  )
  const seen = new Set(['src/cli/main.ts'])
  const packages = new Set<string>()
  for (const name of seen) {
    const source = sources.get(name)
    // What is imported by a call is not loaded with the file.
    const called = [...(source?.code.matchAll(/import\(\s*'([^']+)'/g) ?? [])].map(([, one]) => one)
    for (const { specifier, file, packageName, typeOnly } of source?.imports ?? []) {
      if (typeOnly || called.includes(specifier)) continue
      if (packageName !== undefined) packages.add(packageName)
      if (file !== undefined) seen.add(file)
    }
  }
  assert.deepEqual([...packages], ['commander'])
  assert.ok(seen.size < 20, [...seen].join(' '))
})

test('help and version are data, and a command that is none is an error', async (t) => {
  const place = await Workplace.create(t)
  const help = await place.run(['--help'])
  assert.equal(help.code, 0)
  assert.match(help.stdout, /^Usage: zagflow <command> \[options\]/)
  const version = await place.run(['--version'])
  assert.match(version.stdout, /^\d+\.\d+\.\d+\n$/)
  const group = await place.run(['jobs'])
  assert.equal(group.code, 2)
  assert.match(group.stderr, /Usage: zagflow jobs/)
  const below = await place.run(['help', 'schedule', 'add'])
  assert.equal(below.code, 0)
  assert.match(below.stdout, /^Usage: zagflow schedule add /)
})
