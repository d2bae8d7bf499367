import assert from 'node:assert/strict'
import fs from 'node:fs/promises'
import path from 'node:path'
import { test } from 'node:test'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { builders, compileFolder, faults, root } from './compiler.ts'

test('each planted fault is reported at its very element, in a sentence; nothing else is', async (t) => {
  const folder = await temporaryFolder(t)
  const expected: Record<string, string> = {}
  for (const name of await fs.readdir(path.join(root, faults))) {
    if (!name.endsWith('.ts')) continue
    const text = await fs.readFile(path.join(root, faults, name), 'utf8')
    await fs.writeFile(
      path.join(folder, name),
      text.replaceAll('../../../src/flow/builders.ts', builders),
    )
    // Each message is written above the line that it belongs to.
    for (const [index, line] of text.split('\n').entries()) {
      const message = /^\s*\/\/ ✗ (.*)$/.exec(line)?.[1]
      if (message !== undefined) expected[`${name}:${index + 2}`] = message
    }
  }
  assert.ok(
    Object.keys(expected).length >= 24,
    `${Object.keys(expected).length} faults are planted`,
  )
  const { errors, output } = await compileFolder(folder)
  const found = errors.map((error) => [`${error.file}:${error.line}`, error.message] as const)
  assert.deepEqual(Object.fromEntries(found), expected, output.slice(0, 2_000))
  assert.equal(found.length, Object.keys(expected).length, 'one error for each fault')
})
