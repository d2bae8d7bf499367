/** A delivery of a reply queue, until it is settled. */
import type { Delivery } from '../../src/amqp/broker-link.ts'
import type { InOrder, Stretch } from './in-order.ts'

/** Says that a message was passed on by a conductor once: never twice. */
export const FORWARDED_HEADER = 'x-zagflow-forwarded'

export interface Letter {
  readonly delivery: Delivery
  readonly wasForwarded: boolean
  /** Acknowledges it. */
  done(): void
  bury(reason: string): void
}

/** Settles its delivery once, and tells the order of its queue. */
export class OpenLetter implements Letter {
  readonly delivery: Delivery
  readonly #order: InOrder
  readonly #stretch: Stretch
  #isSettled = false

  constructor(delivery: Delivery, order: InOrder) {
    this.delivery = delivery
    this.#order = order
    this.#stretch = order.enter()
  }

  get wasForwarded(): boolean {
    return this.delivery.headers[FORWARDED_HEADER] !== undefined
  }

  /** Bound: it is handed on. */
  readonly done = (): void => {
    if (this.#isSettled) return
    this.#isSettled = true
    this.delivery.ack()
    this.#order.leave(this.#stretch)
  }

  bury(reason: string): void {
    if (this.#isSettled) return
    this.#isSettled = true
    this.delivery.bury(reason)
    this.#order.leave(this.#stretch)
  }
}
