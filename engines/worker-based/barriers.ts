/**
 * Barriers through reply queues: one at a time for each queue, for all who wait for it then. One that does not come back is
 * sent again: a barrier twice does no harm.
 */
interface Passage<T> {
  waiting: T[]
  sent: { readonly id: number; readonly at: number; readonly waiting: readonly T[] } | null
}

export class Barriers<T> {
  readonly #send: (queue: string, id: number) => void
  readonly #resendMs: number
  readonly #passages = new Map<string, Passage<T>>()
  readonly #queues = new Map<number, string>()
  #lastId = 0

  constructor(send: (queue: string, id: number) => void, resendMs: number) {
    this.#send = send
    this.#resendMs = resendMs
  }

  /** Waits for a barrier that is sent after this. */
  want(queue: string, item: T): void {
    const passage = this.#passages.get(queue)
    if (passage === undefined) this.#passages.set(queue, { waiting: [item], sent: null })
    else passage.waiting.push(item)
  }

  /** Sends what is wanted. */
  send(now: number): void {
    for (const [queue, passage] of this.#passages) {
      const { sent } = passage
      if (sent !== null && now < sent.at + this.#resendMs) continue
      if (sent !== null) this.#queues.delete(sent.id)
      const waiting = sent === null ? passage.waiting : [...sent.waiting, ...passage.waiting]
      const id = ++this.#lastId
      passage.sent = { id, at: now, waiting }
      passage.waiting = []
      this.#queues.set(id, queue)
      this.#send(queue, id)
    }
  }

  /** Those that waited for it. */
  back(id: number): readonly T[] {
    const queue = this.#queues.get(id)
    const passage = queue === undefined ? undefined : this.#passages.get(queue)
    if (queue === undefined || passage?.sent?.id !== id) return []
    const { waiting } = passage.sent
    this.#queues.delete(id)
    passage.sent = null
    if (passage.waiting.length === 0) this.#passages.delete(queue)
    return waiting
  }

  /** The link was lost: what was sent may be lost too, and is sent again. */
  again(): void {
    for (const passage of this.#passages.values()) {
      if (passage.sent === null) continue
      this.#queues.delete(passage.sent.id)
      passage.waiting = [...passage.sent.waiting, ...passage.waiting]
      passage.sent = null
    }
  }

  clear(): void {
    this.#passages.clear()
    this.#queues.clear()
  }
}
