import assert from 'node:assert/strict'
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { followLedger, newLedger, readLedger, writeLine, type LedgerLine } from './ledger.ts'

const record = (pid: number): LedgerLine => ({ what: 'claimed', pid, job: 'job 1', epoch: 7 })

test('what is cut anywhere by the death of its writer is left out, and nothing that others wrote after it', async (t) => {
  const ledger = await newLedger(t)
  writeLine(ledger, record(1))
  const whole = readFileSync(ledger, 'utf8')
  for (let length = 0; length <= whole.length; length++) {
    writeFileSync(ledger, '')
    writeLine(ledger, record(2))
    appendFileSync(ledger, whole.slice(0, length))
    writeLine(ledger, record(3))
    const isThere = length >= whole.trimEnd().length
    assert.deepEqual(
      readLedger(ledger).map(({ pid }) => pid),
      isThere ? [2, 1, 3] : [2, 3],
      `cut after ${length} characters`,
    )
  }
})

test('one that is just being written is not there yet', async (t) => {
  const ledger = await newLedger(t)
  writeLine(ledger, record(1))
  const whole = readFileSync(ledger, 'utf8')
  for (let length = 0; length < whole.length; length++) {
    writeFileSync(ledger, whole + whole.slice(0, length))
    assert.deepEqual(readLedger(ledger), [record(1)], `after ${length} characters`)
  }
})

test('what is no record, nor the beginning of one, is an error', async (t) => {
  for (const line of ['{"what":"claimed",}', 'claimed', '{"whatever":1']) {
    const ledger = await newLedger(t)
    writeLine(ledger, record(1))
    appendFileSync(ledger, `${line}\n`)
    assert.throws(() => readLedger(ledger), SyntaxError, line)
  }
})

test('who follows a ledger reads each record once, when it is whole', async (t) => {
  const ledger = await newLedger(t)
  const read = followLedger(ledger)
  assert.deepEqual(read(), [])
  writeLine(ledger, record(1))
  const whole = readFileSync(ledger, 'utf8')
  assert.deepEqual(read(), [record(1)])
  for (const character of whole) {
    appendFileSync(ledger, character)
    read()
  }
  writeLine(ledger, record(2))
  assert.deepEqual(read(), [record(1), record(1), record(2)])
  assert.deepEqual(read(), readLedger(ledger))
})
