/**
 * A private PostgreSQL for tests and benchmarks: found, initialised in a temporary folder, started, stopped.
 *
 * Invariants
 * S1. It listens on 127.0.0.1 alone, and keeps everything (data, socket, log) in one temporary folder.
 * S2. It never outlives the process that started it, even one ended by SIGKILL: a guard shell holds
 *     the reading end of a pipe whose writing end is ours; at its end of file the guard stops the server.
 * S3. It is ended by its own process id, never by name.
 * S4. PostgreSQL refuses to run as root; for root, everything runs as user `postgres` (else `nobody`).
 */
import { execFileSync, spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import { Socket } from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { Client } from 'pg'
import { eventually } from './eventually.ts'
import { quietPort } from './free-port.ts'
import type { RunningServer, TestServer } from './test-server.ts'

/** How a private PostgreSQL is started. */
export interface PostgresOptions {
  /**
   * Whether commits wait for the disk. Off is several times faster and is right for tests that only
   * end processes; benchmarks and anything about losing power need it on.
   * @default false
   */
  readonly fsync?: boolean
  /** Further settings, as in `postgresql.conf`: `{ max_connections: '20' }`. */
  readonly settings?: Readonly<Record<string, string>>
}

/** A private PostgreSQL, which may be ended and begun again over the same data. */
export interface PostgresServer extends RunningServer {
  /** Ends it, as `pg_ctl stop -m fast` does, or by SIGKILL of its first process. */
  end(how: 'fast' | 'kill'): Promise<void>
  /** Begins it again, under the same URL. */
  begin(): Promise<void>
}

const startDeadlineMs = 60_000
const stopDeadlineMs = 10_000

/** PostgreSQL's row in the table of servers. */
export const postgresServer: TestServer = {
  name: 'PostgreSQL',
  urlVariable: 'ZAGFLOW_TEST_POSTGRES_URL',
  binariesVariable: 'ZAGFLOW_TEST_POSTGRES_BIN',
  debianPackages: ['postgresql'],
  find: findPostgres,
  start: () => startPostgres(),
}

/**
 * The folder that holds `initdb` and `postgres`: `ZAGFLOW_TEST_POSTGRES_BIN`, a folder of `PATH`, or the
 * newest of the places where distributions put it outside of `PATH`.
 */
export function findPostgres(): string | undefined {
  const given = process.env['ZAGFLOW_TEST_POSTGRES_BIN']
  const candidates = [
    ...(given ? [given] : []),
    ...(process.env['PATH'] ?? '').split(path.delimiter),
    ...versionFolders('/usr/lib/postgresql', 'bin'), // Debian
    ...versionFolders('/usr', 'bin', /^pgsql-(\d+)$/), // Red Hat
  ]
  return candidates.find((folder) => folder !== '' && holdsPostgres(folder))
}

/**
 * Starts a private server on a free port. The URL names the database `postgres` and a superuser; connections
 * need no password.
 * @throws Error where PostgreSQL is not found or does not answer within a minute (with its log).
 */
export async function startPostgres(options: PostgresOptions = {}): Promise<PostgresServer> {
  const binaries = findPostgres()
  if (binaries === undefined) throw new Error('PostgreSQL: not found')
  const identity = serverIdentity()
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'zagflow-postgres-'))
  if (identity.uid !== undefined) fs.chownSync(folder, identity.uid, identity.gid ?? identity.uid)
  const data = path.join(folder, 'data')
  execFileSync(
    path.join(binaries, 'initdb'),
    ['-D', data, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-sync'],
    { ...identity, cwd: folder, stdio: 'pipe' },
  )
  const port = await quietPort()
  const args = ['-D', data, '-p', String(port), '-k', folder, ...settingArguments(options)]
  const spawnServer = () => spawnGuarded(path.join(binaries, 'postgres'), folder, args)
  const url = `postgres://postgres@127.0.0.1:${port}/postgres`
  const isReady = async (guard: ChildProcess): Promise<number> => {
    await eventually(() => answers(url, guard), { withinMs: startDeadlineMs, everyMs: 25 })
    return Number(fs.readFileSync(path.join(data, 'postmaster.pid'), 'utf8').split('\n')[0])
  }
  let guard = spawnServer()
  try {
    let pid = await isReady(guard)
    return {
      url,
      get pid() {
        return pid
      },
      stop: () => stopGuarded(guard, pid, folder),
      async end(how) {
        const ended = once(guard, 'exit')
        process.kill(pid, how === 'fast' ? 'SIGINT' : 'SIGKILL')
        await ended
      },
      async begin() {
        // After a kill its children may take a moment to notice, and until then it refuses to start.
        const deadline = performance.now() + startDeadlineMs
        for (;;) {
          guard = spawnServer()
          try {
            pid = await isReady(guard)
            return
          } catch (error) {
            if (performance.now() > deadline) throw error
          }
        }
      },
    }
  } catch (error) {
    const log = fs.readFileSync(path.join(folder, 'log'), 'utf8')
    await stopGuarded(guard, undefined, folder)
    throw new Error(`PostgreSQL did not start:\n${log}`, { cause: error })
  }
}

