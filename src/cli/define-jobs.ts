/** Commands that look at jobs and steer them. */
import { Option } from 'commander'
import type { HistoryFlags, ListFlags, WatchFlags } from './commands/jobs.ts'
import type { RetryFlags, RevertFlags, SteerFlags } from './commands/steer.ts'
import { wholeNumber } from './numbers.ts'
import type { Body } from './body.ts'
import { repeated, type Definer } from './definer.ts'

const JOB = 'Its id, the beginning of its id, or its key.'

export function defineJobs({ command, group }: Definer): void {
  const jobs = group(
    'jobs',
    'Looks at jobs and steers them.',
    `zagflow jobs list --state REVERTED --flow checkout --newer-than 1d
zagflow jobs show 019aa3f2-7c1e
zagflow jobs cancel 019aa3f2-7c1e --reason "ordered twice"`,
  )
  command<ListFlags>(
    jobs,
    'list',
    'Finds jobs, newest first.',
    `zagflow jobs list --state TRASHED --state PARKED
zagflow jobs list --flow checkout --where 'quantity > 10 && sku != "A1"' --label team=web --newer-than 7d
zagflow jobs list --owner worker-host-3 --json`,
    [
      ...filterOptions(),
      new Option('--oldest-first', 'The oldest first.'),
      new Option('-n, --limit <number>', 'At most so many.')
        .argParser(wholeNumber(1, 10_000))
        .default(50),
      new Option('--after <cursor>', 'The next page: the cursor that the last one printed.'),
    ],
    async () => {
      const { listCommand } = await import('./commands/jobs.ts')
      return (context, _, flags) => listCommand(context, flags)
    },
  )
  command(
    jobs,
    'show',
    'Shows a job: its flow as a tree, each atom with its state, attempts and failures.',
    'zagflow jobs show 019aa3f2-7c1e',
    [],
    async () => {
      const { showCommand } = await import('./commands/jobs.ts')
      return (context, [job = '']) => showCommand(context, job)
    },
  ).argument('<job>', JOB)
  command<WatchFlags>(
    jobs,
    'watch',
    'Shows how a job goes on, to its end; Ctrl-C ends the watching, not the job.',
    'zagflow jobs watch 019aa3f2-7c1e --json',
    [new Option('--after <number>', 'Only events after this number.').argParser(wholeNumber(0))],
    async () => {
      const { watchCommand } = await import('./commands/jobs.ts')
      return (context, [job = ''], flags) => watchCommand(context, job, flags)
    },
  ).argument('<job>', JOB)
  command<HistoryFlags>(
    jobs,
    'history',
    'Prints what happened to a job, oldest first.',
    'zagflow jobs history 019aa3f2-7c1e --limit 1000',
    [
      new Option('--after <number>', 'Only events after this number.').argParser(wholeNumber(0)),
      new Option('-n, --limit <number>', 'At most so many.')
        .argParser(wholeNumber(1, 100_000))
        .default(1_000),
    ],
    async () => {
      const { historyCommand } = await import('./commands/jobs.ts')
      return (context, [job = ''], flags) => historyCommand(context, job, flags)
    },
  ).argument('<job>', JOB)
  const reason = new Option('--reason <text>', 'Why, for the record.')
  command<SteerFlags>(
    jobs,
    'cancel',
    'Cancels jobs: what ran is reverted. Of those that filters find, all that have not ended.',
    `zagflow jobs cancel 019aa3f2-7c1e --reason "ordered twice"
zagflow jobs cancel --flow checkout --where 'quantity > 100' --dry-run`,
    [reason, ...bulkOptions()],
    steering('cancel'),
  ).argument('[job...]', JOB)
  command<SteerFlags>(
    jobs,
    'suspend',
    'Lets what runs end, and starts nothing more until it is resumed.',
    `zagflow jobs suspend 019aa3f2-7c1e
zagflow jobs suspend --flow checkout --label team=web --yes`,
    [reason, ...bulkOptions()],
    steering('suspend'),
  ).argument('[job...]', JOB)
  command<SteerFlags>(
    jobs,
    'resume',
    'Lets suspended jobs go on.',
    `zagflow jobs resume 019aa3f2-7c1e
zagflow jobs resume --flow checkout --yes`,
    bulkOptions(),
    steering('resume'),
  ).argument('[job...]', JOB)
  command<RetryFlags>(
    jobs,
    'retry',
    `Runs jobs that have ended again: from their start, or from where they failed. Of those that filters find, the failed and reverted ones.`,
    `zagflow jobs retry 019aa3f2-7c1e --from-failed
zagflow jobs retry 019aa3f2-7c1e --set quantity=1
zagflow jobs retry --flow checkout --newer-than 1d --from-failed --dry-run`,
    [
      new Option(
        '--from-failed',
        'Keeps what succeeded and was not taken back, with its results; the rest runs again.',
      ).conflicts('fromStart'),
      new Option('--from-start', 'Runs all of it again. This is the default.'),
      new Option(
        '-i, --input <json>',
        'Another input: JSON, @file (JSON or YAML), or @- for stdin. With --from-failed, what is kept keeps the results that it gave for the old one.',
      ),
      repeated(
        '-s, --set <path=value>',
        'One value over the input that each had, or over --input.',
      ),
      ...bulkOptions(),
    ],
    async () => {
      const { retryCommand } = await import('./commands/steer.ts')
      return (context, given, flags) => retryCommand(context, given, flags)
    },
  ).argument('[job...]', JOB)
  command<RevertFlags>(
    jobs,
    'revert',
    'Decides about a revert that failed: tries it again, or takes it as done.',
    'zagflow jobs revert 019aa3f2-7c1e checkout/payment.charge --again',
    [
      new Option('--again', 'Tries the revert again.').conflicts('skip'),
      new Option('--skip', 'Takes it as reverted: somebody did it by hand.'),
    ],
    async () => {
      const { revertCommand } = await import('./commands/steer.ts')
      return (context, [job = '', atom = ''], flags) => revertCommand(context, job, atom, flags)
    },
  )
    .argument('<job>', JOB)
    .argument('<atom>', 'Its path, as `jobs show` prints it.')
  command(
    jobs,
    'release',
    'Makes a job in the trash, or on probation, claimable again.',
    'zagflow jobs release 019aa3f2-7c1e',
    [],
    async () => {
      const { releaseCommand } = await import('./commands/steer.ts')
      return (context, [job = '']) => releaseCommand(context, job)
    },
  ).argument('<job>', JOB)
}

