/** The doctor's look at a board in ZooKeeper: its servers, what may be done there, and what stands on it. */
import { performance } from 'node:perf_hooks'
import { uuidV7 } from '../base/ids.ts'
import type { BoardPlace } from '../client/board-url.ts'
import { GuardedClient } from '../../jobboard/zookeeper/client.ts'
import { ZooKeeperBoard } from '../../jobboard/zookeeper.ts'
import type { ZooKeeperBoardStatus } from '../../jobboard/zookeeper/status.ts'
import type { ZooKeeperClientOptions } from '../../jobboard/zookeeper/contract.ts'
import { readServers, type ZooKeeperHost } from '../../jobboard/zookeeper/url.ts'
import type { ProcessRecord, Store } from '../../persistence/store.ts'
import type { Context } from './context.ts'
import { errorText } from './fail.ts'
import type { Finding } from './printing/findings.ts'
import { count, elapsed, plainText } from './printing/text.ts'

type Tell = (finding: Finding) => void
type ZooKeeperPlace = Extract<BoardPlace, { readonly kind: 'zookeeper' }>

const CONNECT_MS = 3000
/** A read that takes longer slows every claim. */
const SLOW_MS = 100
const SKEW_MS = 2000
const READS = 3
/** A window that is used to this part is worth a word. */
const FULL = 0.95

/** Looks at everything. False: no server could be reached. */
export async function lookAtZooKeeper(
  context: Context,
  place: ZooKeeperPlace,
  known: { readonly store: Store; readonly conductors: readonly ProcessRecord[] } | undefined,
  tell: Tell,
): Promise<boolean> {
  if (!(await lookAtServers(context, place, tell))) return false
  if (!(await lookAtRights(context, place, tell))) return true
  const board = new ZooKeeperBoard({
    ...place.options,
    connectMs: CONNECT_MS,
    logger: context.logger,
  })
  context.onClose(() => board.stop())
  await board.start()
  const status = await board.status()
  const members = await board.fleet.members()
  lookAtSession(place, status, tell)
  lookAtPostings(place, status, tell)
  await lookAtFleet(context, { ids: members.map(({ id }) => id), status }, known, tell)
  return true
}

/** Each server by itself: an ensemble hides those that are gone, until one more goes. */
async function lookAtServers(
  context: Context,
  { options, shown }: ZooKeeperPlace,
  tell: Tell,
): Promise<boolean> {
  const { servers } = options
  const hosts = typeof servers === 'string' ? readServers(servers) : servers
  const answers = await Promise.all(hosts.map((host) => ask(context, options, host)))
  for (const [at, answer] of answers.entries()) {
    const { host, port } = hosts[at] ?? { host: '', port: 0 }
    const name = `${host}:${port}`
    if ('why' in answer) {
      tell({
        what: 'zookeeper',
        is: 'wrong',
        says: plainText(`${name} cannot be used: ${answer.why}`),
        mend: 'start that server, or take it out of the URL of the board',
      })
      continue
    }
    const { readMs } = answer
    const isSlow = readMs > SLOW_MS
    tell({
      what: 'zookeeper',
      is: isSlow ? 'odd' : 'well',
      says: `${name} answers within ${Math.ceil(readMs)} ms`,
      ...(isSlow ? { mend: 'give it a disk of its own, and a network nearer to conductors' } : {}),
    })
  }
  const reached = answers.filter((answer) => !('why' in answer)).length
  if (hosts.length === 1 && reached === 1) {
    tell({
      what: 'zookeeper',
      is: 'odd',
      says: `${shown} is one server: while it is away nothing new is claimed`,
      mend: 'three servers survive the loss of one',
    })
  } else if (reached > 0 && reached < hosts.length && reached <= Math.floor(hosts.length / 2) + 1) {
    tell({
      what: 'zookeeper',
      is: 'odd',
      says: `${reached} of ${count(hosts.length, 'server')} answer: if one more goes, the board stands still`,
      mend: 'start the others again',
    })
  }
  return reached > 0
}

async function ask(
  context: Context,
  options: ZooKeeperPlace['options'],
  host: ZooKeeperHost,
): Promise<{ readonly readMs: number } | { readonly why: string }> {
  const client = new GuardedClient(clientOptions(options, [host], ''))
  context.onClose(() => client.close())
  try {
    await client.start({ withinMs: CONNECT_MS })
    let readMs = Infinity
    for (let read = 0; read < READS; read++) {
      const at = performance.now()
      await client.exists('/')
      readMs = Math.min(readMs, performance.now() - at)
    }
    return { readMs }
  } catch (error) {
    return { why: errorText(error) }
  } finally {
    await client.close()
  }
}

