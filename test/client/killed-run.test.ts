import assert from 'node:assert/strict'
import fs from 'node:fs/promises'
import path from 'node:path'
import test from 'node:test'
import { fileURLToPath } from 'node:url'
import { lastFirst } from '../support/last-first.ts'
import { spawnNode } from '../support/spawn-node.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { freshUrl, storeAt } from '../support/stores.ts'
import { DATABASES } from './fixtures.ts'

const program = fileURLToPath(new URL('killed-run.js', import.meta.url))

for (const backend of DATABASES) {
  test(`a run that is killed goes on where it was when the program is started again (${backend})`, async (t) => {
    const url = await freshUrl(t, backend)
    if (url === null) return
    await storeAt(t, url) // prepares the database
    const journal = path.join(await temporaryFolder(lastFirst(t)), 'journal')
    const lines = async (): Promise<string[]> => {
      return (await fs.readFile(journal, 'utf8')).trim().split('\n')
    }
    /** Steps whose success was told, and how long the journal was by then. */
    const committed = new Map<string, number>()
    for (const kill of [2, 5]) {
      const child = spawnNode(lastFirst(t), program, [url, journal, String(kill + 1)])
      await child.prints(`committed steps/s${kill}\n`)
      child.kill('SIGKILL')
      await child.ended
      const length = (await lines()).length
      for (const [, step = ''] of child.stdout().matchAll(/^committed steps\/s(\d)$/gm)) {
        committed.set(step, length)
      }
    }
    const last = spawnNode(lastFirst(t), program, [url, journal])
    await last.prints('ended SUCCESS')
    assert.equal((await last.ended).code, 0)

    assert.ok(committed.size >= 4)
    const keys = new Map<string, Set<string>>()
    for (const [at, line] of (await lines()).entries()) {
      const [what, step = '', key = ''] = line.split(' ')
      if (what !== 'begin') continue
      keys.set(step, (keys.get(step) ?? new Set()).add(key))
      const told = committed.get(step) ?? Infinity
      assert.ok(at < told, `step ${step} ran again after its success was committed`)
    }
    assert.equal(keys.size, 10)
    for (const [step, all] of keys) assert.equal(all.size, 1, `step ${step} has one key`)
  })
}
