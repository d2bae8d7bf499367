/**
 * The command as a user has it: the built file, started as a process of its own, in a folder of its own.
 *
 * N1. Its environment is ours without settings of Zagflow, colours and what the test runner puts there.
 * N2. A process is ended (SIGKILL, by its own id) after its test, however the test ends.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import type { CleanUp } from '../support/clean-up.ts'
import { eventually } from '../support/eventually.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const COMMAND = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url))
const FRONT_DOOR = new URL('../../src/index.js', import.meta.url).href

export interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface Running {
  readonly pid: number
  stdout(): string
  stderr(): string
  kill(signal: NodeJS.Signals): void
  readonly ended: Promise<Ended>
  /** Waits until stdout or stderr matches. */
  says(expected: RegExp): Promise<void>
}

/** A folder with tasks and flows, where commands are started. */
export class Workplace {
  readonly folder: string
  readonly #t: CleanUp

  private constructor(folder: string, t: CleanUp) {
    this.folder = folder
    this.#t = t
  }

  static async create(t: CleanUp): Promise<Workplace> {
    const place = new Workplace(await temporaryFolder(t), t)
    await place.write('tasks.mjs', TASKS)
    await place.write('order.yaml', ORDER)
    return place
  }

  async write(name: string, text: string): Promise<void> {
    const file = path.join(this.folder, name)
    await fs.mkdir(path.dirname(file), { recursive: true })
    await fs.writeFile(file, text.replaceAll("'zagflow'", `'${FRONT_DOOR}'`))
  }

  /** Lines that tasks wrote down: what they did, in order. */
  async ledger(): Promise<readonly string[]> {
    const text = await fs.readFile(path.join(this.folder, 'ledger'), 'utf8').catch(() => '')
    return text.split('\n').filter((line) => line !== '')
  }

  async has(name: string): Promise<boolean> {
    return fs.access(path.join(this.folder, name)).then(
      () => true,
      () => false,
    )
  }

  /** Starts `zagflow …`. */
  start(
    args: readonly string[],
    env: Readonly<Record<string, string>> = {},
    stdin?: string,
  ): Running {
    const child = spawn(process.execPath, [COMMAND, ...args], {
      cwd: this.folder,
      env: { ...cleanEnvironment(), ...env },
      stdio: ['pipe', 'pipe', 'pipe'],
    })
    let stdout = ''
    let stderr = ''
    let isOver = false
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
    child.stdin.on('error', () => undefined)
    child.stdin.end(stdin)
    const ended = once(child, 'close').then(() => {
      isOver = true
      return { code: child.exitCode, stdout, stderr }
    })
    this.#t.after(async () => {
      child.kill('SIGKILL')
      await ended
    })
    return {
      pid: child.pid ?? 0,
      stdout: () => stdout,
      stderr: () => stderr,
      kill: (signal) => void child.kill(signal),
      ended,
      async says(expected) {
        const found = () => expected.test(stdout) || expected.test(stderr)
        await eventually(() => found() || isOver, { withinMs: 60_000 }).catch(() => undefined)
        if (found()) return
        throw new Error(
          `it never said ${String(expected)}\n--- stdout\n${stdout}\n--- stderr\n${stderr}`,
        )
      },
    }
  }

  /** Runs `zagflow …` to its end. */
  run(
    args: readonly string[],
    env: Readonly<Record<string, string>> = {},
    stdin?: string,
  ): Promise<Ended> {
    return this.start(args, env, stdin).ended
  }

  /** Runs it with `--json`; what it printed. */
  async data(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Data> {
    const { stdout, stderr, code } = await this.run([...args, '--json'], env)
    try {
      return parsed(stdout)
    } catch (cause) {
      throw new Error(`no JSON (exit code ${String(code)}): ${stdout}\n${stderr}`, { cause })
    }
  }
}

/** JSON that a test looks into: whatever it looks for and is not there fails its assertion. */
export interface Data {
  readonly [key: string]: unknown
}

/** What a command printed as JSON. */
export function parsed(text: string): Data {
  return JSON.parse(text) as Data
}

function cleanEnvironment(): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(
    ([name]) => !/^(ZAGFLOW_|NODE_TEST|NODE_OPTIONS$|NO_COLOR$|FORCE_COLOR$)/.test(name),
  )
  return Object.fromEntries(kept)
}

/**
 * Tasks that write down what they do. `gate` waits for the file `open`; `fail` fails unless the file `mended` is there, and so
 * does the revert of `sticky`.
 */
export const TASKS = `
import { appendFileSync, existsSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { task, flow, z } from 'zagflow'

const note = (text) => appendFileSync('ledger', text + '\\n')

export const pack = task('pack', {
  requires: { sku: z.string() },
  provides: { parcel: z.string() },
  execute({ sku }, { idempotencyKey }) {
    note('pack ' + sku)
    console.log('packing', sku)
    return { parcel: 'parcel of ' + sku }
  },
  revert() { note('unpack') },
})
export const gate = task('gate', {
  async execute(_, { signal, idempotencyKey }) {
    note('gate ' + idempotencyKey)
    while (!existsSync('open')) await sleep(20, undefined, { signal })
    note('passed')
  },
})
export const send = task('send', {
  requires: { parcel: z.string() },
  provides: { tracking: z.string() },
  execute({ parcel }) { note('send'); return { tracking: 't of ' + parcel } },
})
export const fail = task('fail', {
  execute() { if (!existsSync('mended')) throw new Error('no post today') },
})
export const sticky = task('sticky', {
  execute() { note('stick') },
  revert() { if (!existsSync('mended')) throw new Error('it sticks'); note('unstick') },
})
export const order = flow('order', { input: { sku: z.string() } }, [pack, send])
`

const ORDER = `zagflow: 1
flow: order
tasks: ./tasks.mjs
input:
  sku: { type: string, default: A1 }
linear:
  - task: pack
  - task: send
output:
  tracking: "\${{ tracking }}"
`

/** A flow file over the tasks above. */
export function linear(
  name: string,
  tasks: readonly string[],
  head = 'tasks: ./tasks.mjs',
): string {
  const input = tasks.includes('pack')
    ? 'input: { sku: { type: string, default: A1 } }'
    : 'input: {}'
  return `zagflow: 1
flow: ${name}
${head}
${input}
linear:
${tasks.map((task) => `  - task: ${task}`).join('\n')}
`
}
