/** Conductors and workers in processes of their own, over one broker and one database, that are killed and started again. */
import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import type { Store } from '../../persistence/store.ts'
import { eventually } from '../support/eventually.ts'
import { lastFirst } from '../support/last-first.ts'
import { Random } from '../support/random.ts'
import { spawnNode, type NodeProcess } from '../support/spawn-node.ts'
import { freshUrl, storeAt } from '../support/stores.ts'
import { checkJob, linesByJob } from './check-job.ts'
import { PROGRAM, type EngineTimes, type ProgramOptions } from './conductor-program.ts'
import { newLedger, readLedger, writeLine } from './ledger.ts'
import { allEnd, underLoad } from './load.ts'
import { WORKER_PROGRAM, type WorkerProgramOptions } from './worker-program.ts'
import type { Work } from './workload.ts'

/** Where workers and conductors meet. */
export interface Place {
  /** AMQP URLs of the broker, separated by commas. */
  readonly url: string
  readonly namespace: string
}

/** Short, so that losses are found soon; long enough for processes that wait for a busy processor. */
export const SHORT_TIMES: EngineTimes = {
  reportEveryMs: 1000,
  graceMs: 1500,
  tickMs: 50,
  sweepEveryMs: 1000,
  markerEveryMs: 2000,
  deliveryLimit: 1000,
}

/**
 * Where nobody is lost: a process that waits long for a busy processor is not taken for gone, so whatever ran twice would be a fault of
 * ours.
 */
export const CALM_TIMES: EngineTimes = { reportEveryMs: 3000, graceMs: 4000 }

export interface FleetOptions {
  readonly store: 'sqlite' | 'postgres'
  readonly place: Place
  readonly conductors?: number
  readonly workers?: number
  readonly conductor?: Partial<ProgramOptions>
  readonly worker?: Partial<WorkerProgramOptions>
  readonly napMs?: number
}

export interface Findings {
  readonly jobs: number
  readonly calls: number
  /** Calls whose bodies began more than once. */
  readonly again: number
  /** Copies of requests that a worker asked about and was told to forget. */
  readonly refused: number
}

/** The processes of one test; they are gone after it. */
export class Fleet {
  readonly store: Store
  readonly ledger: string
  readonly conductors: NodeProcess[] = []
  readonly workers: NodeProcess[] = []
  readonly works = new Map<string, Work>()
  readonly #t: TestContext
  readonly #options: ProgramOptions & { readonly place: Place }
  readonly #worker: WorkerProgramOptions
  readonly #napMs: number | undefined

  private constructor(
    t: TestContext,
    store: Store,
    url: string,
    ledger: string,
    options: FleetOptions,
  ) {
    const { place } = options
    this.#t = t
    this.store = store
    this.ledger = ledger
    this.#options = {
      url,
      ledger,
      leaseMs: 2000,
      parkAfterMs: 150,
      maxFlows: 60,
      logs: true,
      place,
      ...options.conductor,
      times: { ...SHORT_TIMES, ...options.conductor?.times },
    }
    this.#worker = { place, ledger, logs: true, ...options.worker }
    this.#napMs = options.napMs
  }

  /** Null where a server is missing (the test is skipped). Conductors and workers are not ready yet: see {@link ready}. */
  static async start(t: TestContext, options: FleetOptions): Promise<Fleet | null> {
    const url = await freshUrl(t, options.store)
    if (url === null) return null
    const store = await storeAt(t, url)
    const fleet = new Fleet(t, store, url, await newLedger(lastFirst(t)), options)
    for (let i = 0; i < (options.workers ?? 2); i++) fleet.workers.push(fleet.startWorker())
    for (let i = 0; i < (options.conductors ?? 2); i++)
      fleet.conductors.push(fleet.startConductor())
    return fleet
  }

  get processes(): readonly NodeProcess[] {
    return [...this.conductors, ...this.workers]
  }

  startConductor(): NodeProcess {
    return spawnNode(lastFirst(this.#t), PROGRAM, [JSON.stringify(this.#options)])
  }

  /** `napMs`: of this worker alone. */
  startWorker(napMs = this.#napMs): NodeProcess {
    return spawnNode(lastFirst(this.#t), WORKER_PROGRAM, [JSON.stringify(this.#worker)], {
      ZAGFLOW_TEST_LEDGER: this.ledger,
      ZAGFLOW_TEST_NAP_MS: napMs === undefined ? undefined : String(napMs),
    })
  }

  /** Until all processes claim and serve. */
  async ready(): Promise<void> {
    for (const process of this.processes) await process.prints('ready', { withinMs: 60_000 })
  }

  /** Kills one that is at work by SIGKILL, and starts another in its place. */
  async kill(of: NodeProcess[], random: Random): Promise<void> {
    const isReady = (process: NodeProcess): boolean => process.stdout().includes('ready')
    await eventually(() => of.some(isReady), { withinMs: 60_000 })
    const victim = random.pick(of.filter(isReady))
    writeLine(this.ledger, { what: 'killed', pid: victim.pid })
    assert.ok(victim.kill('SIGKILL'), `it had ended by itself: ${victim.stderr()}`)
    await victim.ends()
    of[of.indexOf(victim)] = of === this.conductors ? this.startConductor() : this.startWorker()
  }

  /** Ends one by SIGTERM, in order; how long it took, in ms. */
  async end(process: NodeProcess): Promise<number> {
    await process.prints('ready', { withinMs: 60_000 })
    const startedAt = performance.now()
    process.kill('SIGTERM')
    assert.deepEqual(await process.ends(), { code: 0, signal: null }, process.stderr())
    return Math.round(performance.now() - startedAt)
  }

  /**
   * Posts work of all shapes while `strike` is under way, then waits until every job has ended: for long, since each call that was
   * redelivered runs in a process of its own, and a busy machine is slow to start one.
   */
  async under(
    seed: number,
    strike: (random: Random) => Promise<void>,
    { withinMs = 180_000 }: { readonly withinMs?: number } = {},
  ): Promise<void> {
    const { works } = this
    await underLoad(this.store, { seed: seed + 1, works }, () => strike(new Random(seed)))
    await allEnd(this.store, this.processes, { withinMs })
  }

  /** Ends all processes in order. */
  async endAll(): Promise<void> {
    await Promise.all(this.processes.map((process) => this.end(process)))
  }

  /** Asserts W1–W8 of all jobs. */
  async check(): Promise<Findings> {
    const all = readLedger(this.ledger)
    const lines = linesByJob(all)
    let again = 0
    let calls = 0
    for (const [id, work] of this.works) {
      const findings = await checkJob(this.store, id, work, lines.get(id) ?? [])
      again += findings.again
      calls += findings.calls
    }
    const refused = all.filter(({ what }) => what === 'refused').length
    return { jobs: this.works.size, calls, again, refused }
  }
}

/** The findings, for people. */
export function told({ jobs, calls, again, refused }: Findings): string {
  return `${jobs} jobs, ${calls} calls, of which ${again} ran again under their key; ${refused} copies of requests were refused after asking`
}
