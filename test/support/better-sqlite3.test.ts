import assert from 'node:assert/strict'
import test from 'node:test'
import { betterSqlite3Missing } from './better-sqlite3.ts'

test('better-sqlite3 either works, or says why not in a line that can stand as the reason of a skip', () => {
  const missing = betterSqlite3Missing()
  if (missing !== undefined) assert.match(missing, /^better-sqlite3: .+$/)
})
