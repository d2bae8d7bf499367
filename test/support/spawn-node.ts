/**
 * Node processes that a test starts: their output kept, their end awaited, none left behind.
 *
 * N1. A process is ended (SIGKILL, by its own id) after its test, however the test ends.
 * N2. Its environment is ours without what the test runner puts there, so that a child is no test file.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import type { CleanUp } from './clean-up.ts'
import { eventually } from './eventually.ts'

/** How a process ended: by its own exit, or by a signal. */
export interface ProcessEnd {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

/** A Node process that a test started. */
export interface NodeProcess {
  readonly pid: number
  /** All it has printed on stdout so far. */
  stdout(): string
  /** All it has printed on stderr so far. */
  stderr(): string
  /** Sends a signal; false when it has ended already. */
  kill(signal?: NodeJS.Signals): boolean
  /** Resolves when it has ended and all its output was read. */
  readonly ended: Promise<ProcessEnd>
  /**
   * The same, for one that is about to end.
   * @throws Error with both outputs when it has not ended after `withinMs` (default 60 s).
   */
  ends(options?: { readonly withinMs?: number }): Promise<ProcessEnd>
  /**
   * Waits until its stdout holds a text or matches a pattern, and returns all of its stdout.
   * @throws Error with both outputs when it ends before, or when `withinMs` (default 60 s) have passed.
   */
  prints(expected: string | RegExp, options?: { readonly withinMs?: number }): Promise<string>
}

/**
 * Starts `node file ...args`, with `env` added to this process's environment (`undefined` takes a variable away).
 * It is killed after the test if it still runs.
 */
export function spawnNode(
  t: CleanUp,
  file: string,
  args: readonly string[] = [],
  env: Readonly<Record<string, string | undefined>> = {},
): NodeProcess {
  const child = spawn(process.execPath, [file, ...args], {
    env: { ...process.env, NODE_TEST_CONTEXT: undefined, NODE_OPTIONS: undefined, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  let end: ProcessEnd | undefined
  const ended = once(child, 'close').then(() => {
    end = { code: child.exitCode, signal: child.signalCode }
    return end
  })
  t.after(async () => {
    child.kill('SIGKILL')
    await ended
  })
  const { pid } = child
  if (pid === undefined) throw new Error(`could not start ${process.execPath}`)
  const both = () => `\n--- stdout\n${stdout}\n--- stderr\n${stderr}`
  return {
    pid,
    stdout: () => stdout,
    stderr: () => stderr,
    kill: (signal = 'SIGTERM') => child.kill(signal),
    ended,
    async ends({ withinMs = 60_000 } = {}) {
      return eventually(() => end, { withinMs }).catch((error: unknown) => {
        throw new Error(`expected it to end${both()}`, { cause: error })
      })
    },
    async prints(expected, { withinMs = 60_000 } = {}) {
      const found = () =>
        typeof expected === 'string' ? stdout.includes(expected) : expected.test(stdout)
      await eventually(() => found() || end !== undefined, { withinMs }).catch((error: unknown) => {
        throw new Error(`expected it to print ${String(expected)}${both()}`, { cause: error })
      })
      if (!found()) throw new Error(`it ended before it printed ${String(expected)}${both()}`)
      return stdout
    },
  }
}
