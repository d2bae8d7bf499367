import assert from 'node:assert/strict'
import { afterEach } from 'node:test'

/** Fails a test after which `Object.prototype` is another than before. */
export function guardPrototype(): void {
  const keys = Reflect.ownKeys(Object.prototype)
  afterEach(() => {
    assert.deepEqual(Reflect.ownKeys(Object.prototype), keys)
    assert.equal(Reflect.get({}, 'polluted'), undefined)
  })
}
