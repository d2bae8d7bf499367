/**
 * The place where private RabbitMQ nodes live: a temporary folder, a name server of Erlang (epmd) of their own,
 * and a guard.
 *
 * Invariants
 * B1. All that nodes keep (data, logs, cookie, sockets) is in one temporary folder, which is removed in the end.
 * B2. Nothing outlives the process that started it, even one ended by SIGKILL: a guard shell reads the ids of
 *     the processes from a pipe whose writing end is ours; at its end of file it kills them and removes the folder.
 * B3. Every process is ended by its own id, never by name.
 * B4. Whoever is root lets everything run as user `rabbitmq`, where there is one.
 */
import { execFileSync, spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { randomBytes, randomInt } from 'node:crypto'
import { once } from 'node:events'
import fs from 'node:fs'
import net, { Socket } from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { eventually } from './eventually.ts'
import { isListening } from './free-port.ts'

/** A process of a site. */
export interface SiteProcess {
  readonly pid: number
  /** Whether it has ended. */
  hasEnded(): boolean
  /** Sends a signal; nothing happens where it has ended. */
  signal(name: NodeJS.Signals): void
  /** Resolves when it has ended. */
  ended(): Promise<void>
}

/** Where private nodes live. */
export class RabbitmqSite {
  /** The folder that holds RabbitMQ's programs. */
  readonly binaries: string
  /** Everything is in here. */
  readonly folder: string
  readonly #identity = userOfServers()
  readonly #guard: ChildProcess
  readonly #running = new Set<SiteProcess>()
  readonly #ports = new Set<number>()
  #nameServerPort = 0

  private constructor(binaries: string) {
    this.binaries = binaries
    this.folder = fs.mkdtempSync(path.join(fs.realpathSync(os.tmpdir()), 'zagflow-rabbitmq-'))
    this.own(this.folder)
    this.#guard = spawnGuard(this.folder)
    this.write('.erlang.cookie', randomBytes(15).toString('hex'), 0o400)
  }

  /** Makes a site, with its name server. */
  static async open(binaries: string): Promise<RabbitmqSite> {
    const site = new RabbitmqSite(binaries)
    try {
      const port = (site.#nameServerPort = await site.quietPort())
      const log = path.join(site.folder, 'epmd.log')
      site.run('epmd', ['-port', String(port), '-address', '127.0.0.1'], { log })
      // A node that finds no name server does not start.
      await eventually(() => isListening(port))
      return site
    } catch (error) {
      await site.close()
      throw error
    }
  }

  /** The environment of every program of Erlang here: nothing of ours that could name another broker. */
  environment(): Record<string, string> {
    return {
      PATH: process.env['PATH'] ?? '/usr/bin:/bin',
      LANG: 'C.UTF-8',
      HOME: this.folder,
      ERL_EPMD_PORT: String(this.#nameServerPort),
      ERL_EPMD_ADDRESS: '127.0.0.1',
      ERL_CRASH_DUMP_SECONDS: '0',
      RABBITMQ_USE_LONGNAME: 'true',
      RABBITMQ_CONF_ENV_FILE: path.join(this.folder, 'no-environment-file'),
    }
  }

  /** Starts a program as the user of servers; its output goes to the end of a file. */
  run(
    program: string,
    args: readonly string[],
    options: { readonly log: string; readonly env?: Readonly<Record<string, string>> },
  ): SiteProcess {
    const log = fs.openSync(options.log, 'a')
    const child = spawn(program, args, {
      ...this.#identity,
      cwd: this.folder,
      env: { ...this.environment(), ...options.env },
      stdio: ['ignore', log, log],
      detached: true, // Ctrl-C in a terminal reaches us, who end it in order.
    })
    fs.closeSync(log)
    const { pid } = child
    if (pid === undefined) throw new Error(`could not start ${program}`)
    this.#guard.stdin?.write(`add ${pid}\n`)
    child.unref()
    let hasEnded = false
    const running: SiteProcess = {
      pid,
      hasEnded: () => hasEnded,
      signal: (name) => void (hasEnded || child.kill(name)),
      async ended() {
        if (hasEnded) return
        child.ref()
        await once(child, 'exit')
      },
    }
    child.once('exit', () => {
      hasEnded = true
      this.#running.delete(running)
      if (this.#guard.stdin?.writable) this.#guard.stdin.write(`drop ${pid}\n`)
    })
    this.#running.add(running)
    return running
  }

  /** Runs a program to its end, as the user of servers, and returns what it printed. */
  async output(program: string, args: readonly string[]): Promise<string> {
    const child = spawn(program, args, {
      ...this.#identity,
      cwd: this.folder,
      env: this.environment(),
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let [stdout, stderr] = ['', '']
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
    await once(child, 'close')
    if (child.exitCode === 0) return stdout
    const said = `${stderr}\n${stdout}`.trim()
    throw new Error(
      `${path.basename(program)} ${args.join(' ')} failed (${child.exitCode}):\n${said}`,
    )
  }

  /** Makes a folder of this site, for the user of servers. */
  makeFolder(name: string): string {
    const folder = path.join(this.folder, name)
    fs.mkdirSync(folder, { recursive: true, mode: 0o700 })
    this.own(folder)
    return folder
  }

  /** Writes a file of this site, for the user of servers. */
  write(name: string, text: string, mode = 0o600): string {
    const file = path.join(this.folder, name)
    fs.writeFileSync(file, text, { mode })
    this.own(file)
    return file
  }

  /** Gives a file to the user of servers. */
  own(file: string): void {
    const { uid, gid } = this.#identity
    if (uid !== undefined && gid !== undefined) fs.chownSync(file, uid, gid)
  }

  /**
   * A port that nobody listens on, below those that systems take for outgoing connections: a client that tries again
   * and again to reach a node that is down could otherwise be given the node's port, and be connected to itself.
   */
  async quietPort(): Promise<number> {
    for (;;) {
      const port = randomInt(10_240, 32_000)
      if (!this.#ports.has(port) && (await isFree(port))) {
        this.#ports.add(port)
        return port
      }
    }
  }

  /** Ends all processes at once (SIGKILL) and removes the folder; a second call does nothing. */
  async close(): Promise<void> {
    for (const running of [...this.#running]) {
      running.signal('SIGKILL')
      await running.ended()
    }
    if (this.#guard.exitCode === null && this.#guard.signalCode === null) {
      this.#guard.ref()
      const ended = once(this.#guard, 'exit')
      this.#guard.stdin?.end()
      await ended
    }
    this.#guard.stdin?.destroy()
  }
}

type Identity = { readonly uid?: number; readonly gid?: number }

/** Whom servers run as: the present user, and for root user `rabbitmq` (B4). */
function userOfServers(): Identity {
  if (process.getuid?.() !== 0) return {}
  try {
    const id = (flag: string) =>
      Number(execFileSync('id', [flag, 'rabbitmq'], { stdio: ['ignore', 'pipe', 'ignore'] }))
    return { uid: id('-u'), gid: id('-g') }
  } catch {
    return {}
  }
}

/** Reads `add PID` and `drop PID`; at the end kills those that are left, and removes the folder (B1, B2). */
function spawnGuard(folder: string): ChildProcess {
  const script = `
    pids=' '
    while read -r what pid; do
      case $what in
        add) pids="$pids$pid " ;;
        drop) pids="\${pids%% $pid *} \${pids#* $pid }" ;;
      esac
    done
    for pid in $pids; do kill -KILL "$pid" 2>/dev/null; done
    for pid in $pids; do
      while kill -0 "$pid" 2>/dev/null; do sleep 0.05; done
    done
    cd / && rm -rf "$1"`
  const guard = spawn('/bin/sh', ['-c', script, 'guard', folder], {
    cwd: folder,
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  })
  guard.unref()
  // A pipe is a socket, and has unref(); the type of stdin does not say so.
  if (guard.stdin instanceof Socket) guard.stdin.unref()
  guard.stdin?.on('error', () => {}) // The guard was killed: nothing is left to tell it.
  return guard
}

async function isFree(port: number): Promise<boolean> {
  const server = net.createServer()
  try {
    server.listen(port, '127.0.0.1')
    await once(server, 'listening')
    server.close()
    await once(server, 'close')
    return true
  } catch {
    return false
  }
}
