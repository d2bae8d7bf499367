import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ConflictError, UnavailableError } from '../../src/base/errors.ts'
import { uuidV7 } from '../../src/base/ids.ts'
import type { BoardEvent, Posting } from '../../jobboard/jobboard.ts'
import { MemoryBoard, MemoryPostings } from '../../jobboard/memory.ts'
import { eventually } from '../support/eventually.ts'
import { describeJobBoard } from './board-contract.ts'

let age = 0

function postingOf(over: Partial<Posting> = {}): Posting {
  return { jobId: uuidV7(), posting: 1, priority: 0, createdAt: ++age, epoch: 0, ...over }
}

describeJobBoard('memory board', async (t) => {
  const postings = new MemoryPostings()
  const make = (): MemoryBoard => {
    const board = new MemoryBoard({ postings })
    t.after(() => board.stop())
    return board
  }
  return {
    make,
    async connect() {
      const board = make()
      await board.start()
      return board
    },
    async post(board, { priority = 0 } = {}) {
      const posting = postingOf({ priority })
      await board.post(posting)
      return posting
    },
    async announce() {},
    async end() {},
    async die(_conductor, board) {
      if (board instanceof MemoryBoard) postings.expire(board, { unheard: true })
    },
  }
})

async function twoBoards() {
  const postings = new MemoryPostings()
  const [first, second] = [new MemoryBoard({ postings }), new MemoryBoard({ postings })]
  await first.start()
  await second.start()
  const heard: BoardEvent[] = []
  first.watch((event) => void heard.push(event))
  return { postings, first, second, heard }
}

test('a session that expires says so to its conductor, at once where it can hear', async () => {
  const { postings, first, heard } = await twoBoards()
  await first.post(postingOf())
  await first.claim('c1', 1)
  heard.length = 0
  postings.expire(first)
  await eventually(() => heard.some(({ kind }) => kind === 'lost'))
  assert.deepEqual(
    heard.filter(({ kind }) => kind === 'lost'),
    [{ kind: 'lost', jobIds: 'all' }],
  )
})

test('a conductor that stood still hears of its lost session with its next operation', async () => {
  const { postings, first, second, heard } = await twoBoards()
  await first.post(postingOf())
  await first.claim('c1', 1)
  postings.expire(first, { unheard: true })
  assert.equal((await second.claim('c2', 1)).length, 1)
  assert.ok(!heard.some(({ kind }) => kind === 'lost'))
  await first.findOwner('x')
  await eventually(() => heard.some(({ kind }) => kind === 'lost'))
})

test('the claims of a board that is stopped are free at once', async () => {
  const { first, second } = await twoBoards()
  await first.post(postingOf())
  await first.claim('c1', 1)
  await first.stop()
  assert.equal((await second.claim('c2', 1)).length, 1)
})

test('the next posting of a job lives beside what is left of the old one', async () => {
  const { first, second } = await twoBoards()
  const old = postingOf()
  await first.post(old)
  const [claim] = await first.claim('c1', 1)
  await second.post({ ...old, posting: 2, epoch: 1 })
  const [next] = await second.claim('c2', 5)
  assert.equal(next?.posting, 2)
  if (claim !== undefined) await first.consume(claim)
  assert.equal((await first.findOwner(old.jobId))?.claimId, next?.claimId)
})

test('a posting that the store knows at a higher epoch is claimed above that, though the board was rebuilt', async () => {
  const { postings, first } = await twoBoards()
  const posting = postingOf()
  await first.post(posting)
  await first.claim('c1', 1)
  postings.wipe()
  await first.post(posting)
  await first.post({ ...posting, epoch: 7 })
  const [claim] = await first.claim('c1', 1)
  assert.equal(claim?.epoch, 8)
})

test('a wiped board tells owners that their claims are gone', async () => {
  const { postings, first, heard } = await twoBoards()
  const posting = postingOf()
  await first.post(posting)
  await first.claim('c1', 1)
  postings.wipe()
  assert.equal(postings.size, 0)
  await eventually(() => heard.some((event) => event.kind === 'lost'))
})

