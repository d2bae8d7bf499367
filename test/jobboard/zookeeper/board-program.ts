/**
 * A board in a process of its own that claims, and then consumes or gives back, what it gets. What the store would say, that a
 * posting is over, is a file of its name. Argument: {@link BoardProgram} as JSON.
 * It prints `ready`, then a line of JSON for each thing that it did; SIGTERM stops it in order.
 */
import fs from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { BoardClaim } from '../../../jobboard/jobboard.ts'
import { ZooKeeperBoard } from '../../../jobboard/zookeeper.ts'
import type { ZooKeeperBoardOptions } from '../../../jobboard/zookeeper/board-options.ts'
import { Random } from '../../support/random.ts'
import { insist } from './boards.ts'

export const PROGRAM = fileURLToPath(new URL('./board-program.js', import.meta.url))

/** A gap of the event loop above this is a standstill. */
const STANDSTILL_MS = 200
/** What it takes to hear what has happened meanwhile. */
const AWAKENING_MS = 300

export interface BoardProgram {
  readonly board: Omit<ZooKeeperBoardOptions, 'logger' | 'clock'>
  readonly name: string
  readonly seed: number
  /** Where postings are written down that are over. */
  readonly folder: string
  /** Claims that it has at once. */
  readonly capacity: number
}

/**
 * What it did, when (epoch ms). `claimed` is said before anything is done with a claim, `ended` before it is ended; `refused`: the
 * posting was over already.
 */
export interface BoardLine {
  readonly at: number
  /** The same; or when the process stopped, if it has just stood still and may not know yet what has happened meanwhile. */
  readonly since: number
  readonly did: 'claimed' | 'ended' | 'consumed' | 'refused' | 'abandoned' | 'lost'
  readonly key: string
  readonly claimId: string
  readonly epoch: number
}

async function main(options: BoardProgram): Promise<void> {
  const { name, capacity } = options
  const random = new Random(options.seed)
  const board = new ZooKeeperBoard(options.board)
  const held = new Map<string, BoardClaim>()
  const moment = moments()
  const say = (did: BoardLine['did'], claim: BoardClaim): void => {
    const { claimId, epoch } = claim
    const line: BoardLine = { ...moment(), did, key: keyOf(claim), claimId, epoch }
    process.stdout.write(`${JSON.stringify(line)}\n`)
  }
  board.watch((event) => {
    if (event.kind !== 'lost') return
    for (const [key, claim] of held) {
      if (event.jobIds !== 'all' && !event.jobIds.includes(claim.jobId)) continue
      held.delete(key)
      say('lost', claim)
    }
  })
  let isOver = false
  process.on('SIGTERM', () => (isOver = true))
  await insist(() => board.start())
  await insist(() => board.fleet.join({ id: `${name}:${process.pid}`, name, capacity }))
  process.stdout.write('ready\n')
  const working = new Set<Promise<void>>()
  const work = async (claim: BoardClaim): Promise<void> => {
    const over = path.join(options.folder, keyOf(claim))
    if (!fs.existsSync(over)) await sleep(random.below(60))
    if (!held.delete(keyOf(claim))) return
    say('ended', claim)
    if (!fs.existsSync(over) && random.chance(0.15)) {
      await insist(() => board.abandon(claim))
      say('abandoned', claim)
    } else {
      say(end(over) ? 'consumed' : 'refused', claim)
      await insist(() => board.consume(claim))
    }
  }
  while (!isOver) {
    const room = capacity - working.size
    const claims = room > 0 ? await insist(() => board.claim(name, room)) : []
    for (const claim of claims) {
      held.set(keyOf(claim), claim)
      say('claimed', claim)
      const done = work(claim).finally(() => working.delete(done))
      working.add(done)
    }
    if (claims.length === 0) await sleep(20)
  }
  await Promise.all(working)
  await board.stop()
}

/** Says when it is, and since when this process has seen what happens. */
function moments(): () => Pick<BoardLine, 'at' | 'since'> {
  let tickedAt = Date.now()
  let stood = { from: 0, to: 0 }
  const look = (): void => {
    const now = Date.now()
    if (now - tickedAt > STANDSTILL_MS) stood = { from: tickedAt, to: now }
    tickedAt = now
  }
  setInterval(look, 10).unref()
  return () => {
    look()
    const hasJustWoken = tickedAt - stood.to < AWAKENING_MS
    return { at: tickedAt, since: hasJustWoken ? stood.from : tickedAt }
  }
}

/** Writes down that a posting is over. False: it was so already. */
function end(file: string): boolean {
  try {
    fs.closeSync(fs.openSync(file, 'wx'))
    return true
  } catch {
    return false
  }
}

function keyOf({ jobId, posting }: BoardClaim): string {
  return `${jobId}.${posting}`
}

if (process.argv[1] === PROGRAM) await main(JSON.parse(process.argv[2] ?? '{}') as BoardProgram)
