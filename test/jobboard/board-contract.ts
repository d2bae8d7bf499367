/** What every board does, run for each adapter. Numbers TF-… are those of TaskFlow's behaviour that a board has to have. */
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import type {
  BoardClaim,
  BoardEntry,
  BoardEvent,
  JobBoard,
  Posting,
} from '../../jobboard/jobboard.ts'
import { eventually } from '../support/eventually.ts'
import { leakCheck } from '../support/leak-check.ts'
import { claimUpTo } from './claim-up-to.ts'

/** A place where several conductors see the same postings. */
export interface BoardPlace {
  /** A started board of one conductor. */
  connect(): Promise<JobBoard>
  /** A board that was not started. */
  make(): JobBoard
  /** Posts a new job, wherever it has to be written. */
  post(board: JobBoard, options?: { readonly priority?: number }): Promise<Posting>
  /** Says that a conductor lives. */
  announce(conductor: string): Promise<void>
  /** Commits the end of a claimed job, where the board is the store. */
  end(claim: BoardClaim): Promise<void>
  /** The conductor dies, or stands still, for longer than its lease: resolves when nobody takes it for alive. */
  die(conductor: string, board: JobBoard): Promise<void>
}

/** Null: the server that it needs is missing; the reason was given to the test. */
export type OpenPlace = (t: TestContext) => Promise<BoardPlace | null>

async function claimOne(board: JobBoard, conductor: string): Promise<BoardClaim> {
  const [claim] = await board.claim(conductor, 1)
  if (claim === undefined) throw new Error('there was nothing to claim')
  return claim
}

async function entries(
  board: JobBoard,
  options?: Parameters<JobBoard['list']>[0],
): Promise<readonly BoardEntry[]> {
  const all: BoardEntry[] = []
  for await (const entry of board.list(options)) all.push(entry)
  return all
}