test('a board of 20,000 postings gives each of them once', async () => {
  const board = new MemoryBoard({ postings: new MemoryPostings({ window: 20_000 }) })
  await board.start()
  for (let i = 0; i < 20_000; i++) await board.post(postingOf({ priority: i % 3 }))
  let claimed = 0
  for (
    let some = await board.claim('c1', 500);
    some.length > 0;
    some = await board.claim('c1', 500)
  ) {
    claimed += some.length
  }
  assert.equal(claimed, 20_000)
})

test('the window counts the postings of a priority and above; what is there already needs no room', async () => {
  const postings = new MemoryPostings({ window: 2 })
  const board = new MemoryBoard({ postings })
  await board.start()
  const low = postingOf()
  assert.equal(await board.post(low), true)
  assert.equal(await board.post(postingOf({ priority: 5 })), true)
  assert.equal(await board.fleet.room(0), 0)
  assert.equal(await board.fleet.room(5), 1)
  assert.equal(await board.post(postingOf()), false)
  assert.equal(await board.post(low), true)
  assert.equal(await board.post(postingOf({ priority: 5 })), true)
  assert.equal(await board.fleet.room(0), -1)
  assert.equal((await board.fleet.postings()).has(`${low.jobId}.1`), true)
  // However many are worked on, the job that they wait for is not kept out.
  const claims = await board.claim('c1', 2)
  assert.equal(await board.fleet.room(0), 1)
  for (const claim of claims) await board.consume(claim)
  assert.equal(await board.fleet.room(0), 1)
})

test('members of a fleet see each other, and one leads until it resigns or its session ends', async () => {
  const { postings, first, second } = await twoBoards()
  let told = 0
  first.fleet.onMembers(() => (told += 1))
  await first.fleet.join({ id: '1', name: 'b', capacity: 1 })
  await second.fleet.join({ id: '2', name: 'a', capacity: 5 })
  assert.deepEqual(
    (await first.fleet.members()).map(({ id }) => id),
    ['2', '1'],
  )
  await eventually(() => told === 2)
  assert.equal(await first.fleet.leader(), null)
  assert.equal(await first.fleet.lead(), true)
  assert.equal(await second.fleet.lead(), false)
  assert.equal(await second.fleet.leader(), '1')
  await first.fleet.resign()
  assert.equal(await second.fleet.lead(), true)
  postings.expire(second)
  assert.equal(await first.fleet.lead(), true)
  assert.equal((await first.fleet.members()).length, 2)
  await second.fleet.leave()
  assert.equal((await first.fleet.members()).length, 1)
})

test('a second conductor of a name waits for the session of the first, then is refused', async () => {
  const postings = new MemoryPostings({ sessionMs: 2_000 })
  const [first, second] = [new MemoryBoard({ postings }), new MemoryBoard({ postings })]
  await first.start()
  await second.start()
  await first.fleet.join({ id: '1', name: 'a', capacity: 1 })
  const joined = second.fleet.join({ id: '2', name: 'a', capacity: 1 })
  await first.stop()
  await joined
  const other = new MemoryPostings()
  const [third, fourth] = [
    new MemoryBoard({ postings: other }),
    new MemoryBoard({ postings: other }),
  ]
  await third.start()
  await fourth.start()
  await third.fleet.join({ id: '3', name: 'a', capacity: 1 })
  await assert.rejects(fourth.fleet.join({ id: '4', name: 'a', capacity: 1 }), ConflictError)
})

test('a board that is cut off refuses everything, and hears of its lost session when it is back', async () => {
  const { postings, first, second, heard } = await twoBoards()
  await first.fleet.join({ id: '1', name: 'a', capacity: 1 })
  await first.post(postingOf())
  await first.claim('c1', 1)
  postings.cut(first)
  await assert.rejects(first.claim('c1', 1), UnavailableError)
  await assert.rejects(first.fleet.lead(), UnavailableError)
  postings.expire(first)
  assert.equal((await second.claim('c2', 1)).length, 1)
  assert.deepEqual(await second.fleet.members(), [])
  postings.mend(first)
  await first.findOwner('x')
  await eventually(() => heard.some(({ kind }) => kind === 'lost'))
  assert.equal((await second.fleet.members()).length, 1)
})
