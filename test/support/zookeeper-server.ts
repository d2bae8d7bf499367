/**
 * Private ZooKeeper servers for tests and benchmarks, alone or as an ensemble: started in a temporary folder, ended in every way,
 * begun again over the same data or over none, and made to stand still.
 *
 * Invariants
 * S1. A server listens on 127.0.0.1 alone, and keeps everything (data, configuration, log) in one temporary folder.
 * S2. It never outlives the process that started it, even one ended by SIGKILL: a guard shell holds the reading end of a pipe
 *     whose writing end is ours; at its end of file the guard kills the server. Another one removes the folder then.
 * S3. It is ended by its own process id, never by name.
 * S4. Whoever is root lets it run as user `zookeeper`, or else `nobody`, where there is one.
 */
import { execFileSync, spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import net, { Socket } from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { eventually } from './eventually.ts'
import { quietPort } from './free-port.ts'
import { stands } from './process-state.ts'
import type { RunningServer, TestServer } from './test-server.ts'

/** How private servers are started. */
export interface ZookeeperOptions {
  /**
   * Whether a commit waits for the disk. Off is several times faster and is right for tests that only end processes; benchmarks
   * need it on. @default false
   */
  readonly fsync?: boolean
  /** Further settings, as in `zoo.cfg`: `{ maxClientCnxns: '3' }`. */
  readonly settings?: Readonly<Record<string, string>>
  /** Further options of Java, which win over ours: `['-Xmx512m', '-XX:TieredStopAtLevel=4']`. */
  readonly java?: readonly string[]
}

const startDeadlineMs = 60_000

/** Sessions may be as short as a second, and end within a tenth of one of their time. */
const defaults: Readonly<Record<string, string>> = {
  tickTime: '100',
  initLimit: '60',
  syncLimit: '30',
  minSessionTimeout: '1000',
  maxSessionTimeout: '60000',
  maxClientCnxns: '0',
  'admin.enableServer': 'false',
  '4lw.commands.whitelist': 'mntr,ruok,srvr,wchs,wchp,cons,dump',
}

/** A first life starts in half a second; full compilation and a big heap only cost memory here. */
const javaOptions = [
  '-Xmx128m',
  '-Xss512k',
  '-XX:+UseSerialGC',
  '-XX:TieredStopAtLevel=1',
  '-XX:-UsePerfData',
  '-Djava.net.preferIPv4Stack=true',
  '-Dzookeeper.jmx.log4j.disable=true',
  // Who votes says so again after at most a second, not a minute: a word that was lost delays no election for long.
  '-Dzookeeper.fastleader.maxNotificationInterval=1000',
  '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn',
  '-Dorg.slf4j.simpleLogger.showDateTime=true',
]

/** ZooKeeper's row in the table of servers. */
export const zookeeperServer: TestServer = {
  name: 'ZooKeeper',
  urlVariable: 'ZAGFLOW_TEST_ZOOKEEPER_URL',
  binariesVariable: 'ZAGFLOW_TEST_ZOOKEEPER_BIN',
  debianPackages: ['libzookeeper-java', 'default-jre-headless'],
  find: findZookeeper,
  start: () => startZookeeper(),
}

/**
 * The folder that holds ZooKeeper's jars: `ZAGFLOW_TEST_ZOOKEEPER_BIN` (such as `lib` of what Apache publishes), or where Debian's
 * package puts them. Java comes from `JAVA_HOME` or `PATH`.
 */
export function findZookeeper(): string | undefined {
  if (findJava() === undefined) return undefined
  const given = process.env['ZAGFLOW_TEST_ZOOKEEPER_BIN']
  return [...(given ? [given] : []), '/usr/share/java'].find((folder) =>
    names(folder).some((name) => /^zookeeper(-\d[\d.]*)?\.jar$/.test(name)),
  )
}

/**
 * Starts a private server on a free port.
 * @throws Error where ZooKeeper is not found or does not serve within a minute (with its log).
 */
export async function startZookeeper(options: ZookeeperOptions = {}): Promise<ZookeeperServer> {
  const server = new ZookeeperServer(await quietPort(), options)
  try {
    await server.begin()
    return server
  } catch (error) {
    await server.stop()
    throw error
  }
}

/** Several servers that elect a leader. */
export interface ZookeeperEnsemble {
  readonly servers: readonly ZookeeperServer[]
  /** All of them in one URL. */
  readonly url: string
  /** The one that leads now; waits until one does. */
  leader(): Promise<ZookeeperServer>
  stop(): Promise<void>
}

/**
 * Starts an ensemble; resolves when all its servers serve.
 * @throws Error where ZooKeeper is not found or they do not serve within a minute (with their logs).
 */
export async function startZookeeperEnsemble(
  size = 3,
  options: ZookeeperOptions = {},
): Promise<ZookeeperEnsemble> {
  const peers: Peer[] = []
  const clientPorts: number[] = []
  for (let id = 1; id <= size; id += 1) {
    peers.push({ id, address: `127.0.0.1:${await quietPort()}:${await quietPort()}` })
    clientPorts.push(await quietPort())
  }
  const servers = clientPorts.map(
    (port, index) => new ZookeeperServer(port, options, { id: index + 1, peers }),
  )
  const stop = async (): Promise<void> => {
    await Promise.all(servers.map((server) => server.stop()))
  }
  try {
    await Promise.all(servers.map((server) => server.begin()))
  } catch (error) {
    await stop()
    throw error
  }
  return {
    servers,
    url: `zookeeper://${clientPorts.map((port) => `127.0.0.1:${port}`).join(',')}`,
    leader: () =>
      eventually(
        async () => {
          const modes = await Promise.all(servers.map((server) => server.mode(2_000)))
          return servers[modes.indexOf('leader')]
        },
        { withinMs: 120_000, everyMs: 50 },
      ),
    stop,
  }
}

interface Peer {
  readonly id: number
  readonly address: string
}

/** One private server, alone or in an ensemble. */
export class ZookeeperServer implements RunningServer {
  readonly host = '127.0.0.1'
  /** The same after every start. */
  readonly port: number
  readonly #jars: string
  readonly #java: string
  readonly #folder: string
  readonly #javaOptions: readonly string[]
  readonly #id: number | undefined
  readonly #keeper: ChildProcess
  #guard: ChildProcess | undefined
  #pid: number | undefined

  constructor(
    port: number,
    options: ZookeeperOptions = {},
    place?: { readonly id: number; readonly peers: readonly Peer[] },
  ) {
    const [jars, java] = [findZookeeper(), findJava()]
    if (jars === undefined || java === undefined) throw new Error('ZooKeeper: not found')
    this.#jars = jars
    this.#java = java
    this.port = port
    this.#id = place?.id
    this.#javaOptions = options.java ?? []
    this.#folder = fs.mkdtempSync(path.join(fs.realpathSync(os.tmpdir()), 'zagflow-zookeeper-'))
    own(this.#folder)
    this.#keeper = spawnKeeper(this.#folder)
    this.#emptyData()
    const settings: Record<string, string> = {
      ...defaults,
      dataDir: this.#data,
      clientPort: String(port),
      clientPortAddress: this.host,
      forceSync: options.fsync === true ? 'yes' : 'no',
      ...Object.fromEntries(
        (place?.peers ?? []).map((peer) => [`server.${peer.id}`, peer.address]),
      ),
      ...options.settings,
    }
    const lines = Object.entries(settings).map(([name, value]) => `${name}=${value}\n`)
    fs.writeFileSync(path.join(this.#folder, 'zoo.cfg'), lines.join(''))
  }

  /** `zookeeper://127.0.0.1:<port>`, without a chroot. */
  get url(): string {
    return `zookeeper://${this.host}:${this.port}`
  }

  /** The id of its process. @throws Error where it does not run. */
  get pid(): number {
    if (this.#pid === undefined) throw new Error(`the server of port ${this.port} does not run`)
    return this.#pid
  }

  /**
   * Begins it, over the data it has; resolves when it serves. `serving: false`: when its process is there, because it belongs to an
   * ensemble that has no majority yet.
   * @throws Error with its log where it ends, or does not serve within a minute.
   */
  async begin(options: { readonly serving?: boolean } = {}): Promise<void> {
    if (this.#guard !== undefined) throw new Error(`the server of port ${this.port} runs already`)
    const pidFile = path.join(this.#folder, 'pid')
    fs.rmSync(pidFile, { force: true })
    const guard = (this.#guard = spawnGuarded(this.#java, this.#folder, this.#arguments()))
    try {
      const readPid = (): number | undefined =>
        fs.existsSync(pidFile) ? Number(fs.readFileSync(pidFile, 'utf8')) : undefined
      this.#pid = await eventually(readPid, { withinMs: startDeadlineMs })
      if (options.serving === false) return
      const serves = async (): Promise<boolean> => {
        if (guard.exitCode !== null) throw new Error(`it ended with code ${guard.exitCode}`)
        return (await this.mode(2_000)) !== undefined
      }
      await eventually(serves, { withinMs: startDeadlineMs, everyMs: 25 })
    } catch (error) {
      const log = this.log().slice(-4_000)
      throw new Error(`ZooKeeper (port ${this.port}) did not start:\n${log}`, { cause: error })
    }
  }

  /** Ends it by SIGKILL, or in order (SIGTERM). Sessions live on: their time goes on when a server, or a majority, is back. */
  async end(how: 'kill' | 'stop'): Promise<void> {
    const guard = this.#guard
    if (guard === undefined) return
    guard.ref()
    const ended = guard.exitCode === null && guard.signalCode === null ? once(guard, 'exit') : null
    if (this.#pid === undefined) guard.stdin?.end()
    else signal(this.#pid, how === 'kill' ? 'SIGKILL' : 'SIGTERM')
    if (how === 'stop') this.thaw()
    await ended
    guard.stdin?.destroy()
    fs.rmSync(path.join(this.#folder, 'pid'), { force: true })
    this.#guard = undefined
    this.#pid = undefined
  }

  /** Ends it, takes all its data away, and begins it again: sessions and nodes are gone. */
  async wipe(options: { readonly serving?: boolean } = {}): Promise<void> {
    await this.end('kill')
    this.#emptyData()
    await this.begin(options)
  }

  /** Lets it stand still (SIGSTOP): connections stay open, and nothing answers. Resolves when all its threads stand. */
  async freeze(): Promise<void> {
    const { pid } = this
    signal(pid, 'SIGSTOP')
    await eventually(() => stands(pid))
  }

  /** Lets it go on after `freeze()`. */
  thaw(): void {
    if (this.#pid !== undefined) signal(this.#pid, 'SIGCONT')
  }

  /** Ends it and removes all that it kept; a second call does nothing. */
  async stop(): Promise<void> {
    await this.end('kill')
    if (this.#keeper.exitCode === null && this.#keeper.signalCode === null) {
      this.#keeper.ref()
      const gone = once(this.#keeper, 'exit')
      this.#keeper.stdin?.end()
      await gone
    }
    fs.rmSync(this.#folder, { recursive: true, force: true })
  }

  /** What it serves as; undefined where it does not serve within `withinMs` (or does not run). */
  async mode(withinMs?: number): Promise<'standalone' | 'leader' | 'follower' | undefined> {
    const mode = /^Mode: (\w+)$/m.exec(await this.ask('srvr', withinMs).catch(() => ''))?.[1]
    return mode === 'standalone' || mode === 'leader' || mode === 'follower' ? mode : undefined
  }

  /** Asks it one of the words of four letters, such as `mntr`. @throws Error where it does not answer within `withinMs` (10 s). */
  ask(
    word: 'mntr' | 'ruok' | 'srvr' | 'wchs' | 'wchp' | 'cons' | 'dump',
    withinMs?: number,
  ): Promise<string> {
    return askWord(this, word, withinMs)
  }

  /** All it has logged, in all its lives. */
  log(): string {
    const file = path.join(this.#folder, 'log')
    return fs.existsSync(file) ? fs.readFileSync(file, 'utf8') : ''
  }

  get #data(): string {
    return path.join(this.#folder, 'data')
  }

  #emptyData(): void {
    fs.rmSync(this.#data, { recursive: true, force: true })
    fs.mkdirSync(this.#data)
    own(this.#data)
    if (this.#id !== undefined) fs.writeFileSync(path.join(this.#data, 'myid'), String(this.#id))
  }

  #arguments(): readonly string[] {
    // Debian's jar names those that it needs, except one that logs; a folder of Apache's has all of them and nothing else.
    const debian = ['zookeeper.jar', 'slf4j-simple.jar'].map((name) => path.join(this.#jars, name))
    const jars = fs.existsSync(debian[0] ?? '') ? debian : [path.join(this.#jars, '*')]
    return [
      ...javaOptions,
      ...this.#javaOptions,
      '-cp',
      jars.join(path.delimiter),
      'org.apache.zookeeper.server.quorum.QuorumPeerMain',
      path.join(this.#folder, 'zoo.cfg'),
    ]
  }
}

/** Asks a server one of the words of four letters. @throws Error where it does not answer within `withinMs`. */
export async function askWord(
  server: { readonly host: string; readonly port: number },
  word: string,
  withinMs = 10_000,
): Promise<string> {
  const socket = net.connect(server.port, server.host)
  socket.setTimeout(withinMs, () => {
    socket.destroy(new Error(`${word}: no answer within ${withinMs} ms`))
  })
  try {
    socket.end(word)
    const chunks: Buffer[] = []
    for await (const chunk of socket) {
      if (Buffer.isBuffer(chunk)) chunks.push(chunk)
    }
    return Buffer.concat(chunks).toString()
  } finally {
    socket.destroy()
  }
}

function findJava(): string | undefined {
  const home = process.env['JAVA_HOME']
  const folders = (process.env['PATH'] ?? '').split(path.delimiter).filter((folder) => folder)
  return [...(home ? [path.join(home, 'bin')] : []), ...folders]
    .map((folder) => path.join(folder, 'java'))
    .find((program) => fs.existsSync(program))
}

function names(folder: string): readonly string[] {
  return fs.existsSync(folder) ? fs.readdirSync(folder) : []
}

type Identity = { readonly uid?: number; readonly gid?: number }
let identity: Identity | undefined

/** Whom servers run as: nobody special for an ordinary user, `zookeeper` or else `nobody` for root (S4). */
function userOfServers(): Identity {
  identity ??= process.getuid?.() === 0 ? (idOf('zookeeper') ?? idOf('nobody') ?? {}) : {}
  return identity
}

function idOf(user: string): Identity | undefined {
  try {
    const id = (flag: string) =>
      Number(execFileSync('id', [flag, user], { stdio: ['ignore', 'pipe', 'ignore'] }))
    return { uid: id('-u'), gid: id('-g') }
  } catch {
    return undefined
  }
}

function own(file: string): void {
  const { uid, gid } = userOfServers()
  if (uid !== undefined && gid !== undefined) fs.chownSync(file, uid, gid)
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name)
  } catch {
    // It has ended.
  }
}

/** Starts the server under a shell that kills it when our pipe closes (S2). */
function spawnGuarded(program: string, folder: string, args: readonly string[]): ChildProcess {
  const script = `
    folder=$1; shift
    exec 3<&0
    "$@" >>"$folder/log" 2>&1 3<&- &
    server=$!
    echo $server >"$folder/pid.new" && mv "$folder/pid.new" "$folder/pid"
    { read -r _ <&3; kill -KILL $server; } &
    watcher=$!
    wait $server
    code=$?
    kill $watcher
    rm -f "$folder/pid"
    exit $code`
  return spawnShell(script, folder, [folder, program, ...args])
}

/** Removes the folder when our pipe closes, and the server that may still run in it has ended (S2). */
function spawnKeeper(folder: string): ChildProcess {
  const script = `
    read -r _
    while [ -e "$1/pid" ] && kill -0 "$(cat "$1/pid")" 2>/dev/null; do sleep 0.05; done
    cd / && rm -rf "$1"`
  return spawnShell(script, folder, [folder])
}

function spawnShell(script: string, folder: string, args: readonly string[]): ChildProcess {
  const shell = spawn('/bin/sh', ['-c', script, 'guard', ...args], {
    ...userOfServers(),
    cwd: folder,
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true, // Ctrl-C in a terminal reaches us, who stop it in order.
  })
  shell.unref()
  // A pipe is a socket, and has unref(); the type of stdin does not say so.
  if (shell.stdin instanceof Socket) shell.stdin.unref()
  return shell
}
