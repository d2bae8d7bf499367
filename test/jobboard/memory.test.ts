import assert from 'node:assert/strict'
import { test } from 'node:test'
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
  const board = new MemoryBoard()
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
