import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { postgresMeaning, reasonOf, sqliteMeaning } from '../../persistence/errors.ts'

function coded(code: string, message = 'x'): Error {
  return Object.assign(new Error(message), { code })
}

describe('what an error of a driver means', () => {
  it('is told by its SQLSTATE, the longest beginning that fits', () => {
    const meanings = {
      '08006': 'away',
      '22P05': 'refused',
      '23505': 'refused',
      '25006': 'away',
      '25001': 'other',
      '28P01': 'other',
      '40001': 'busy',
      '40P01': 'busy',
      '42P01': 'other',
      '53100': 'away',
      '53300': 'away',
      '54000': 'refused',
      '55P03': 'busy',
      '57014': 'away',
      '57P01': 'away',
      '57P03': 'away',
      XX000: 'other',
    }
    for (const [code, meaning] of Object.entries(meanings)) {
      assert.equal(postgresMeaning(coded(code)), meaning, code)
    }
  })

  it('is told by the words of pg and knex where they give no code', () => {
    for (const message of [
      'Connection terminated unexpectedly',
      'Client has encountered a connection error and is not queryable',
      'timeout exceeded when trying to connect',
      'Knex: Timeout acquiring a connection. The pool is probably full.',
    ]) {
      assert.equal(postgresMeaning(new Error(message)), 'away', message)
    }
    assert.equal(postgresMeaning(coded('ECONNREFUSED')), 'away')
    assert.equal(postgresMeaning(new Error('x is not a function')), 'other')
    assert.equal(postgresMeaning(null), 'other')
  })

  it("is told by SQLite's primary code, also from an extended one", () => {
    const meanings = {
      SQLITE_BUSY: 'busy',
      SQLITE_BUSY_SNAPSHOT: 'busy',
      SQLITE_LOCKED_SHAREDCACHE: 'busy',
      SQLITE_FULL: 'away',
      SQLITE_IOERR_WRITE: 'away',
      SQLITE_CONSTRAINT_PRIMARYKEY: 'refused',
      SQLITE_TOOBIG: 'refused',
      SQLITE_CORRUPT: 'other',
      SQLITE_ERROR: 'other',
    }
    for (const [code, meaning] of Object.entries(meanings)) {
      assert.equal(sqliteMeaning(coded(code)), meaning, code)
    }
    assert.equal(sqliteMeaning(coded('SQLITE_ERROR', 'malformed JSON')), 'refused')
    assert.equal(sqliteMeaning('text'), 'other')
  })

  it('is said in one line that can be stored, without the statement', () => {
    assert.equal(reasonOf(new Error('select ? - no\0 such\nthing'), 'select ?'), 'no such')
    assert.equal(reasonOf(new Error('plain - text'), 'select 1'), 'plain - text')
    assert.equal(reasonOf(new Error('half \uD800'), 'x'), 'half \uFFFD')
    assert.equal(reasonOf('x'.repeat(9_000), '').length, 500)
  })
})
