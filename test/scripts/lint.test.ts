import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import test from 'node:test'
import { repository } from '../support/repository.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

/** Faults that the linter must find, each in a file of its own, beside the rule. */
const faults: Readonly<Record<string, string>> = {
  'no-floating-promises': `
    import type { Knex } from 'knex'
    export function forget(db: Knex): void {
      db('jobs').delete() // a query builder runs only when it is awaited
    }`,
  'no-misused-promises': `
    export function each(values: readonly string[], save: (value: string) => Promise<void>): void {
      values.forEach(save)
    }`,
  'switch-exhaustiveness-check': `
    export function mark(state: 'done' | 'failed' | 'reverted'): string {
      switch (state) {
        case 'done': return '✔'
        case 'failed': return '✖'
      }
      return ''
    }`,
  'no-explicit-any': 'export const value: any = 1',
  'no-unsafe-assignment': `
    export const parsed: { a: 1 } = JSON.parse('{}')`,
  'only-throw-error': `
    export function stop(): never {
      throw 'stopped'
    }`,
  'no-console': `
    export function say(): void {
      console.log('here')
    }`,
  'no-default-export': 'export default 1',
  'no-cycle': `
    import { other } from './other.ts'
    export const cycle = () => other`,
}

test('the linter finds what the rules are there for', async (t) => {
  const folder = await temporaryFolder(t)
  fs.symlinkSync(path.join(repository, 'node_modules'), path.join(folder, 'node_modules'))
  for (const name of ['tsconfig.json', '.oxlintrc.json']) {
    fs.copyFileSync(path.join(repository, name), path.join(folder, name))
  }
  fs.mkdirSync(path.join(folder, 'src'))
  for (const [rule, text] of Object.entries(faults)) {
    fs.writeFileSync(path.join(folder, 'src', `${rule}.ts`), text)
  }
  fs.writeFileSync(
    path.join(folder, 'src', 'other.ts'),
    "import { cycle } from './no-cycle.ts'\nexport const other = () => cycle",
  )
  const linter = path.join(repository, 'node_modules', '.bin', 'oxlint')
  const { status, stdout } = spawnSync(linter, ['--type-aware', '-f', 'unix', 'src'], {
    cwd: folder,
    encoding: 'utf8',
  })
  assert.equal(status, 1)
  for (const rule of Object.keys(faults)) {
    const found = stdout
      .split('\n')
      .some((line) => line.includes(`/${rule}.ts:`) && line.includes(`(${rule})`))
    assert.ok(found, `${rule} was not found in:\n${stdout}`)
  }
})

test('every rule that is switched off has its reason on the line above', () => {
  const lines = fs.readFileSync(path.join(repository, '.oxlintrc.json'), 'utf8').split('\n')
  const start = lines.findIndex((line) => line.includes('Switched off'))
  const end = lines.findIndex((line) => line.includes('"overrides"'))
  const off = lines.slice(start, end)
  assert.ok(off.some((line) => line.includes('"off"')))
  for (const [at, line] of off.entries()) {
    if (line.includes('"off"')) assert.match(off[at - 1] ?? '', /^\s*\/\/ /, line)
  }
})