function versionFolders(root: string, inner: string, pattern = /^(\d+)$/): readonly string[] {
  const names = fs.existsSync(root) ? fs.readdirSync(root) : []
  return names
    .flatMap((name) => {
      const version = pattern.exec(name)?.[1]
      return version === undefined ? [] : [{ version: Number(version), name }]
    })
    .sort((a, b) => b.version - a.version)
    .map(({ name }) => path.join(root, name, inner))
}

function holdsPostgres(folder: string): boolean {
  return ['initdb', 'postgres'].every((name) => fs.existsSync(path.join(folder, name)))
}

type Identity = { readonly uid?: number; readonly gid?: number }

/** Whom the server runs as: nobody special for an ordinary user, `postgres` for root (S4). */
function serverIdentity(): Identity {
  if (process.getuid?.() !== 0) return {}
  for (const user of ['postgres', 'nobody']) {
    try {
      const id = (flag: string) =>
        Number(execFileSync('id', [flag, user], { stdio: ['ignore', 'pipe', 'ignore'] }))
      return { uid: id('-u'), gid: id('-g') }
    } catch {
      // There is no such user here: the next one.
    }
  }
  throw new Error('PostgreSQL refuses to run as root, and there is no user postgres or nobody')
}

function settingArguments(options: PostgresOptions): readonly string[] {
  const durable = options.fsync === true ? 'on' : 'off'
  const settings: Record<string, string> = {
    listen_addresses: '127.0.0.1',
    max_connections: '300',
    fsync: durable,
    full_page_writes: durable,
    synchronous_commit: 'on',
    ...options.settings,
  }
  return Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])
}

/** Starts the server under a shell that ends it, and removes its folder, when our pipe closes (S2). */
function spawnGuarded(program: string, folder: string, args: readonly string[]): ChildProcess {
  const script = `
    folder=$1; shift
    exec 3<&0
    "$@" >"$folder/log" 2>&1 3<&- &
    server=$!
    { read -r _ <&3; : >"$folder/orphaned"; kill -INT $server; } &
    watcher=$!
    wait $server
    code=$?
    kill $watcher
    if [ -e "$folder/orphaned" ]; then cd / && rm -rf "$folder"; fi
    exit $code`
  const guard = spawn('/bin/sh', ['-c', script, 'guard', folder, program, ...args], {
    ...serverIdentity(),
    cwd: folder,
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true, // Ctrl-C in a terminal reaches us, who stop it in order.
  })
  guard.unref()
  // A pipe is a socket, and has unref(); the type of stdin does not say so.
  if (guard.stdin instanceof Socket) guard.stdin.unref()
  return guard
}

async function answers(url: string, guard: ChildProcess): Promise<boolean> {
  if (guard.exitCode !== null) throw new Error(`it ended with code ${guard.exitCode}`)
  const client = new Client({ connectionString: url })
  client.on('error', () => {}) // What fails is told by connect() and query().
  try {
    await client.connect()
    await client.query('select 1')
    return true
  } catch {
    return false
  } finally {
    await client.end()
  }
}

async function stopGuarded(
  guard: ChildProcess,
  pid: number | undefined,
  folder: string,
): Promise<void> {
  if (guard.exitCode === null && guard.signalCode === null) {
    guard.ref()
    const ended = once(guard, 'exit')
    // Fast shutdown by its own id (S3); where the id is not known yet, the guard does it.
    if (pid === undefined) guard.stdin?.end()
    else process.kill(pid, 'SIGINT')
    const impatient = setTimeout(() => {
      if (pid !== undefined) process.kill(pid, 'SIGQUIT')
    }, stopDeadlineMs)
    await ended
    clearTimeout(impatient)
  }
  guard.stdin?.destroy()
  fs.rmSync(folder, { recursive: true, force: true })
}
