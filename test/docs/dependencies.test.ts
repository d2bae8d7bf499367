import assert from 'node:assert/strict'
import test from 'node:test'
import { z } from 'zod'
import { readFile } from '../support/repository.ts'

const names = z.record(z.string(), z.string()).transform((record) => Object.keys(record))
const manifest = z
  .object({ dependencies: names, peerDependencies: names, devDependencies: names })
  .parse(JSON.parse(readFile('package.json')))
const lines = [
  ...readFile('docs/dependencies.md').matchAll(/^\| `(?<name>[^`]+)` \| (?<why>.+) \|$/gm),
]
const installed = new Set(Object.values(manifest).flat())

test('every dependency has one line that says what it is kept for', () => {
  for (const name of installed) {
    const found = lines.filter((line) => line.groups?.['name'] === name)
    assert.equal(found.length, 1, `${name} has ${found.length} lines in docs/dependencies.md`)
  }
})

test('no line speaks of a package that is not a dependency any more', () => {
  for (const line of lines) assert.ok(installed.has(line.groups?.['name'] ?? ''), line[0])
})

test('every version is exact, so that what was tested is what is installed', () => {
  const { dependencies, devDependencies } = z
    .object({
      dependencies: z.record(z.string(), z.string()),
      devDependencies: z.record(z.string(), z.string()),
    })
    .parse(JSON.parse(readFile('package.json')))
  for (const [name, version] of Object.entries({ ...dependencies, ...devDependencies })) {
    assert.match(version, /^\d+\.\d+\.\d+$/, name)
  }
})

test('the lock file names no registry, because each machine has its own', () => {
  assert.doesNotMatch(readFile('package-lock.json'), /"resolved": "http/)
})

test('the lock file holds the builds for every platform, because npm ci refuses it otherwise', () => {
  const lock = z
    .object({
      packages: z.record(
        z.string(),
        z.object({ optionalDependencies: z.record(z.string(), z.string()).optional() }),
      ),
    })
    .parse(JSON.parse(readFile('package-lock.json')))
  const missing = Object.values(lock.packages)
    .flatMap((entry) => Object.keys(entry.optionalDependencies ?? {}))
    .filter((name) => lock.packages[`node_modules/${name}`] === undefined)
  assert.deepEqual(missing, [], 'run: npm run lock')
})