/** Runs the suite for one adapter. */
export function describeJobBoard(name: string, open: OpenPlace): void {
  const on = (what: string, run: (place: BoardPlace, t: TestContext) => Promise<void>): void => {
    test(`${name}: ${what}`, async (t) => {
      leakCheck(t)
      const place = await open(t)
      if (place !== null) await run(place, t)
    })
  }

  on(
    'TF-200: an empty board has nothing to claim, one posting makes one candidate',
    async (place) => {
      const board = await place.connect()
      assert.deepEqual(await entries(board), [])
      await place.announce('c1')
      assert.deepEqual(await board.claim('c1', 5), [])
      const { jobId, posting } = await place.post(board)
      const [entry, ...others] = await entries(board)
      assert.deepEqual(others, [])
      assert.deepEqual(
        { jobId: entry?.jobId, posting: entry?.posting, owner: entry?.owner },
        { jobId, posting, owner: null },
      )
      const [claim, ...more] = await board.claim('c1', 5)
      assert.equal(claim?.jobId, jobId)
      assert.deepEqual(more, [])
    },
  )

  on('posting again what is there changes nothing, claimed or not', async (place) => {
    const board = await place.connect()
    await place.announce('c1')
    const posting = await place.post(board)
    await board.post(posting)
    await board.post(posting)
    assert.equal((await entries(board)).length, 1)
    const claim = await claimOne(board, 'c1')
    await board.post(posting)
    assert.deepEqual(await board.claim('c1', 5), [])
    assert.equal((await board.findOwner(posting.jobId))?.claimId, claim.claimId)
  })

  on('TF-215: candidates come by priority, bigger first, then by age', async (place) => {
    const board = await place.connect()
    await place.announce('c1')
    const posted: string[] = []
    // LOW, VERY_HIGH, NORMAL, VERY_LOW, HIGH, NORMAL
    for (const priority of [-1, 2, 0, -2, 1, 0]) {
      posted.push((await place.post(board, { priority })).jobId)
    }
    const right = [1, 4, 2, 5, 0, 3].map((at) => posted[at])
    assert.deepEqual(
      (await entries(board)).map((entry) => entry.jobId),
      right,
    )
    const claimed: string[] = []
    for (const limit of [1, 2, 10]) {
      // Those of one answer are the best ones; their order among themselves is the conductor's.
      const ids = (await claimUpTo(board, 'c1', limit)).map((claim) => claim.jobId)
      claimed.push(...ids.sort((a, b) => right.indexOf(a) - right.indexOf(b)))
    }
    assert.deepEqual(claimed, right)
  })

  on('a job that is given back keeps its place', async (place) => {
    const board = await place.connect()
    await place.announce('c1')
    const first = await place.post(board)
    const second = await place.post(board)
    await board.abandon(await claimOne(board, 'c1'))
    assert.equal((await claimOne(board, 'c1')).jobId, first.jobId)
    assert.equal((await claimOne(board, 'c1')).jobId, second.jobId)
  })

  on('of many claimers that race for many jobs, each job has one', async (place) => {
    const conductors = ['c1', 'c2', 'c3', 'c4', 'c5', 'c6', 'c7', 'c8']
    const poster = await place.connect()
    const wanted = new Set<string>()
    for (let i = 0; i < 60; i++) wanted.add((await place.post(poster)).jobId)
    const claims: BoardClaim[] = []
    await Promise.all(
      conductors.map(async (conductor) => {
        await place.announce(conductor)
        const board = await place.connect()
        for (;;) {
          const some = await board.claim(conductor, 3)
          if (some.length === 0) return
          assert.ok(some.every((claim) => claim.conductor === conductor))
          claims.push(...some)
        }
      }),
    )
    assert.equal(claims.length, 60)
    assert.deepEqual(new Set(claims.map((claim) => claim.jobId)), wanted)
    assert.equal(new Set(claims.map((claim) => claim.claimId)).size, 60)
  })

  on(
    'TF-203: an abandoned job can be claimed again, under a new claim id and a higher epoch',
    async (place) => {
      const board = await place.connect()
      await place.announce('c1')
      await place.announce('c2')
      const { jobId } = await place.post(board)
      let before = await claimOne(board, 'c1')
      for (const conductor of ['c2', 'c1', 'c2']) {
        await board.abandon(before)
        assert.equal(await board.findOwner(jobId), null)
        const claim = await claimOne(board, conductor)
        assert.ok(claim.epoch > before.epoch)
        assert.notEqual(claim.claimId, before.claimId)
        before = claim
      }
    },
  )

  on('abandoning twice gives one candidate', async (place) => {
    const board = await place.connect()
    await place.announce('c1')
    await place.post(board)
    const claim = await claimOne(board, 'c1')
    await board.abandon(claim)
    await board.abandon(claim)
    assert.equal((await board.claim('c1', 5)).length, 1)
  })

  on('TF-202: what is consumed is gone, and consuming it again is done already', async (place) => {
    const board = await place.connect()
    await place.announce('c1')
    const { jobId } = await place.post(board)
    const claim = await claimOne(board, 'c1')
    await place.end(claim)
    await board.consume(claim)
    assert.deepEqual(await entries(board), [])
    assert.equal(await board.findOwner(jobId), null)
    assert.deepEqual(await board.claim('c1', 5), [])
    await board.consume(claim)
    await board.abandon(claim)
    assert.deepEqual(await entries(board), [])
  })

  on('the owner of a job is its claim; of an unknown one there is none', async (place) => {
    const board = await place.connect()
    const other = await place.connect()
    await place.announce('c1')
    const { jobId } = await place.post(board)
    assert.equal(await other.findOwner(jobId), null)
    const { claimId, epoch } = await claimOne(board, 'c1')
    assert.deepEqual(await other.findOwner(jobId), { conductor: 'c1', claimId, epoch })
    assert.equal(await other.findOwner('00000000-0000-7000-8000-000000000000'), null)
  })

  on('listing tells who owns what, and takes a limit', async (place) => {
    const board = await place.connect()
    await place.announce('c1')
    for (let i = 0; i < 5; i++) await place.post(board)
    const claims = await claimUpTo(board, 'c1', 2)
    const claimed = new Set(claims.map((claim) => claim.jobId))
    const all = await entries(board)
    assert.equal(all.length, 5)
    for (const entry of all) {
      assert.equal(entry.owner?.conductor ?? null, claimed.has(entry.jobId) ? 'c1' : null)
    }
    const free = await entries(board, { unclaimedOnly: true })
    assert.equal(free.length, 3)
    assert.deepEqual(await entries(board, { unclaimedOnly: true, limit: 2 }), free.slice(0, 2))
  })

  on('TF-206: who watches hears of a posting, and nothing after he stopped', async (place) => {
    const board = await place.connect()
    await place.announce('c1')
    const heard: BoardEvent[] = []
    const stop = board.watch((event) => void heard.push(event))
    await place.post(board)
    await eventually(() => heard.some((event) => event.kind === 'posted'))
    const claim = await claimOne(board, 'c1')
    heard.length = 0
    await board.abandon(claim)
    await eventually(() => heard.some((event) => event.kind === 'posted'))
    stop()
    stop()
    heard.length = 0
    await place.post(board)
    assert.equal((await claimUpTo(board, 'c1', 5)).length, 2)
    assert.deepEqual(heard, [])
  })

  on(
    'TF-208: the jobs of a conductor that is gone can be claimed without its help',
    async (place) => {
      const board = await place.connect()
      const other = await place.connect()
      await place.announce('c1')
      const { jobId } = await place.post(board)
      const lost = await claimOne(board, 'c1')
      await place.announce('c2')
      assert.deepEqual(await other.claim('c2', 5), [])
      await place.die('c1', board)
      assert.equal(await other.findOwner(jobId), null)
      const claim = await claimOne(other, 'c2')
      assert.equal(claim.jobId, jobId)
      assert.ok(claim.epoch > lost.epoch)
    },
  )

  on(
    'an owner that stood still does no harm when it wakes: his claim is another',
    async (place) => {
      const board = await place.connect()
      const other = await place.connect()
      await place.announce('c1')
      await place.announce('c2')
      const { jobId } = await place.post(board)
      const old = await claimOne(board, 'c1')
      await place.die('c1', board)
      const { claimId } = await claimOne(other, 'c2')
      await board.abandon(old)
      assert.equal((await other.findOwner(jobId))?.claimId, claimId)
      assert.deepEqual(await board.claim('c1', 5), [])
    },
  )

  on('two boards with one name see the same jobs, whoever started first', async (place) => {
    const first = await place.connect()
    const { jobId } = await place.post(first)
    const second = await place.connect()
    assert.equal(second.name, first.name)
    assert.deepEqual(
      (await entries(second)).map((entry) => entry.jobId),
      [jobId],
    )
  })

  on('malformed use is refused and changes nothing', async (place) => {
    const board = await place.connect()
    const posting = await place.post(board)
    const refused = { name: 'UsageError' }
    await assert.rejects(board.claim('', 1), refused)
    for (const limit of [-1, 1.5, NaN, Infinity])
      await assert.rejects(board.claim('c1', limit), refused)
    await assert.rejects(board.post({ ...posting, jobId: '' }), refused)
    await assert.rejects(board.post({ ...posting, posting: 0 }), refused)
    await assert.rejects(board.post({ ...posting, priority: NaN }), refused)
    assert.deepEqual(await board.claim('c1', 0), [])
    const [entry] = await entries(board)
    assert.equal(entry?.owner, null)
  })

  on('it is used after its start and before its stop; both may be called twice', async (place) => {
    const early = place.make()
    await assert.rejects(early.claim('c1', 1), { name: 'UsageError', message: /not started/ })
    await early.stop()
    const board = await place.connect()
    await board.start()
    await place.post(board)
    await board.stop()
    await board.stop()
    await assert.rejects(board.claim('c1', 1), { name: 'ClosedError' })
    await assert.rejects(entries(board), { name: 'ClosedError' })
  })
}