/** Whether nodes can be made and removed below the chroot, and what time the servers have. */
async function lookAtRights(
  context: Context,
  { options, shown }: ZooKeeperPlace,
  tell: Tell,
): Promise<boolean> {
  const hosts = typeof options.servers === 'string' ? readServers(options.servers) : options.servers
  const client = new GuardedClient(clientOptions(options, hosts, options.chroot ?? ''))
  context.onClose(() => client.close())
  const path = `/doctor-${uuidV7()}`
  try {
    await client.start({ withinMs: CONNECT_MS })
    const before = Date.now()
    await client.create(path, Buffer.from('{}'), { ephemeral: true })
    const now = (before + Date.now()) / 2
    const stat = await client.exists(path)
    await client.remove(path)
    const where = options.chroot === '' ? 'the root' : (options.chroot ?? 'the root')
    const as = options.user === undefined ? 'without credentials' : `as "${options.user}"`
    tell({ what: 'rights', is: 'well', says: `nodes below ${where} can be made ${as}` })
    const skew = (stat?.createdAt ?? now) - now
    if (Math.abs(skew) > SKEW_MS) {
      tell({
        what: 'clock',
        is: 'odd',
        says: `this host's clock is ${elapsed(Math.abs(skew))} ${skew > 0 ? 'behind' : 'before'} ZooKeeper's`,
        mend: 'synchronise both (NTP); nothing is decided by either',
      })
    }
    return true
  } catch (error) {
    const isRights = error instanceof Error && /NO_AUTH|AUTH_FAILED/.test(errorText(error))
    tell({
      what: 'rights',
      is: 'wrong',
      says: plainText(`nothing can be made at ${shown}: ${firstLine(error)}`),
      mend: isRights
        ? 'set ZAGFLOW_ZOOKEEPER_USER and ZAGFLOW_ZOOKEEPER_PASSWORD to those that made the nodes'
        : 'see the log of the servers',
    })
    return false
  } finally {
    await client.close()
  }
}

function lookAtSession(
  { options }: ZooKeeperPlace,
  { session }: ZooKeeperBoardStatus,
  tell: Tell,
): void {
  const asked = options.sessionTimeoutMs ?? session.timeoutMs
  const says = `a session of ${elapsed(session.timeoutMs)} with ${session.server ?? 'no server'}`
  tell(
    asked === session.timeoutMs
      ? { what: 'session', is: 'well', says }
      : {
          what: 'session',
          is: 'odd',
          says: `${says}; ${elapsed(asked)} was asked for`,
          mend: "the servers' minSessionTimeout and maxSessionTimeout (2 and 20 ticks) limit it",
        },
  )
}

function lookAtPostings(
  { name }: ZooKeeperPlace,
  { postings, window, claims, aside }: ZooKeeperBoardStatus,
  tell: Tell,
): void {
  const busiest = postings.map(({ priority, count: number }) => `${number} of priority ${priority}`)
  const isFull = window.used >= window.size * FULL
  const shown = busiest.length === 0 ? 'none' : busiest.slice(0, 5).join(', ')
  tell({
    what: 'postings',
    is: isFull ? 'odd' : 'well',
    says: `on the board "${name}": ${shown}; ${claims.all} claimed; the window has ${window.size}`,
    ...(isFull
      ? { mend: 'nothing, if conductors are busy: the rest of the backlog waits in the database' }
      : {}),
  })
  if (aside.count > 0) {
    tell({
      what: 'aside',
      is: 'wrong',
      says: `${count(aside.count, 'malformed node')} ${aside.count === 1 ? 'was' : 'were'} put aside`,
      mend: `look at /boards/${name}/aside with zkCli.sh: another program writes there`,
    })
  }
}

async function lookAtFleet(
  { boardName }: Context,
  fleet: { readonly ids: readonly string[]; readonly status: ZooKeeperBoardStatus },
  known: { readonly store: Store; readonly conductors: readonly ProcessRecord[] } | undefined,
  tell: Tell,
): Promise<void> {
  const { leader } = fleet.status
  if (known === undefined) return
  const { conductors, store } = known
  const leads = conductors.find(({ id }) => id === leader)
  if (leader === null) {
    tell({
      what: 'leader',
      is: conductors.length > 0 ? 'wrong' : 'odd',
      says: `nobody leads the board "${boardName}": what waits in the database is not posted`,
      mend: conductors.length > 0 ? 'see the logs of the conductors' : 'zagflow conductor',
    })
  } else {
    const who = leads === undefined ? leader : `${leads.name} on ${leads.host}`
    tell({ what: 'leader', is: 'well', says: plainText(who) })
  }
  const cut = conductors.filter(({ id }) => !fleet.ids.includes(id))
  if (cut.length > 0) {
    tell({
      what: 'conductors',
      is: 'wrong',
      says: plainText(`without a session at the board: ${namesOf(cut)}`),
      mend: 'check ZAGFLOW_BOARD, and the network between them and ZooKeeper',
    })
  }
  const strangers = fleet.ids.filter((id) => !conductors.some((one) => one.id === id))
  if (strangers.length > 0) {
    tell({
      what: 'conductors',
      is: 'wrong',
      says: plainText(
        `on the board, and not in this database: ${strangers.slice(0, 4).join(', ')}`,
      ),
      mend: 'all conductors of a board need the same database; boards of others need another name or chroot',
    })
  }
  const hosts = new Set(conductors.map(({ host }) => host))
  if (store.kind === 'sqlite' && hosts.size > 1) {
    tell({
      what: 'database',
      is: 'wrong',
      says: `SQLite is for one host, and conductors are on ${count(hosts.size, 'host')}`,
      mend: 'use postgres://… where several hosts share a board',
    })
  }
}

function clientOptions(
  { user, password, tls, sessionTimeoutMs }: ZooKeeperPlace['options'],
  hosts: readonly ZooKeeperHost[],
  chroot: string,
): ZooKeeperClientOptions {
  return { hosts, chroot, user, password, tls, sessionTimeoutMs }
}

function namesOf(processes: readonly ProcessRecord[]): string {
  return processes
    .slice(0, 4)
    .map(({ name, host }) => `${name} on ${host}`)
    .join(', ')
}

function firstLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split('\n')[0] ?? ''
}
