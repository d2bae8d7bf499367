/**
 * One private RabbitMQ node: started, ended in every way, begun again over the same data, and made to misbehave.
 *
 * A start is made as short as it can be: no plugin, settings as terms of Erlang (reading `rabbitmq.conf` costs 2 s
 * more), a name server that runs already, and readiness asked of the node's own port.
 */
import assert from 'node:assert/strict'
import fs from 'node:fs'
import net from 'node:net'
import path from 'node:path'
import { z } from 'zod'
import { eventually } from './eventually.ts'
import { stands } from './process-state.ts'
import { controlProgram, erlangBinary, evaluate } from './rabbitmq-control.ts'
import type { RabbitmqSite, SiteProcess } from './rabbitmq-site.ts'
import type { RabbitmqTls } from './rabbitmq-tls.ts'

/** How a private node is started. */
export interface RabbitmqOptions {
  /**
   * How long a consumer may keep a message before the broker closes its channel, in milliseconds; looked at every
   * second instead of every minute. @default 1,800,000 (RabbitMQ's own), looked at every minute
   */
  readonly consumerTimeoutMs?: number
  /** Whether it also listens for TLS, with certificates made for the occasion. @default false */
  readonly tls?: boolean
  /** Further settings of the application `rabbit`, as terms of Erlang: `{ heartbeat: '5' }`. */
  readonly settings?: Readonly<Record<string, string>>
}

/** One queue of a node, of whatever virtual host. */
export interface QueueStatus {
  readonly name: string
  readonly virtualHost: string
  readonly type: 'classic' | 'quorum' | 'stream'
  /** Messages that wait and messages that a consumer holds. */
  readonly messages: number
  /** Messages that wait. */
  readonly ready: number
  readonly consumers: number
}

const queueStatuses = z.array(
  z.object({
    name: z.string(),
    virtualHost: z.string(),
    type: z.enum(['classic', 'quorum', 'stream']),
    messages: z.number(),
    ready: z.number(),
    consumers: z.number(),
  }),
)

const startDeadlineMs = 120_000

/** One private RabbitMQ node. */
export class RabbitmqNode {
  /** Its name among Erlang's nodes: `n1@127.0.0.1`. */
  readonly name: string
  /** The AMQP URL of its virtual host `/`; the same after every start. */
  readonly url: string
  /** The Unix socket that `evaluate()` speaks to. */
  readonly controlSocket: string
  /** The AMQPS URL and its certificates, where TLS was asked for. */
  readonly tls: RabbitmqTls | undefined
  readonly #site: RabbitmqSite
  readonly #folder: string
  readonly #port: number
  readonly #distributionPort: number
  #process: SiteProcess | undefined

