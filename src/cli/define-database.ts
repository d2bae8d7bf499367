/** Commands about the database, and the doctor. */
import { Option, type Command } from 'commander'
import type { PruneFlags } from './commands/database.ts'
import type { Definer } from './definer.ts'

export function defineDatabase(program: Command, { command, group }: Definer): void {
  const db = group(
    'db',
    'Prepares the database, and removes what is old.',
    'zagflow db migrate --persistence postgres://user@host/database',
  )
  command(
    db,
    'migrate',
    'Makes the tables, or brings them to this version.',
    'zagflow db migrate',
    [],
    async () => {
      const { migrateCommand } = await import('./commands/database.ts')
      return (context) => migrateCommand(context)
    },
  )
  command(
    db,
    'status',
    'Says which migrations there are; exit code 1 if some are missing.',
    'zagflow db status --json',
    [],
    async () => {
      const { statusCommand } = await import('./commands/database.ts')
      return (context) => statusCommand(context)
    },
  )
  command<PruneFlags>(
    db,
    'prune',
    'Deletes jobs that ended long ago, with all that is stored of them.',
    'zagflow db prune --older-than 30d --dry-run',
    [
      new Option('--older-than <duration>', 'Since their end: 30d, 12h.').makeOptionMandatory(),
      new Option('--dry-run', 'Only says how many there are.'),
    ],
    async () => {
      const { pruneCommand } = await import('./commands/database.ts')
      return (context, _, flags) => pruneCommand(context, flags)
    },
  )
  command(
    program,
    'doctor',
    'Looks at everything, and says what is wrong and how to mend it.',
    'zagflow doctor',
    [],
    async () => {
      const { doctorCommand } = await import('./doctor.ts')
      return (context) => doctorCommand(context)
    },
  )
}
