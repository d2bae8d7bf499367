import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ListingBudget, listingBytes } from '../../../jobboard/zookeeper/listing-budget.ts'

test('a budget is saved up by time and by claims, to a limit, and may be overdrawn once', () => {
  const budget = new ListingBudget()
  assert.ok(budget.allows(1000))
  budget.spend(1_200_000)
  assert.ok(!budget.allows(1000))
  assert.ok(!budget.allows(1000 + 200_000 / 32))
  assert.ok(budget.allows(1000 + 200_000 / 32 + 1))
  budget.spend(32 + 4000)
  assert.ok(!budget.allows(1000 + 200_000 / 32 + 1))
  budget.earn()
  budget.earn()
  assert.ok(budget.allows(1000 + 200_000 / 32 + 1))
  // A clock that goes back gives nothing, and takes nothing.
  budget.spend(4000)
  assert.ok(!budget.allows(0))
})

test('a listing costs its names and a frame', () => {
  assert.equal(listingBytes([]), 88)
  assert.equal(listingBytes(['abc', 'd']), 88 + 3 + 4 + 1 + 4)
})
