/** Commands about workers, and about what the broker holds. */
import { Option, type Command } from 'commander'
import type { DeadListFlags, DeadPurgeFlags, DeadRequeueFlags } from './commands/dead.ts'
import { wholeNumber } from './numbers.ts'
import type { Definer } from './definer.ts'

const LETTER = 'Its id, as `dead list` prints it.'

export function defineBroker(program: Command, { command, group }: Definer): void {
  command(
    program,
    'workers',
    'Shows the workers that live: what they serve, and how busy they are.',
    'zagflow workers --json',
    [],
    async () => {
      const { workersCommand } = await import('./commands/workers.ts')
      return (context) => workersCommand(context)
    },
  )
  const dead = group(
    'dead',
    'Looks at messages that nobody could use, and sends them back or removes them.',
    `zagflow dead list
zagflow dead show 3f9a0c1d22b7
zagflow dead requeue --all`,
  )
  command<DeadListFlags>(
    dead,
    'list',
    'Lists them, the newest first, without what is in them.',
    'zagflow dead list --limit 20',
    [
      new Option('-n, --limit <number>', 'At most so many.')
        .argParser(wholeNumber(1, 10_000))
        .default(50),
    ],
    async () => {
      const { deadListCommand } = await import('./commands/dead.ts')
      return (context, _, flags) => deadListCommand(context, flags)
    },
  )
  command(
    dead,
    'show',
    'Shows all of one: headers, and the body, which may hold data of your users.',
    'zagflow dead show 3f9a0c1d22b7',
    [],
    async () => {
      const { deadShowCommand } = await import('./commands/dead.ts')
      return (context, [id = '']) => deadShowCommand(context, id)
    },
  ).argument('<id>', LETTER)
  command<DeadRequeueFlags>(
    dead,
    'requeue',
    'Sends them back to where they came from, once the cause is mended.',
    `zagflow dead requeue 3f9a0c1d22b7
zagflow dead requeue --all`,
    [new Option('--all', 'All of them.')],
    async () => {
      const { deadRequeueCommand } = await import('./commands/dead.ts')
      return (context, ids, flags) => deadRequeueCommand(context, ids, flags)
    },
  ).argument('[id...]', LETTER)
  command<DeadPurgeFlags>(
    dead,
    'purge',
    'Removes them for good, but for requests that jobs still wait for.',
    `zagflow dead purge 3f9a0c1d22b7 --yes
zagflow dead purge --all --yes`,
    [
      new Option('--all', 'All of them.'),
      new Option('--yes', 'Does it; without, it only says what would be removed.'),
    ],
    async () => {
      const { deadPurgeCommand } = await import('./commands/dead.ts')
      return (context, ids, flags) => deadPurgeCommand(context, ids, flags)
    },
  ).argument('[id...]', LETTER)
}