function steering(wish: 'cancel' | 'suspend' | 'resume'): () => Promise<Body<SteerFlags>> {
  return async () => {
    const { steerCommand } = await import('./commands/steer.ts')
    return (context, given, flags) => steerCommand(context, wish, given, flags)
  }
}

/** Which jobs. */
function filterOptions(): readonly Option[] {
  return [
    repeated('--state <state>', 'Of the job or its flow: UNCLAIMED, RUNNING, REVERTED, …'),
    new Option('--flow <name>', 'Of this flow.'),
    repeated('--label <name=value>', 'With this label.'),
    repeated(
      '--where <condition>',
      `For whose input this holds: symbol=value, or an expression (CEL) such as 'quantity > 10'.`,
    ),
    new Option('--owner <conductor>', 'That this conductor works on now: its name or id.'),
    new Option('--key <key>', 'With this key.'),
    new Option('--newer-than <duration>', 'Posted since: 1h, 7d.'),
    new Option('--older-than <duration>', 'Posted before.'),
    new Option(
      '--scan <number>',
      'Looks at so many jobs at most for an expression. Default: 100000.',
    ).argParser(wholeNumber(1, 10_000_000)),
  ]
}

/** Filters, and how they are acted on. */
function bulkOptions(): readonly Option[] {
  return [
    ...filterOptions(),
    new Option('-n, --limit <number>', 'At most so many, the oldest first.').argParser(
      wholeNumber(1, 1_000_000),
    ),
    new Option('--dry-run', 'Says what would be done, and does nothing.'),
    new Option(
      '-y, --yes',
      'Does not ask. Needed where filters find the jobs and nobody can be asked.',
    ),
  ]
}
