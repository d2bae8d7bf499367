/**
 * A client of ZooKeeper whose sessions, operations and watches keep their word (G1 to G6) whatever servers and networks do, over
 * `node-zookeeper-client`, which by itself does not.
 */
import { UsageError } from '../../src/base/errors.ts'
import {
  NodeError,
  ZooKeeperUnavailableError,
  type NodeStat,
  type OperationOptions,
  type ReadOptions,
  type SessionState,
  type TransactionStep,
  type ZooKeeperClient,
  type ZooKeeperClientOptions,
} from './contract.ts'
import type { JuteRecord, JuteRequest } from './library.ts'
import { Operation } from './operation.ts'
import { checkPath, resolveClientOptions, type ResolvedClientOptions } from './options.ts'
import { CODES, errorOf, readStat, refusedStep } from './answers.ts'
import type { Requests } from './requests.ts'
import { fullPath, SessionKeeper } from './session-keeper.ts'

/** ZooKeeper's default `jute.maxbuffer`: a server closes the connection on which a longer request comes. */
const LONGEST_REQUEST_BYTES = 1024 * 1024 - 1
/** Of a request, and of each of its steps, beside path and data. */
const OVERHEAD_BYTES = 200

/** An operation, as the protocol has it. */
interface Call<T> {
  readonly request: (requests: Requests, fullPath: string) => JuteRequest
  readonly read: (payload: JuteRecord | null) => T
  /** A refusal that is an answer. */
  readonly readRefusal?: (code: number) => { readonly answer: T } | undefined
}

/** The client that boards use. Made with options, connected with `start()`, ended with `close()`. */
export class GuardedClient implements ZooKeeperClient {
  readonly #options: ResolvedClientOptions
  readonly #keeper: SessionKeeper

  /** Throws {@link UsageError} for wrong options. */
  constructor(options: ZooKeeperClientOptions) {
    this.#options = resolveClientOptions(options)
    this.#keeper = new SessionKeeper(this.#options)
  }

  get state(): SessionState {
    return this.#keeper.state
  }

  get session(): number {
    return this.#keeper.session
  }

  get sessionId(): string | null {
    return this.#keeper.sessionId
  }

  get sessionTimeoutMs(): number {
    return this.#keeper.sessionTimeoutMs
  }

  get server(): string | null {
    return this.#keeper.server
  }

