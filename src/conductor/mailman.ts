/**
 * Brings mail to the flows that are here: at once where a hint tells of it, within a second by looking.
 *
 * Owns: one timer, one listener for hints.
 */
import type { Store } from '../../persistence/store.ts'
import type { Flows, Mailbag } from './flows.ts'
import type { ResolvedConductor } from './options.ts'

const LOOK_EVERY_MS = 1000
/** More mailboxes than these are read by one query. */
const MAILBOXES = 4

export class Mailman {
  readonly #resolved: ResolvedConductor
  readonly #store: Pick<Store, 'readMail' | 'mailOf' | 'onHint'>
  readonly #flows: Flows
  readonly #onMailElsewhere: () => void
  readonly #hinted = new Set<string>()
  #cancelTimer: () => void = () => {}
  #unlisten: () => void = () => {}
  #reading: Promise<void> | null = null
  #stopped = false

  /** `onMailElsewhere`: mail came for a job that is not here; it may have become due. */
  constructor(resolved: ResolvedConductor, flows: Flows, onMailElsewhere: () => void) {
    this.#resolved = resolved
    this.#store = resolved.store
    this.#flows = flows
    this.#onMailElsewhere = onMailElsewhere
  }

  start(): void {
    this.#unlisten = this.#store.onHint((hint) => {
      if (hint.kind !== 'mail') return
      if (!this.#flows.has(hint.jobId)) return this.#onMailElsewhere()
      this.#hinted.add(hint.jobId)
      this.#read()
    })
    this.#arm()
  }

  async stop(): Promise<void> {
    this.#stopped = true
    this.#cancelTimer()
    this.#unlisten()
    this.#hinted.clear()
    await this.#reading
  }

  #arm(): void {
    if (this.#stopped) return
    const { clock } = this.#resolved
    this.#cancelTimer = clock.setTimer(() => {
      if (this.#flows.size > 0) this.#read(true)
      this.#arm()
    }, clock.now() + LOOK_EVERY_MS)
  }

  #read(all = false): void {
    if (this.#reading !== null) return
    this.#reading = this.#readOnce(all)
      .catch((error: unknown) => {
        this.#resolved.logger.warn({ error }, 'mail could not be read; looking again')
      })
      .finally(() => {
        this.#reading = null
        if (this.#hinted.size > 0 && !this.#stopped) this.#read()
      })
  }

  async #readOnce(all: boolean): Promise<void> {
    const jobs = [...this.#hinted]
    this.#hinted.clear()
    if (!all && jobs.length <= MAILBOXES) {
      for (const jobId of jobs) this.#flows.receive(jobId, await this.#store.mailOf(jobId))
      return
    }
    const bags = new Map<string, { count: number; mail: Mailbag['mail'][number][] }>()
    for (const piece of await this.#store.readMail(this.#resolved.id)) {
      const bag = bags.get(piece.jobId)
      if (bag === undefined) bags.set(piece.jobId, { count: piece.count, mail: [piece] })
      else {
        bag.mail.push(piece)
        bag.count = Math.max(bag.count, piece.count)
      }
    }
    for (const [jobId, bag] of bags) this.#flows.receive(jobId, bag)
  }
}