  private constructor(
    site: RabbitmqSite,
    name: string,
    ports: readonly [number, number],
    tls: RabbitmqTls | undefined,
  ) {
    this.#site = site
    this.name = `${name}@127.0.0.1`
    ;[this.#port, this.#distributionPort] = ports
    this.url = `amqp://guest:guest@127.0.0.1:${this.#port}/%2F`
    this.tls = tls
    this.#folder = site.makeFolder(name)
    this.controlSocket = path.join(this.#folder, 'control')
  }

  /** Makes a node without starting it; `peers` are the names of all nodes of its cluster. */
  static async make(
    site: RabbitmqSite,
    name: string,
    options: RabbitmqOptions = {},
    peers: readonly string[] = [],
  ): Promise<RabbitmqNode> {
    const ports = [await site.quietPort(), await site.quietPort()] as const
    // Loaded only where it is needed: it runs openssl.
    const tls = options.tls
      ? await (await import('./rabbitmq-tls.ts')).makeTls(site, name)
      : undefined
    const node = new RabbitmqNode(site, name, ports, tls)
    site.write(path.join(name, 'enabled_plugins'), '[].\n')
    site.write(path.join(name, 'advanced.config'), node.#configuration(options, peers))
    return node
  }

  /** The id of its process. @throws Error where it does not run. */
  get pid(): number {
    return this.#running().pid
  }

  /**
   * Starts it, over the data it has; resolves when it takes connections.
   * @throws Error with the end of its log where it ends, or does not answer within two minutes.
   */
  async start(): Promise<void> {
    if (this.#process && !this.#process.hasEnded()) throw new Error(`${this.name} runs already`)
    fs.rmSync(this.controlSocket, { force: true }) // It is there again when the broker has started.
    const started = (this.#process = this.#site.run(
      path.join(this.#site.binaries, 'rabbitmq-server'),
      ['-noinput', ...this.#distribution(), '-eval', controlProgram],
      { log: path.join(this.#folder, 'log'), env: this.#environment() },
    ))
    try {
      const isReady = async () => {
        if (started.hasEnded()) throw new Error('it ended')
        return fs.existsSync(this.controlSocket) && (await speaksAmqp(this.#port))
      }
      await eventually(isReady, { withinMs: startDeadlineMs, everyMs: 25 })
    } catch (error) {
      started.signal('SIGKILL')
      throw new Error(`${this.name} did not start:\n${this.log().slice(-4_000)}`, { cause: error })
    }
  }

  /** Ends it in order, as an operator does: it closes connections and writes what it has. */
  async stop(): Promise<void> {
    const running = this.#running()
    running.signal('SIGCONT')
    running.signal('SIGTERM')
    await running.ended()
  }

  /**
   * Writes to disk which quorum queues there are, as RabbitMQ does by itself half a second after a declaration. A
   * quorum queue of a single node that is killed before (seen with 3.10) comes back empty and never has a leader again,
   * whatever was confirmed: who wants to test something else calls this between the declaration and `kill()`.
   */
  async settle(): Promise<void> {
    await this.evaluate('[dets:sync(Table) || Table <- dets:all()].')
  }

  /** Ends it by SIGKILL. See {@link settle} about queues that were declared just before. */
  async kill(): Promise<void> {
    const running = this.#running()
    running.signal('SIGKILL')
    await running.ended()
  }

  /** Lets it stand still (SIGSTOP): connections stay open, and nothing answers. When this returns all its threads stand. */
  pause(): void {
    const running = this.#running()
    running.signal('SIGSTOP')
    const moment = new Int32Array(new SharedArrayBuffer(4))
    for (let left = 5_000; left > 0 && !stands(running.pid); left--) Atomics.wait(moment, 0, 0, 1)
  }

  /** Lets it go on after `pause()`. */
  resume(): void {
    this.#running().signal('SIGCONT')
  }

  /** All it has logged, in all its lives. */
  log(): string {
    return fs.readFileSync(path.join(this.#folder, 'log'), 'utf8')
  }

  /** Evaluates expressions of Erlang in the node: see {@link evaluate}. */
  evaluate(expressions: string): Promise<string> {
    return evaluate(this.controlSocket, expressions)
  }

  /**
   * Runs `rabbitmqctl` for this node, and returns what it printed. It takes a second and more: prefer the methods here.
   * @throws Error where it fails, with what it printed.
   */
  ctl(...args: readonly string[]): Promise<string> {
    const program = path.join(this.#site.binaries, 'rabbitmqctl')
    return this.#site.output(program, ['--longnames', '--node', this.name, '--quiet', ...args])
  }

  /**
   * Deletes its virtual host `/` with all that is in it, and makes it anew, while it runs; connections are closed.
   */
  async wipe(): Promise<void> {
    await deleteVirtualHost(this.controlSocket, '/')
    await createVirtualHost(this.controlSocket, '/')
  }

  /** Closes all connections, as an operator does (some go by themselves meanwhile); returns how many there were. */
  async closeConnections(reason = 'closed by the test'): Promise<number> {
    const closed = await this.evaluate(`
      Pids = rabbit_networking:local_connections(),
      [catch rabbit_networking:close_connection(Pid, ${JSON.stringify(reason)}) || Pid <- Pids],
      length(Pids).`)
    return Number(closed)
  }

  /** Sets the share of memory (0 to 1) above which publishers are blocked; until the next start. */
  async setMemoryWatermark(share: number): Promise<void> {
    const value = share.toFixed(9)
    await this.evaluate(`vm_memory_monitor:set_vm_memory_high_watermark(${value}).`)
  }

  /**
   * Raises the alarm of memory: publishers are blocked, in the whole cluster, until `unblockPublishers()` or a restart. When this
   * returns every connection of the cluster knows of it, but a client hears of it only when it publishes something.
   */
  async blockPublishers(): Promise<void> {
    await this.setMemoryWatermark(0)
    // The alarm comes to connections as a message: what is published before is confirmed, and the client not told.
    const open = `
      [State || Pid <- rabbit_networking:connections(),
        [{state, State}] <- [catch rabbit_reader:info(Pid, [state])],
        lists:member(State, [running, flow])].`
    await eventually(
      async () => {
        const alarms = await this.evaluate('rabbit_alarm:get_alarms().')
        assert.equal(await this.evaluate(open), '[]', `connections go on; alarms: ${alarms}`)
        return true
      },
      { withinMs: 30_000 },
    )
  }

  /** Takes the alarm of memory back. */
  unblockPublishers(): Promise<void> {
    return this.setMemoryWatermark(0.9)
  }

  /** Sets the consumer timeout, of channels opened from now on, until the next start; it is looked at every second. */
  async setConsumerTimeout(ms: number): Promise<void> {
    await this.evaluate(`
      application:set_env(rabbit, channel_tick_interval, 1000),
      application:set_env(rabbit, consumer_timeout, ${ms}).`)
  }

  /**
   * All its queues, of all virtual hosts, by name, counted at this moment. A quorum queue that has no leader just now is
   * waited for.
   */
  async queues(): Promise<readonly QueueStatus[]> {
    const json = await this.evaluate(`
      Ask = fun Ask(Server, Query, Tries) ->
        case ra:leader_query(Server, Query, 1000) of
          {ok, {_, Answer}, _} -> Answer;
          _ when Tries > 0 -> timer:sleep(100), Ask(Server, Query, Tries - 1)
        end
      end,
      InQuorum = fun(Queue) ->
        {Name, Leader} = amqqueue:get_pid(Queue),
        #{nodes := Members} = amqqueue:get_type_state(Queue),
        Server = {Name, case lists:member(node(), Members) of true -> node(); false -> Leader end},
        {Ready, Consumers} = Ask(Server, fun rabbit_fifo:query_stat/1, 20),
        {Ask(Server, fun rabbit_fifo:query_messages_total/1, 20), Ready, Consumers}
      end,
      Other = fun(Queue) ->
        {ok, Ready, Consumers} = rabbit_amqqueue:stat(Queue),
        [{messages, Messages}] = rabbit_amqqueue:info(Queue, [messages]),
        {Messages, Ready, Consumers}
      end,
      Status = fun(Queue) ->
        {resource, Host, queue, Name} = amqqueue:get_name(Queue),
        {Type, {Messages, Ready, Consumers}} = case amqqueue:get_type(Queue) of
          rabbit_quorum_queue -> {<<"quorum">>, InQuorum(Queue)};
          rabbit_classic_queue -> {<<"classic">>, Other(Queue)};
          rabbit_stream_queue -> {<<"stream">>, Other(Queue)}
        end,
        #{name => Name, virtualHost => Host, type => Type,
          messages => Messages, ready => Ready, consumers => Consumers}
      end,
      iolist_to_binary(rabbit_json:encode([Status(Queue) || Queue <- rabbit_amqqueue:list()])).`)
    return queueStatuses.parse(JSON.parse(json)).toSorted((a, b) => (a.name < b.name ? -1 : 1))
  }

  /** Deletes a queue of the virtual host `/`, whatever it holds and whoever consumes it. @throws Error where there is none. */
  async deleteQueue(name: string, virtualHost = '/'): Promise<void> {
    const resource = `rabbit_misc:r(${erlangBinary(virtualHost)}, queue, ${erlangBinary(name)})`
    await this.evaluate(`
      {ok, Queue} = rabbit_amqqueue:lookup(${resource}),
      {ok, _} = rabbit_amqqueue:delete(Queue, false, false, <<"test">>).`)
  }

  #running(): SiteProcess {
    if (this.#process === undefined || this.#process.hasEnded())
      throw new Error(`${this.name} does not run`)
    return this.#process
  }

  /** Starting the distribution ourselves spares RabbitMQ a whole virtual machine that would look for epmd. */
  #distribution(): readonly string[] {
    const port = String(this.#distributionPort)
    return [
      ...['-name', this.name, '-start_epmd', 'false'],
      ...['-kernel', 'inet_dist_listen_min', port, 'inet_dist_listen_max', port],
      ...['-kernel', 'inet_dist_use_interface', '{127,0,0,1}'],
    ]
  }

  #environment(): Record<string, string> {
    const inFolder = (name: string) => path.join(this.#folder, name)
    return {
      ZAGFLOW_CONTROL_SOCKET: this.controlSocket,
      RABBITMQ_NODENAME: this.name,
      RABBITMQ_NODE_PORT: String(this.#port),
      RABBITMQ_DIST_PORT: String(this.#distributionPort),
      RABBITMQ_MNESIA_BASE: inFolder('data'),
      RABBITMQ_LOG_BASE: inFolder('logs'),
      RABBITMQ_LOGS: '-',
      RABBITMQ_ENABLED_PLUGINS_FILE: inFolder('enabled_plugins'),
      RABBITMQ_CONFIG_FILE: inFolder('no-rabbitmq.conf'),
      RABBITMQ_CONFIG_FILES: inFolder('no-conf.d'),
      RABBITMQ_ADVANCED_CONFIG_FILE: inFolder('advanced.config'),
      RABBITMQ_PID_FILE: inFolder('pid'),
      // The start script then becomes the server, instead of waiting for it.
      RABBITMQ_ALLOW_INPUT: 'true',
    }
  }

  #configuration(options: RabbitmqOptions, peers: readonly string[]): string {
    const settings: Record<string, string> = {
      tcp_listeners: `[{"127.0.0.1", ${this.#port}}]`,
      disk_free_limit: '1000000', // A nearly full disk is no reason to block a test.
    }
    if (options.consumerTimeoutMs !== undefined) {
      settings['consumer_timeout'] = String(options.consumerTimeoutMs)
      settings['channel_tick_interval'] = '1000'
    }
    if (peers.length > 0) {
      const names = peers.map((peer) => `'${peer}'`).join(', ')
      settings['cluster_nodes'] = `{[${names}], disc}`
    }
    Object.assign(settings, this.tls?.settings, options.settings)
    const terms = Object.entries(settings).map(([name, value]) => `{${name}, ${value}}`)
    return `[{rabbit, [${terms.join(',\n  ')}]}].\n`
  }
}

/** Makes an empty virtual host, open to user `guest`. */
export async function createVirtualHost(controlSocket: string, name: string): Promise<void> {
  const host = erlangBinary(name)
  await evaluate(
    controlSocket,
    `ok = rabbit_vhost:add(${host}, <<"test">>),
     ok = rabbit_auth_backend_internal:set_permissions(
       <<"guest">>, ${host}, <<".*">>, <<".*">>, <<".*">>, <<"test">>).`,
  )
}

/** Deletes a virtual host with all that is in it, and closes its connections. */
export async function deleteVirtualHost(controlSocket: string, name: string): Promise<void> {
  await evaluate(controlSocket, `rabbit_vhost:delete(${erlangBinary(name)}, <<"test">>).`)
}

/** Whether a broker answers the first bytes of AMQP 0-9-1. */
function speaksAmqp(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1')
    const answer = (value: boolean) => {
      socket.destroy()
      resolve(value)
    }
    socket.setTimeout(5_000, () => answer(false))
    socket.on('error', () => answer(false))
    socket.on('close', () => answer(false))
    socket.on('data', (data) => answer(data[0] === 1)) // A method frame: connection.start.
    socket.write(Buffer.from([0x41, 0x4d, 0x51, 0x50, 0, 0, 9, 1]))
  })
}
