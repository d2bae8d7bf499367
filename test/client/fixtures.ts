/** Connections, flows and programmable tasks for the tests of the client. */
import type { TestContext } from 'node:test'
import { connect } from '../../src/client/connect.ts'
import type { ConnectOptions } from '../../src/client/connect-options.ts'
import type { Zagflow } from '../../src/client/zagflow.ts'
import { silentLogger, type LogFields, type Logger } from '../../src/base/logger.ts'
import { flow } from '../../src/flow/flow.ts'
import { task } from '../../src/flow/task.ts'
import { from } from '../../src/flow/template-of.ts'
import { z } from 'zod'
import type { Store } from '../../persistence/store.ts'
import { lastFirst } from '../support/last-first.ts'
import { storeAt } from '../support/stores.ts'

/** Stores that several connections can share. */
export const DATABASES = ['sqlite', 'postgres'] as const

/** A connection over a store of its own at that URL; closed after the test. */
export async function connected(
  t: TestContext,
  url: string,
  options: ConnectOptions = {},
): Promise<Zagflow> {
  return connectedTo(t, await storeAt(t, url), options)
}

/** A connection over that store; closed after the test. */
export async function connectedTo(
  t: TestContext,
  persistence: Store,
  options: ConnectOptions = {},
): Promise<Zagflow> {
  const zag = await connect({
    environment: {},
    persistence,
    logger: silentLogger,
    pollMs: 50,
    ...options,
  })
  lastFirst(t).after(() => zag.close())
  return zag
}

/** A line of a log. */
export interface LogLine {
  readonly level: string
  readonly fields: LogFields
  readonly message: string
}

/** A logger that keeps its lines. */
export function keepingLogger(lines: LogLine[]): Logger {
  const keep = (level: string) => (fields: LogFields, message: string) => {
    lines.push({ level, fields, message })
  }
  return {
    debug: keep('debug'),
    info: keep('info'),
    warn: keep('warn'),
    error: keep('error'),
    child: () => keepingLogger(lines),
  }
}

/** A place where tasks stop until the test opens it, and a journal of what they did. */
export class Workshop {
  /** `reserve A1`, `revert reserve A1`, … in the order in which it happened. */
  readonly journal: string[] = []
  #open: () => void = () => {}
  readonly #gate = new Promise<void>((resolve) => (this.#open = resolve))
  #entered: () => void = () => {}
  /** Resolves when a task stands at the gate. */
  readonly entered = new Promise<void>((resolve) => (this.#entered = resolve))

  open(): void {
    this.#open()
  }

  /** Stands at the gate until it opens, or the signal aborts. */
  async wait(signal: AbortSignal): Promise<void> {
    this.#entered()
    const aborted = new Promise<never>((_, reject) => {
      const fail = (): void => reject(signal.reason as Error)
      if (signal.aborted) fail()
      else signal.addEventListener('abort', fail, { once: true })
    })
    await Promise.race([this.#gate, aborted])
  }

  readonly reserve = task('reserve', {
    requires: { sku: z.string() },
    provides: { reservation: z.string() },
    execute: ({ sku }) => {
      this.journal.push(`reserve ${sku}`)
      return { reservation: `r-${sku}` }
    },
    revert: ({ args }) => {
      this.journal.push(`revert reserve ${args.sku}`)
    },
  })

  readonly pause = task('pause', {
    execute: async (_, { signal }) => {
      this.journal.push('pause')
      await this.wait(signal)
    },
    revert: (_, { outcome }) => {
      this.journal.push(`revert pause ${outcome}`)
    },
  })

  readonly ship = task('ship', {
    requires: { reservation: z.string(), quantity: z.int() },
    provides: { tracking: z.string() },
    execute: ({ reservation, quantity }) => {
      if (quantity > 100) throw new Error(`cannot ship ${quantity}`)
      this.journal.push(`ship ${reservation}`)
      return { tracking: `t-${reservation}` }
    },
  })

  readonly #options = {
    input: { sku: z.string(), quantity: z.int().default(1) },
    output: { tracking: from('tracking') },
  }

  /** Reserves and ships; fails for more than 100. */
  readonly order = flow('order', this.#options, [this.reserve, this.ship])

  /** The same with a stop at the gate in between. */
  readonly slow = flow('slow', this.#options, [this.reserve, this.pause, this.ship])

  readonly tasks = [this.reserve, this.pause, this.ship]
}
