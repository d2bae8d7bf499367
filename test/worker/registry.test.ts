import assert from 'node:assert/strict'
import fs from 'node:fs/promises'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { test } from 'node:test'
import { ConflictError, UnknownTaskError } from '../../src/base/errors.ts'
import { linear } from '../../src/flow/composition.ts'
import { flow } from '../../src/flow/flow.ts'
import { retryStrategy } from '../../src/flow/retry-strategy.ts'
import { task } from '../../src/flow/task.ts'
import { TaskRegistry } from '../../src/worker/registry.ts'
import * as tasks from '../support/tasks.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const one = task('one', { execute: () => undefined })
const two = task('two', { execute: () => undefined })
const strategy = retryStrategy('often', () => 'RETRY')
const namesOf = (registry: TaskRegistry) => registry.tasks.map(({ name }) => name)

test('tasks are found among the exports of a module: named, default, in lists, in objects', () => {
  const module = {
    default: [one],
    group: { two },
    strategy,
    VERSION: 3,
    helper: () => one,
    nothing: null,
  }
  const registry = TaskRegistry.of(module)
  assert.deepEqual(namesOf(registry), ['one', 'two'])
  assert.deepEqual([...registry.strategies.keys()], ['often'])
  assert.equal(registry.strategy('often'), strategy)
})

test('the tasks of a flow are found, and those of a module that exports a list named `tasks` besides', () => {
  const whole = flow('whole', {}, [one, linear('part', [two], { retry: { strategy } })])
  const registry = TaskRegistry.of({ whole })
  assert.deepEqual(namesOf(registry), ['one', 'two'])
  assert.deepEqual(namesOf(TaskRegistry.of(whole.tasks)), ['one', 'two'])
  assert.deepEqual([...registry.strategies.keys()], ['often'])
  assert.deepEqual(namesOf(TaskRegistry.of({ tasks: [one], two })), ['one', 'two'])
})

test('a step is as good as its task, and one task through two modules is one task', () => {
  const registry = TaskRegistry.of({ one }, { again: one.as('other'), more: [one.when('true')] })
  assert.deepEqual(namesOf(registry), ['one'])
  assert.equal(registry.get('one'), one.definition)
})

test('two tasks of one name are an error that names both places, for nobody could tell which one runs', () => {
  const other = task('one', { execute: () => 1 })
  const registry = new TaskRegistry().add(one, { module: 'file:///a.js' })
  assert.throws(
    () => registry.add(other, { module: 'file:///b.js' }),
    (error) =>
      error instanceof ConflictError &&
      /"one".*file:\/\/\/a\.js.*file:\/\/\/b\.js/.test(error.message),
  )
  assert.throws(
    () => TaskRegistry.of([strategy, retryStrategy('often', () => 'REVERT')]),
    ConflictError,
  )
})

test('an unknown name says which was meant; names of object members are not found by accident', () => {
  const registry = TaskRegistry.of({ one, two })
  assert.throws(
    () => registry.get('tow'),
    (error) => error instanceof UnknownTaskError && /did you mean "two"\?/.test(error.message),
  )
  for (const name of ['constructor', '__proto__', 'toString']) {
    assert.equal(registry.find(name), undefined)
    assert.throws(() => registry.get(name), UnknownTaskError)
    assert.throws(() => registry.strategy(name), UnknownTaskError)
  }
})

test('exports that bite are passed over: getters that throw, Proxies, cycles, deep nests', () => {
  const cycle: { self?: unknown; one: unknown } = { one }
  cycle.self = cycle
  const module = {
    get bad(): unknown {
      throw new Error('getter')
    },
    cycle,
    two,
    date: new Date(),
    weak: new WeakSet([one]),
  }
  assert.deepEqual(namesOf(TaskRegistry.of(module)), ['one', 'two'])
})

test('signatures tell what each task needs and gives', () => {
  const registry = TaskRegistry.of(tasks)
  const signature = registry.signatures().find(({ name }) => name === 'declared')
  assert.deepEqual(Object.keys(signature?.provides ?? {}), ['number', 'text'])
  assert.equal(signature?.revert, false)
})

test('modules are loaded by path, TypeScript as it is, and each task knows its module', async (t) => {
  const folder = await temporaryFolder(t)
  const source = new URL('../../src/flow/task.js', import.meta.url).href
  await fs.writeFile(
    path.join(folder, 'tasks.ts'),
    `import { task } from ${JSON.stringify(source)}
     interface Unused { readonly x: number }
     enum Colour { Red = 'red' }
     export const paint = task('paint.' + Colour.Red, { execute: (_: Unused) => undefined })`,
  )
  await fs.writeFile(path.join(folder, 'plain.mjs'), `export { one } from './one.mjs'`)
  await fs.writeFile(
    path.join(folder, 'one.mjs'),
    `import { task } from ${JSON.stringify(source)}\nexport const one = task('one', { execute() {} })`,
  )
  const registry = await TaskRegistry.load(['./tasks.ts', 'plain.mjs'], { folder })
  assert.deepEqual(namesOf(registry), ['paint.red', 'one'])
  assert.equal(registry.moduleOf('paint.red'), pathToFileURL(path.join(folder, 'tasks.ts')).href)
  assert.equal(registry.moduleOf('one'), pathToFileURL(path.join(folder, 'plain.mjs')).href)
  await assert.rejects(TaskRegistry.load(['./missing.mjs'], { folder }), /missing\.mjs/)
})
