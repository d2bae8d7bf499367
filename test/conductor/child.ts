/**
 * A conductor in a process of its own, for tests that end it or stop it. Argument: {@link ChildOptions} as JSON. It prints
 * `ready`, then a line `job KIND ID …` for each event of a job; SIGTERM stops it in order, and it prints `stopping`.
 */
import { appendFileSync, existsSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { Conductor } from '../../src/conductor/conductor.ts'
import { ParallelEngine } from '../../engines/parallel.ts'
import { parseBoardUrl } from '../../src/client/board-url.ts'
import { openBoard } from '../../src/client/open-board.ts'
import { openStore } from '../../persistence/open.ts'
import { registryOf, type TestTask } from './fixtures.ts'

export interface ChildOptions {
  readonly url: string
  /** URL of the board. @default `sql:` */
  readonly board?: string
  readonly name: string
  /** Each execution appends a line `ATOM KEY PROCESS` to it. */
  readonly journal: string
  readonly leaseMs: number
  readonly graceMs?: number
  readonly maxDeaths?: number
  readonly probationMs?: number
  /** How long `nap` takes. */
  readonly napMs?: number
  /** A file: `nap` lasts until it is there, however long that takes. */
  readonly wakeFile?: string
}

/** Tasks that write down that they ran. */
export function journalTasks(
  options: Pick<ChildOptions, 'journal' | 'name' | 'napMs' | 'wakeFile'>,
): { readonly [name: string]: TestTask } {
  const note = (atom: string, key: string): void =>
    appendFileSync(options.journal, `${atom} ${key} ${options.name}\n`)
  return {
    note: { execute: (_args, context) => note(context.atom, context.idempotencyKey) },
    nap: {
      execute: async (_args, context) => {
        const { signal } = context
        note(context.atom, context.idempotencyKey)
        if (options.wakeFile === undefined)
          await sleep(options.napMs ?? 60_000, undefined, { signal })
        else while (!existsSync(options.wakeFile)) await sleep(20, undefined, { signal })
        return 'rested'
      },
      revert: () => null,
    },
    poison: {
      execute: (_args, context) => {
        note(context.atom, context.idempotencyKey)
        process.exit(66)
      },
    },
  }
}

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}

async function main(options: ChildOptions): Promise<void> {
  const synchronous = options.url.startsWith('sqlite:') ? ({ synchronous: 'NORMAL' } as const) : {}
  const store = openStore(options.url, synchronous)
  await store.start()
  const registry = registryOf(journalTasks(options))
  const board = await openBoard(parseBoardUrl(options.board ?? 'sql:'), { store })
  const conductor = new Conductor({
    store,
    board,
    engine: new ParallelEngine({ tasks: registry }),
    registry,
    name: options.name,
    leaseMs: options.leaseMs,
    pollMs: 50,
    graceMs: options.graceMs,
    maxDeaths: options.maxDeaths,
    probationMs: options.probationMs,
    onJob: (event) => say(`job ${event.kind} ${event.job}`),
  })
  process.on('SIGTERM', () => {
    say('stopping')
    void conductor
      .stop()
      .then(() => board.stop())
      .then(() => store.stop())
  })
  await conductor.start()
  say('ready')
}

const given = process.argv[2]
if (given !== undefined && process.argv[1]?.endsWith('child.js') === true) {
  await main(JSON.parse(given) as ChildOptions)
}
