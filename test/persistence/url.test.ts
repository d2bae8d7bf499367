import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { openStore } from '../../persistence/open.ts'
import { parseStoreUrl, tablePrefix, withoutPassword } from '../../persistence/url.ts'
import { UsageError } from '../../src/base/errors.ts'
import { realClock } from '../../src/base/clock.ts'

describe('the URL of a store', () => {
  it('says where it is, and over which driver', () => {
    assert.deepEqual(parseStoreUrl('memory:'), { kind: 'memory' })
    const file = (url: string) => {
      const location = parseStoreUrl(url)
      return location.kind === 'sqlite' ? `${location.driver} ${location.file}` : location.kind
    }
    assert.equal(file('sqlite:.zagflow/zagflow.db'), 'sqlite3 .zagflow/zagflow.db')
    assert.equal(file('sqlite:/var/zag.db'), 'sqlite3 /var/zag.db')
    assert.equal(file('sqlite:///var/zag.db'), 'sqlite3 /var/zag.db')
    assert.equal(file('sqlite::memory:'), 'sqlite3 :memory:')
    assert.equal(file('better-sqlite3:a b.db'), 'better-sqlite3 a b.db')
    assert.equal(file('postgres://u:p@h/d'), 'postgres')
    assert.equal(file('postgresql://u:p@h:1/d?sslmode=require'), 'postgres')
  })

  it('is refused when it is none, without giving a password away', () => {
    for (const url of ['', 'zagflow.db', 'sqlite:', 'mysql://u:secret@h/d', 'postgres://[']) {
      assert.throws(
        () => parseStoreUrl(url),
        (error) => error instanceof UsageError && !error.message.includes('secret'),
      )
    }
  })

  it('is shown without its password', () => {
    assert.equal(withoutPassword('postgres://u:secret@h:5/d?x=y'), 'postgres://u@h:5/d')
    assert.equal(withoutPassword('postgresql://h/d'), 'postgresql://h/d')
  })

  it('takes only the options that mean something there', () => {
    const refused = [
      () => openStore('memory:', { synchronous: 'FULL' }),
      () => openStore('sqlite:x', { statementTimeoutMs: 1 }),
      () => openStore('postgres://h/d', { clock: realClock }),
    ]
    for (const open of refused) assert.throws(open, UsageError)
  })

  it('is completed by a namespace', () => {
    assert.equal(tablePrefix(), 'zagflow_')
    assert.equal(tablePrefix('shop'), 'shop_')
    assert.equal(tablePrefix('shop_'), 'shop_')
  })

  it('is not asked before the store was started, nor after it was stopped', async () => {
    const store = openStore('sqlite::memory:')
    await assert.rejects(store.now(), /was not started/)
    await store.start()
    await store.stop()
    await assert.rejects(store.now(), /is closed/)
  })
})
