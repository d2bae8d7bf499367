/** What every command gets: its settings, where to print, and how to open the database. */
import { UsageError } from '../base/errors.ts'
import type { Logger } from '../base/logger.ts'
import { readFileSync } from 'node:fs'
import { parseBoardUrl, type BoardPlace } from '../client/board-url.ts'
import { brokerPlace, type BrokerPlace } from '../client/broker-place.ts'
import { openBoard } from '../client/open-board.ts'
import { RegisteredFlows } from '../posting/registered-flows.ts'
import { Zagflow } from '../client/zagflow.ts'
import type { SourceDocument } from '../flow/document.ts'
import type { JobBoard } from '../../jobboard/jobboard.ts'
import { openStore } from '../../persistence/open.ts'
import type { Claim, Store } from '../../persistence/store.ts'
import { TaskRegistry } from '../worker/registry.ts'
import type { Settings } from './settings/names.ts'
import { readSettingsFile } from './settings/read-file.ts'
import { resolveSettings } from './settings/settings.ts'
import { talkLogger } from './talk-logger.ts'
import type { Terminal } from './terminal.ts'

/** Flags that every command has; commander fills them in. */
export interface CommonFlags {
  readonly persistence?: string
  readonly board?: string
  readonly broker?: string
  readonly namespace?: string
  readonly log?: string
  readonly config?: string
  readonly tasks?: readonly string[]
  readonly engine?: string
  readonly concurrency?: number
  readonly name?: string
  readonly maxFlows?: number
  readonly lease?: string
  readonly grace?: string
}

export class Context {
  readonly terminal: Terminal
  readonly settings: Settings
  readonly logger: Logger
  /** What was given on the command line itself. */
  readonly given: CommonFlags
  readonly #closes: (() => Promise<void>)[] = []
  #store: Promise<Store> | undefined

  private constructor(terminal: Terminal, settings: Settings, given: CommonFlags) {
    this.terminal = terminal
    this.settings = settings
    this.given = given
    // A command says what it does; its log is for what goes wrong, unless more is asked for.
    this.logger = talkLogger(terminal, settings.log === 'info' ? 'warn' : settings.log)
  }

  /** Reads the settings of a command. Throws {@link UsageError}. */
  static async create(terminal: Terminal, flags: CommonFlags): Promise<Context> {
    const { persistence, board, broker, namespace, log, tasks, engine, concurrency } = flags
    const { name, maxFlows, lease, grace } = flags
    const settings = resolveSettings({
      flags: {
        persistence,
        board,
        broker,
        namespace,
        log,
        tasks,
        engine,
        concurrency,
        name,
        maxFlows,
        lease,
        grace,
      },
      environment: process.env,
      file: await readSettingsFile(process.cwd(), flags.config),
    })
    return new Context(terminal, settings, flags)
  }

  /** Where the broker is, if one is set. Throws {@link UsageError} for URLs that cannot be used; connects to nothing. */
  get broker(): BrokerPlace | undefined {
    const { broker, namespace } = this.settings
    return brokerPlace(broker, namespace)
  }

  /** Where the broker is, for what cannot do without: `a worker needs a broker`. Throws {@link UsageError}. */
  requireBroker(
    what: string,
    hint = 'set ZAGFLOW_BROKER to amqp://user:password@host/vhost (or `broker` in the file of settings, or --broker)',
  ): BrokerPlace {
    const { broker } = this
    if (broker === undefined) throw new UsageError(what, { hint })
    return broker
  }

  /** The name of the board, as settings say. Throws {@link UsageError}. */
  get boardName(): string {
    return this.boardPlace.name
  }

  /** Where the board is, as settings say; connects to nothing. Throws {@link UsageError}; passwords are not shown. */
  get boardPlace(): BoardPlace {
    const { board, zookeeperUser, zookeeperPassword } = this.settings
    const tls = this.#certificates()
    return parseBoardUrl(board, {
      user: zookeeperUser,
      password: zookeeperPassword,
      ...(board.startsWith('zookeeper+tls:') ? { tls } : {}),
    })
  }

  /** The board, not started; it is stopped with the context. */
  async board(
    store: Store,
    logger: Logger = this.logger,
    place = this.boardPlace,
  ): Promise<JobBoard<Claim>> {
    const board = await openBoard(place, { store, logger })
    this.#closes.push(() => board.stop())
    return board
  }

  /** A store that is not started: for looking at its schema. */
  unstartedStore(): Store {
    const { persistence, namespace } = this.settings
    const store = openStore(persistence, { namespace, logger: this.logger })
    this.#closes.push(() => store.stop())
    return store
  }

  /** The store, started; it is stopped with the context. Throws {@link UsageError}, {@link UnavailableError}. */
  store(): Promise<Store> {
    this.#store ??= (async () => {
      const store = this.unstartedStore()
      await store.start()
      return store
    })()
    return this.#store
  }

  /** The store, where what is done must be seen by other processes. */
  async sharedStore(): Promise<Store> {
    if (this.settings.persistence.startsWith('memory:')) {
      throw new UsageError('memory: ends with this command, so nobody else would see it', {
        hint: 'set ZAGFLOW_PERSISTENCE to sqlite:FILE or postgres://…',
      })
    }
    return this.store()
  }

  /** A connection for posting and for handles of jobs. */
  async connection(
    tasks: TaskRegistry = new TaskRegistry(),
    place = this.boardPlace,
  ): Promise<Zagflow> {
    const { broker } = this
    const store = await this.sharedStore()
    const board = await this.board(store, this.logger, place)
    // One outside the store need not be reached to post: whoever posts starts it.
    if (!board.outsideStore) await board.start()
    const zag = new Zagflow({
      store,
      board,
      tasks,
      logger: this.logger,
      pollMs: 250,
      hasBroker: broker !== undefined,
      release: () => board.stop(),
    })
    await zag.start()
    this.#closes.push(() => zag.close())
    return zag
  }

  /** Finds registered flows. */
  readonly registered = async (reference: string): Promise<SourceDocument> => {
    return new RegisteredFlows(await this.sharedStore()).find(reference)
  }

  #certificates(): { readonly ca?: string; readonly cert?: string; readonly key?: string } {
    const { zookeeperCa, zookeeperCert, zookeeperKey } = this.settings
    const files = { ca: zookeeperCa, cert: zookeeperCert, key: zookeeperKey }
    const texts: { [name: string]: string } = {}
    for (const [name, file] of Object.entries(files)) {
      if (file === undefined) continue
      try {
        texts[name] = readFileSync(file, 'utf8')
      } catch (error) {
        throw new UsageError(`ZAGFLOW_ZOOKEEPER_${name.toUpperCase()}: ${file} cannot be read`, {
          hint: error instanceof Error ? error.message : String(error),
        })
      }
    }
    return texts
  }

  /** Something to be closed when the command is over. */
  onClose(close: () => Promise<void>): void {
    this.#closes.push(close)
  }

  async close(): Promise<void> {
    for (const close of this.#closes.splice(0).reverse()) await close()
  }
}
