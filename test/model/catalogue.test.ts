import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readFile } from '../support/repository.ts'
import { CATALOGUE } from './catalogue.ts'

test('the table of the README names every variant of every model, and no other', () => {
  const rows = readFile('test/model/README.md').split('\n')
  for (const [model, searches] of Object.entries(CATALOGUE)) {
    const row = rows.find((line) => line.startsWith(`| [\`${model}\`](${model}.ts) |`))
    assert.ok(row, `no row for ${model}`)
    const [, , ...columns] = row.split('|')
    const named = columns.join('|').matchAll(/`([^`]+)`/g)
    assert.deepEqual(new Set([...named].map(([, name]) => name)), new Set(Object.keys(searches)))
  }
})
