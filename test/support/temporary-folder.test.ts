import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import test from 'node:test'
import { EndedByHand } from './ended-by-hand.ts'
import { temporaryFolder } from './temporary-folder.ts'

test('a temporary folder is new and empty, and is gone with all it holds after its test', async () => {
  const inner = new EndedByHand()
  const folder = await temporaryFolder(inner)
  assert.deepEqual(fs.readdirSync(folder), [])
  fs.mkdirSync(path.join(folder, 'deep'))
  fs.writeFileSync(path.join(folder, 'deep', 'file'), 'text')
  await inner.end()
  assert.equal(fs.existsSync(folder), false)
})
