import { existsSync } from 'node:fs'
import { parseDuration } from '../../base/durations.ts'
import { UsageError } from '../../base/errors.ts'
import type { SchemaStatus, Store } from '../../../persistence/store.ts'
import type { Context } from '../context.ts'
import { databaseName } from '../database-name.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { count } from '../printing/text.ts'

export interface PruneFlags {
  readonly olderThan: string
  readonly dryRun?: boolean
}

/** `zagflow db migrate` */
export async function migrateCommand(context: Context): Promise<ExitCode> {
  const { terminal } = context
  const store = sharedStore(context)
  const before = await store.schemaStatus()
  const after = await store.migrate()
  const applied = after.applied.filter((name) => !before.applied.includes(name))
  const database = databaseName(context.settings.persistence)
  if (terminal.json) {
    terminal.data({ database, applied, pending: after.pending })
  } else if (applied.length === 0) {
    terminal.print(`${database} is up to date (${lastOf(after)})`)
  } else {
    for (const name of applied) terminal.print(`applied ${name}`)
    terminal.print(`${database} is at ${lastOf(after)}`)
  }
  return EXIT.done
}

/** `zagflow db status` */
export async function statusCommand(context: Context): Promise<ExitCode> {
  const { terminal } = context
  const database = databaseName(context.settings.persistence)
  const { applied, pending } = await statusOf(context)
  if (terminal.json) {
    terminal.data({ database, applied, pending })
  } else {
    terminal.print(database)
    for (const name of applied) terminal.print(`  ${terminal.paint.green('✔')} ${name}`)
    for (const name of pending) terminal.print(`  ${terminal.paint.yellow('○')} ${name} (pending)`)
    if (pending.length > 0) terminal.say('Run: zagflow db migrate')
  }
  return pending.length === 0 ? EXIT.done : EXIT.failed
}

/** `zagflow db prune` */
export async function pruneCommand(context: Context, flags: PruneFlags): Promise<ExitCode> {
  const { terminal, settings } = context
  const olderThanMs = durationOf('--older-than', flags.olderThan)
  const dryRun = flags.dryRun === true
  const store = await context.sharedStore()
  // Without a board of its own, jobs of all boards are meant: also those of `zagflow run`.
  const board = settings.board === 'sql:' ? undefined : context.boardName
  const report = await store.prune({ olderThanMs, dryRun, board })
  if (terminal.json) {
    terminal.data({ ...report, dryRun })
  } else {
    const verb = dryRun ? 'would delete' : 'deleted'
    const jobs = count(report.jobs, 'job')
    terminal.print(`${verb} ${jobs} and ${count(report.documents, 'document')}`)
  }
  return EXIT.done
}

/** A duration of an option. Throws {@link UsageError} that names it. */
export function durationOf(option: string, text: string): number {
  try {
    return parseDuration(text)
  } catch (error) {
    if (error instanceof UsageError) throw new UsageError(`${option}: ${error.message}`)
    throw error
  }
}

/** What of the schema is there, without making a file that is not. */
export async function statusOf(context: Context): Promise<SchemaStatus> {
  const { persistence } = context.settings
  const file = /^(?:better-)?sqlite3?:(?:\/\/)?(.+)$/.exec(persistence)?.[1]
  if (file !== undefined && file !== ':memory:' && !existsSync(file)) {
    throw new UsageError(`there is no database yet: ${file}`, {
      hint: 'make it with zagflow db migrate; the first command that needs it does so by itself, too',
    })
  }
  return sharedStore(context).schemaStatus()
}

function sharedStore(context: Context): Store {
  if (context.settings.persistence.startsWith('memory:')) {
    throw new UsageError('memory: has no schema', { hint: 'set ZAGFLOW_PERSISTENCE' })
  }
  return context.unstartedStore()
}

function lastOf({ applied }: SchemaStatus): string {
  return applied.at(-1) ?? 'nothing'
}