  async start(
    options: { readonly withinMs?: number; readonly signal?: AbortSignal } = {},
  ): Promise<void> {
    const { withinMs = this.#options.sessionTimeoutMs, signal } = options
    const { clock, chroot } = this.#options
    const endAt = clock.now() + withinMs
    if (this.#keeper.isClosing) throw this.#unavailable('the client is closed')
    await this.#keeper.start()
    for (;;) {
      const leftMs = Math.max(0, endAt - clock.now())
      if (!(await this.#keeper.whenConnected(leftMs, signal))) {
        if (signal?.aborted) throw this.#unavailable('the caller gave up', signal.reason)
        if (this.#keeper.isClosing) throw this.#unavailable('the client is closed')
        const fault = this.#keeper.lastFault()
        const because = fault === undefined ? '' : ` (${fault})`
        throw this.#unavailable(`no session within ${withinMs} ms${because}`)
      }
      try {
        return await this.ensure('/', { withinMs: Math.max(0, endAt - clock.now()), signal })
      } catch (error) {
        if (error instanceof NodeError && error.reply !== 'SESSION_LOST') {
          const reason = `the chroot ${chroot} is missing and cannot be made: ${error.reply}`
          const hint = 'create it, or give this user the right to'
          throw new ZooKeeperUnavailableError(this.#options.servers, 'not sent', {
            reason,
            hint,
            cause: error,
          })
        }
        if (clock.now() >= endAt || signal?.aborted || this.#keeper.isClosing) throw error
      }
    }
  }

  close(): Promise<void> {
    return this.#keeper.close()
  }

  onState(listener: (state: SessionState) => void): () => void {
    return this.#keeper.onState(listener)
  }

  async create(
    path: string,
    data: Buffer,
    options: OperationOptions & { readonly ephemeral?: boolean } = {},
  ): Promise<void> {
    expectSize(path, [{ path, data }])
    const isEphemeral = options.ephemeral === true
    const call: Call<void> = {
      request: (requests, full) => requests.create(full, data, isEphemeral),
      read: () => {},
    }
    const endAt = this.#endOf(options)
    try {
      await this.#run(path, options, call)
    } catch (error) {
      // What is right below the chroot lacks its parent only if the chroot was removed: nobody but us makes it again.
      const isTop = this.#options.chroot !== '' && path.lastIndexOf('/') === 0
      if (!(isTop && error instanceof NodeError && error.reply === 'NO_NODE')) throw error
      await this.ensure('/', this.#within(options, endAt))
      await this.#run(path, this.#within(options, endAt), call)
    }
  }

  async ensure(path: string, options: OperationOptions = {}): Promise<void> {
    checkPath(path)
    const endAt = this.#endOf(options)
    if ((await this.exists(path, this.#within(options, endAt))) !== null) return
    await this.#make(fullPath(this.#options.chroot, path), options, endAt)
  }

  get(
    path: string,
    options: ReadOptions = {},
  ): Promise<{ readonly data: Buffer; readonly stat: NodeStat }> {
    const { watch } = options
    return this.#run(path, options, {
      request: (requests, full) => requests.get(full, watch !== undefined),
      read: (payload) => {
        const stat = readStat(payload?.['stat'])
        const data = payload?.['data'] ?? Buffer.alloc(0)
        if (!Buffer.isBuffer(data)) throw new Error('expected the data of a node')
        if (watch) this.#keeper.watch('data', path, watch)
        return { data, stat }
      },
    })
  }

  async set(
    path: string,
    data: Buffer,
    options: OperationOptions & { readonly version?: number } = {},
  ): Promise<NodeStat> {
    expectSize(path, [{ path, data }])
    return this.#run(path, options, {
      request: (requests, full) => requests.set(full, data, options.version),
      read: (payload) => readStat(payload?.['stat']),
    })
  }

  exists(path: string, options: ReadOptions = {}): Promise<NodeStat | null> {
    const { watch } = options
    return this.#run<NodeStat | null>(path, options, {
      request: (requests, full) => requests.exists(full, watch !== undefined),
      read: (payload) => {
        const stat = readStat(payload?.['stat'])
        if (watch) this.#keeper.watch('data', path, watch)
        return stat
      },
      readRefusal: (code) => {
        if (code !== CODES.noNode) return undefined
        if (watch) this.#keeper.watch('existence', path, watch)
        return { answer: null }
      },
    })
  }

  children(
    path: string,
    options: ReadOptions = {},
  ): Promise<{ readonly names: readonly string[]; readonly stat: NodeStat }> {
    const { watch } = options
    return this.#run(path, options, {
      request: (requests, full) => requests.children(full, watch !== undefined),
      read: (payload) => {
        const stat = readStat(payload?.['stat'])
        const names: unknown = payload?.['children']
        if (!isTexts(names)) throw new Error('expected the names of children')
        if (watch) this.#keeper.watch('children', path, watch)
        return { names, stat }
      },
    })
  }

