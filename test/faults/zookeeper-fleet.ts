/**
 * Conductors in processes of their own that share a board on ZooKeeper and a PostgreSQL that writes down who changed what; each
 * reaches its servers through proxies of its own, so that one can be cut off from one of them.
 */
import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { ZooKeeperBoard } from '../../jobboard/zookeeper.ts'
import type { Store } from '../../persistence/store.ts'
import { lastFirst } from '../support/last-first.ts'
import { spawnNode, type NodeProcess } from '../support/spawn-node.ts'
import { freshUrl, storeAt } from '../support/stores.ts'
import { tcpProxy, type TcpProxy } from '../support/tcp-proxy.ts'
import { beginAudit, type Audit } from './audit.ts'
import { checkJob, linesByJob } from './check-job.ts'
import { PROGRAM, type ProgramOptions } from './conductor-program.ts'
import type { Place } from './fleet.ts'
import { followLedger, newLedger, readLedger, type LedgerLine } from './ledger.ts'
import { allEnd, underLoad, type LoadOptions } from './load.ts'
import type { Work } from './workload.ts'

export interface Servers {
  readonly hosts: readonly { readonly host: string; readonly port: number }[]
  readonly chroot: string
}

export interface ZooKeeperFleetOptions {
  readonly servers: Servers
  /** @default 3 */
  readonly conductors?: number
  readonly sessionMs?: number
  /** Of every conductor. */
  readonly program?: Partial<ProgramOptions>
  /** Where workers are; each conductor reaches it through a proxy of its own. */
  readonly place?: Place
}

/** A conductor, and what lies between it and its servers. */
export interface Reached {
  readonly process: NodeProcess
  readonly zookeeper: readonly TcpProxy[]
  readonly sql: TcpProxy
  readonly broker: TcpProxy | undefined
}

export class ZooKeeperFleet {
  readonly store: Store
  readonly board: ZooKeeperBoard
  readonly ledger: string
  readonly audit: Audit
  readonly conductors: Reached[] = []
  readonly works = new Map<string, Work>()
  /** All records of the ledger so far. */
  readonly lines: () => readonly LedgerLine[]
  readonly #t: TestContext
  readonly #url: string
  readonly #options: ZooKeeperFleetOptions

  private constructor(
    t: TestContext,
    parts: { store: Store; board: ZooKeeperBoard; ledger: string; audit: Audit; url: string },
    options: ZooKeeperFleetOptions,
  ) {
    this.#t = t
    this.store = parts.store
    this.board = parts.board
    this.ledger = parts.ledger
    this.audit = parts.audit
    this.lines = followLedger(parts.ledger)
    this.#url = parts.url
    this.#options = options
  }

  /** Null where PostgreSQL is missing (the test is skipped). Its conductors claim. */
  static async start(
    t: TestContext,
    options: ZooKeeperFleetOptions,
  ): Promise<ZooKeeperFleet | null> {
    const url = await freshUrl(t, 'postgres')
    if (url === null) return null
    const store = await storeAt(t, url)
    const { hosts, chroot } = options.servers
    const board = new ZooKeeperBoard({ servers: hosts, chroot })
    lastFirst(t).after(() => board.stop())
    await board.start()
    const parts = { store, board, url, audit: await beginAudit(t, url), ledger: await newLedger(t) }
    const fleet = new ZooKeeperFleet(t, parts, options)
    const count = options.conductors ?? 3
    fleet.conductors.push(
      ...(await Promise.all(Array.from({ length: count }, () => fleet.#startConductor()))),
    )
    for (const { process } of fleet.conductors) await process.prints('ready', { withinMs: 60_000 })
    return fleet
  }

  get processes(): readonly NodeProcess[] {
    return this.conductors.map(({ process }) => process)
  }

  /** Does something while work is posted, and waits until every job has ended. */
  async under(
    seed: number,
    strike: () => Promise<void>,
    load: Partial<LoadOptions> & { readonly withinMs?: number } = {},
  ): Promise<void> {
    const { works, board, store } = this
    await underLoad(store, { seed, works, board, ...load }, strike)
    await allEnd(store, this.processes, { withinMs: load.withinMs ?? 120_000 })
  }

  /** Jobs that a process has claimed and not let go, with the epoch. */
  held(process: NodeProcess): ReadonlyMap<string, number> {
    return heldBy(this.lines(), process.pid)
  }

  /** Ends every conductor in order: none of them had to be started again. */
  async endAll(): Promise<void> {
    await Promise.all(
      this.processes.map(async (process) => {
        process.kill('SIGTERM')
        assert.deepEqual(await process.ends(), { code: 0, signal: null }, process.stderr())
      }),
    )
  }

  /** Asserts W1–W8 and U1–U3 of all jobs, and that nothing is left on the board. How many changes of rows were looked at. */
  async check(): Promise<number> {
    const lines = readLedger(this.ledger)
    const perJob = linesByJob(lines)
    for (const [id, work] of this.works) {
      await checkJob(this.store, id, work, perJob.get(id) ?? [])
    }
    for await (const entry of this.board.list()) {
      assert.fail(`left on the board: ${JSON.stringify(entry)}`)
    }
    return this.audit.check(lines)
  }

  async #startConductor(): Promise<Reached> {
    const t = lastFirst(this.#t)
    const { servers, sessionMs = 1500, program, place } = this.#options
    const zookeeper = await Promise.all(servers.hosts.map((server) => tcpProxy(t, server)))
    const database = new URL(this.#url)
    const sql = await tcpProxy(t, { host: database.hostname, port: Number(database.port) })
    database.port = String(sql.port)
    const broker = place === undefined ? undefined : await proxyTo(t, place.url)
    const options: ProgramOptions = {
      url: database.href,
      ledger: this.ledger,
      board: {
        servers: zookeeper.map(({ port }) => ({ host: '127.0.0.1', port })),
        chroot: servers.chroot,
        sessionTimeoutMs: sessionMs,
        scanMs: 1000,
      },
      leaseMs: 2000,
      parkAfterMs: 150,
      maxFlows: 60,
      logs: true,
      ...program,
      ...(place === undefined ? {} : { place: { ...place, url: broker?.url ?? place.url } }),
    }
    const process = spawnNode(t, PROGRAM, [JSON.stringify(options)])
    t.after(() => void process.kill('SIGCONT'))
    return { process, zookeeper, sql, broker: broker?.proxy }
  }
}

async function proxyTo(
  t: Pick<TestContext, 'after'>,
  url: string,
): Promise<{ readonly proxy: TcpProxy; readonly url: string }> {
  const broker = new URL(url)
  const proxy = await tcpProxy(t, { host: broker.hostname, port: Number(broker.port || 5672) })
  broker.hostname = '127.0.0.1'
  broker.port = String(proxy.port)
  return { proxy, url: broker.href }
}

/** Jobs that a process has claimed and not let go, with the epoch. */
export function heldBy(lines: readonly LedgerLine[], pid: number): ReadonlyMap<string, number> {
  const held = new Map<string, number>()
  for (const line of lines) {
    if (line.pid !== pid || !('job' in line)) continue
    if (line.what === 'claimed') held.set(line.job, line.epoch)
    else if (LETS_GO.has(line.what)) held.delete(line.job)
  }
  return held
}

const LETS_GO = new Set(['lost', 'released', 'parked', 'completed', 'trashed'])
