/** What tests of the ZooKeeper client share. */
import assert from 'node:assert/strict'
import { GuardedClient } from '../../jobboard/zookeeper/client.ts'
import {
  NodeError,
  ZooKeeperUnavailableError,
  type SessionState,
  type ZooKeeperClientOptions,
} from '../../jobboard/zookeeper/contract.ts'
import type { CleanUp } from '../support/clean-up.ts'

export const empty = Buffer.alloc(0)

/** Longer than machines stand still: who needs a session, or an operation, that ends soon says so. */
const LONG = { sessionTimeoutMs: 20_000, operationMs: 20_000 }

/** A client that is closed after the test; every state that it was in is in `states`. */
export interface OpenClient {
  readonly client: GuardedClient
  readonly states: readonly SessionState[]
}

/** A client that has not been started. */
export function makeClient(t: CleanUp, options: ZooKeeperClientOptions): OpenClient {
  const client = new GuardedClient({ ...LONG, ...options })
  const states: SessionState[] = []
  client.onState((state) => states.push(state))
  t.after(() => client.close())
  return { client, states }
}

/** A client whose session stands. */
export async function openClient(t: CleanUp, options: ZooKeeperClientOptions): Promise<OpenClient> {
  const made = makeClient(t, options)
  await made.client.start({ withinMs: 30_000 })
  return made
}

/**
 * Expects that it does not come to a session, for this reason, and returns the error. It tries for longer and longer, until a busy
 * machine has come to see the reason.
 */
export async function expectNoStart(client: GuardedClient, reason: RegExp): Promise<Error> {
  for (let withinMs = 500; ; withinMs *= 2) {
    const error: unknown = await client.start({ withinMs }).catch((why: unknown) => why)
    assert.ok(error instanceof ZooKeeperUnavailableError, 'it has started')
    assert.equal(error.outcome, 'not sent', error.message)
    if (reason.test(error.message)) return error
    assert.ok(withinMs < 16_000, error.message)
  }
}

/** Expects a server's refusal. */
export function refusal(reply: string, step?: number) {
  return (error: unknown): true => {
    assert.ok(error instanceof NodeError, String(error))
    assert.deepEqual([error.reply, error.step], [reply, step])
    return true
  }
}

/** Expects that no server could be asked, or none answered. */
export function unavailable(outcome: 'not sent' | 'unknown', reason = /./) {
  return (error: unknown): true => {
    assert.ok(error instanceof ZooKeeperUnavailableError, String(error))
    assert.equal(error.outcome, outcome, error.message)
    assert.match(error.message, reason)
    return true
  }
}