  remove(
    path: string,
    options: OperationOptions & { readonly version?: number } = {},
  ): Promise<void> {
    return this.#run(path, options, {
      request: (requests, full) => requests.remove(full, options.version),
      read: () => {},
    })
  }

  async transaction(
    steps: readonly TransactionStep[],
    options: OperationOptions = {},
  ): Promise<void> {
    const [first] = steps
    if (first === undefined) return
    for (const { path } of steps) checkPath(path)
    expectSize(first.path, steps)
    const { chroot, servers } = this.#options
    const full = steps.map((step) => ({ ...step, path: fullPath(chroot, step.path) }))
    return this.#run(first.path, options, {
      request: (requests) => requests.transaction(full),
      read: (payload) => {
        const refused = refusedStep(codesOf(payload))
        if (refused === null) return
        const { step, code } = refused
        throw errorOf(code, steps[step]?.path ?? first.path, servers, step)
      },
    })
  }

  sync(path: string, options: OperationOptions = {}): Promise<void> {
    return this.#run(path, options, {
      request: (requests, full) => requests.sync(full),
      read: () => {},
    })
  }

  async #run<T>(path: string, options: OperationOptions, call: Call<T>): Promise<T> {
    checkPath(path)
    return this.#runAt(fullPath(this.#options.chroot, path), path, options, call)
  }

  /** @param shown the path as the caller knows it */
  async #runAt<T>(
    full: string,
    shown: string,
    options: OperationOptions,
    call: Call<T>,
  ): Promise<T> {
    const keeper = this.#keeper
    const requests = keeper.requests ?? (await keeper.load())
    const { session, signal, withinMs = this.#options.operationMs } = options
    if (signal?.aborted) throw this.#unavailable('the caller gave up', signal.reason)
    if (keeper.isClosing) throw this.#unavailable('the client is closed')
    if (session !== undefined && !(keeper.hasSession && session === keeper.session)) {
      throw new NodeError('SESSION_LOST', shown)
    }
    const operation = new Operation<T>(keeper, {
      path: shown,
      request: call.request(requests, full),
      withinMs,
      signal,
      session: keeper.hasSession ? keeper.session : null,
      isNamed: session !== undefined,
      read: call.read,
      readRefusal: call.readRefusal,
    })
    keeper.submit(operation)
    return operation.promise
  }

  /** Makes a node and what is missing above it, the chroot included. */
  async #make(full: string, options: OperationOptions, endAt: number): Promise<void> {
    const create: Call<void> = {
      request: (requests) => requests.create(full, Buffer.alloc(0), false),
      read: () => {},
    }
    for (;;) {
      try {
        return await this.#runAt(full, full, this.#within(options, endAt), create)
      } catch (error) {
        if (!(error instanceof NodeError)) throw error
        if (error.reply === 'NODE_EXISTS') return
        if (error.reply !== 'NO_NODE' || full === '/') throw error
      }
      await this.#make(full.slice(0, full.lastIndexOf('/')) || '/', options, endAt)
    }
  }

  #endOf({ withinMs = this.#options.operationMs }: OperationOptions): number {
    return this.#options.clock.now() + withinMs
  }

  /** The same options, with what is left of their time. */
  #within({ session, signal }: OperationOptions, endAt: number): OperationOptions {
    return { session, signal, withinMs: Math.max(0, endAt - this.#options.clock.now()) }
  }

  #unavailable(reason: string, cause?: unknown): ZooKeeperUnavailableError {
    return new ZooKeeperUnavailableError(this.#options.servers, 'not sent', { reason, cause })
  }
}

/** Throws {@link UsageError}: servers end the connection on which such a request comes. */
function expectSize(
  path: string,
  parts: readonly { readonly path: string; readonly data?: Buffer }[],
): void {
  let bytes = OVERHEAD_BYTES
  for (const part of parts) {
    bytes += OVERHEAD_BYTES + Buffer.byteLength(part.path) + (part.data?.length ?? 0)
  }
  if (bytes <= LONGEST_REQUEST_BYTES) return
  throw new UsageError(`${path}: ${bytes} bytes are more than ZooKeeper takes at once (1 MB)`, {
    hint: 'store less, or in several steps',
  })
}

/** What the server said of each step of a transaction. */
function codesOf(payload: JuteRecord | null): readonly number[] {
  const results: unknown = payload?.['results']
  if (!Array.isArray(results)) throw new Error('expected the results of a transaction')
  return results.map((result: unknown) => {
    const code: unknown =
      typeof result === 'object' && result !== null ? Reflect.get(result, 'err') : undefined
    return typeof code === 'number' ? code : 0
  })
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string')
}
