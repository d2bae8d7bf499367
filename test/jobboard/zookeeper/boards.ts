/** Boards of a test on a real ZooKeeper, and what is done to them behind their backs. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { TestContext } from 'node:test'
import { UnavailableError } from '../../../src/base/errors.ts'
import { uuidV7 } from '../../../src/base/ids.ts'
import type { Logger } from '../../../src/base/logger.ts'
import type { BoardClaim, BoardEvent, JobBoard, Posting } from '../../../jobboard/jobboard.ts'
import { ZooKeeperBoard } from '../../../jobboard/zookeeper.ts'
import type { ZooKeeperBoardOptions } from '../../../jobboard/zookeeper/board-options.ts'
import { GuardedClient } from '../../../jobboard/zookeeper/client.ts'
import { pathsOf } from '../../../jobboard/zookeeper/names.ts'
import { freshChroot, zookeeper } from '../../support/zookeeper.ts'

export type Hosts = readonly { readonly host: string; readonly port: number }[]

/** A chroot of its own, and boards on it. */
export interface BoardSite {
  readonly hosts: Hosts
  readonly chroot: string
  readonly options: ZooKeeperBoardOptions
  readonly paths: ReturnType<typeof pathsOf>
  make(options?: Partial<ZooKeeperBoardOptions>): ZooKeeperBoard
  /** A started board. */
  connect(options?: Partial<ZooKeeperBoardOptions>): Promise<ZooKeeperBoard>
  /** A client of no board, in the same chroot. */
  client(): Promise<GuardedClient>
}

/** Null: there is no server here, and the test was told why. */
export async function boardSite(
  t: TestContext,
  over: Partial<ZooKeeperBoardOptions> = {},
): Promise<BoardSite | null> {
  const server = await zookeeper()
  if ('missing' in server) {
    t.skip(server.missing)
    return null
  }
  const { hosts, chroot } = await freshChroot(t)
  return siteAt(t, hosts, chroot, over)
}

/** A site on given servers. */
export function siteAt(
  t: TestContext,
  hosts: Hosts,
  chroot: string,
  over: Partial<ZooKeeperBoardOptions> = {},
): BoardSite {
  const options: ZooKeeperBoardOptions = { servers: hosts, chroot, ...over }
  const make = (more: Partial<ZooKeeperBoardOptions> = {}): ZooKeeperBoard => {
    const board = new ZooKeeperBoard({ ...options, ...more })
    t.after(() => board.stop())
    return board
  }
  return {
    hosts,
    chroot,
    options,
    paths: pathsOf(options.name ?? 'main'),
    make,
    async connect(more) {
      const board = make(more)
      await board.start()
      return board
    },
    async client() {
      const client = new GuardedClient({ hosts, chroot })
      t.after(() => client.close())
      await client.start()
      return client
    },
  }
}

let age = Date.now()

/** A posting that is younger than every one before. */
export function postingOf(over: Partial<Posting> = {}): Posting {
  return { jobId: uuidV7(), posting: 1, priority: 0, createdAt: ++age, epoch: 0, ...over }
}

/** Posts so many, many at a time. */
export async function postMany(
  board: JobBoard,
  count: number,
  over: Partial<Posting> = {},
): Promise<readonly Posting[]> {
  const postings = Array.from({ length: count }, () => postingOf(over))
  for (let at = 0; at < count; at += 200) {
    const posted = await Promise.all(
      postings.slice(at, at + 200).map((one) => insist(() => board.post(one))),
    )
    if (posted.includes(false)) throw new Error('the window has no room')
  }
  return postings
}

export async function claimOne(board: JobBoard, conductor: string): Promise<BoardClaim> {
  const [claim] = await board.claim(conductor, 1)
  if (claim === undefined) throw new Error('there was nothing to claim')
  return claim
}

/** What a board tells, from now on. */
export function hear(board: JobBoard): BoardEvent[] {
  const heard: BoardEvent[] = []
  board.watch((event) => void heard.push(event))
  return heard
}

/** Removes a node and all below it, as `deleteall` does. */
export async function removeTree(client: GuardedClient, path: string): Promise<void> {
  const { names } = await client.children(path).catch(() => ({ names: [] }))
  await Promise.all(names.map((name) => removeTree(client, `${path}/${name}`)))
  await client.remove(path).catch(() => {})
}

/** A logger that keeps what it is told. */
export function keepingLogger(): {
  readonly logger: Logger
  readonly lines: { readonly level: string; readonly message: string; readonly fields: object }[]
} {
  const lines: { level: string; message: string; fields: object }[] = []
  const at = (level: string) => (fields: object, message: string) =>
    void lines.push({ level, message, fields })
  const logger: Logger = {
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    child: () => logger,
  }
  return { logger, lines }
}

/** Tries until a server answers, as conductors do. */
export async function insist<T>(operation: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await operation()
    } catch (error) {
      if (!(error instanceof UnavailableError)) throw error
      await sleep(100)
    }
  }
}

/** Claims everything there is, some at a time, until nothing is left for anybody. */
export async function drain(
  board: JobBoard,
  conductor: string,
  options: {
    readonly limit: number
    readonly isOver: () => boolean
    readonly each: (claim: BoardClaim) => Promise<void>
  },
): Promise<readonly BoardClaim[]> {
  const claims: BoardClaim[] = []
  while (!options.isOver()) {
    const some = await insist(() => board.claim(conductor, options.limit))
    claims.push(...some)
    await Promise.all(some.map((claim) => options.each(claim)))
    if (some.length === 0) await sleep(20)
  }
  return claims
}
