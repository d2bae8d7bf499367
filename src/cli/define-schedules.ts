/** Commands about schedules: flows that are posted again and again. */
import { Option } from 'commander'
import type { AddFlags, JobsFlags, ListFlags, SyncFlags } from './commands/schedule.ts'
import { inputOptions, tasksOption } from './define-running.ts'
import { repeated, type Definer } from './definer.ts'
import { wholeNumber } from './numbers.ts'

const NAME = 'Its name.'

export function defineSchedules({ command, group }: Definer): void {
  const schedule = group(
    'schedule',
    'Posts flows again and again: cron, or every so often.',
    `zagflow schedule add nightly report.yaml --cron '30 2 * * *' --zone Europe/Berlin
zagflow schedule sync schedules.yaml --dry-run
zagflow schedule show nightly`,
  )
  command<AddFlags>(
    schedule,
    'add',
    'Adds a schedule; conductors post its ticks, each once.',
    `zagflow schedule add nightly report --cron '30 2 * * *' --zone Europe/Berlin --overlap skip
zagflow schedule add poll poll.yaml --every 30s --set 'since=\${{ tick.previous }}'`,
    [
      new Option(
        '--cron <fields>',
        'Minute hour day month weekday, seconds before them if wanted.',
      ),
      new Option('--every <duration>', 'Instead: so far apart, from 1s: 30s, 1h.'),
      new Option('--zone <name>', 'IANA time zone: Europe/Berlin. Default: UTC.'),
      new Option(
        '--start <time>',
        'No tick before: 2030-01-31T12:00:00Z, or in the zone 2030-01-31.',
      ),
      new Option('--end <time>', 'No tick at it or after it.'),
      new Option(
        '--overlap <policy>',
        'A tick while the last job has not ended: allow, skip or queue. Default: allow.',
      ),
      new Option('--max-queued <number>', 'With queue: ticks that wait. Default: 10.').argParser(
        wholeNumber(1),
      ),
      new Option(
        '--catch-up <policy>',
        'Ticks that were missed: none, last or all. Default: last.',
      ),
      new Option(
        '--max-catch-up <number>',
        'With all: the newest so many. Default: 100.',
      ).argParser(wholeNumber(1)),
      ...inputOptions(),
      tasksOption(),
      new Option('--priority <number>', 'Of its jobs; bigger is run first.').argParser(
        wholeNumber(-1000, 1000),
      ),
      repeated('--label <name=value>', 'Of its jobs; any number of times.'),
      new Option('--posted-by <who>', 'Who posts, for the record. Default: schedule and its name.'),
      new Option('--paused', 'It ticks when it is resumed.'),
      new Option('--replace', 'Changes one that is there with other content.'),
      new Option('--dry-run', 'Checks it and shows its next ticks; stores nothing.'),
    ],
    async () => {
      const { addCommand } = await import('./commands/schedule.ts')
      return (context, [name = '', flow = ''], flags) => addCommand(context, name, flow, flags)
    },
  )
    .argument('<name>', 'Unique on the board.')
    .argument('<flow>', 'A file, module.ts#export, or a registered name[@version].')
  command<ListFlags>(
    schedule,
    'list',
    'Lists schedules, and when they tick next.',
    'zagflow schedule list --group billing',
    [new Option('--group <name>', 'Those of this group.')],
    async () => {
      const { listCommand } = await import('./commands/schedule.ts')
      return (context, _, flags) => listCommand(context, flags)
    },
  )
  command<JobsFlags>(
    schedule,
    'show',
    'Shows a schedule: its next ticks in its zone, and its last jobs.',
    'zagflow schedule show nightly',
    [
      new Option('-n, --limit <number>', 'So many ticks and jobs.')
        .argParser(wholeNumber(1, 1000))
        .default(5),
    ],
    async () => {
      const { showCommand } = await import('./commands/schedule.ts')
      return (context, [name = ''], flags) => showCommand(context, name, flags)
    },
  ).argument('<name>', NAME)
  for (const [verb, about] of [
    ['pause', 'No tick until it is resumed; jobs that it posted go on.'],
    ['resume', 'Lets it tick again; what it missed is made up as its catch-up policy says.'],
    ['reset', 'Begins anew from now: what is due, missed or queued is forgotten.'],
    ['remove', 'Removes schedules; jobs that they posted stay.'],
  ] as const) {
    command(schedule, verb, about, `zagflow schedule ${verb} nightly`, [], async () => {
      const { steerCommand } = await import('./commands/schedule.ts')
      return (context, names) => steerCommand(context, verb, names)
    }).argument('<name...>', NAME)
  }
  command<SyncFlags>(
    schedule,
    'sync',
    'Makes a file of schedules true: adds, changes, and removes those of its group that it has no more.',
    `zagflow schedule sync schedules.yaml --dry-run
zagflow schedule sync schedules.yaml --tasks ./tasks.ts`,
    [tasksOption(), new Option('--dry-run', 'Checks all and shows what would be done.')],
    async () => {
      const { syncCommand } = await import('./commands/schedule.ts')
      return (context, [file = ''], flags) => syncCommand(context, file, flags)
    },
  ).argument('<file>', 'YAML or JSON with `group` and `schedules`.')
  command(
    schedule,
    'schema',
    'Prints the JSON Schema of files of schedules, for editors.',
    'zagflow schedule schema > schedules.schema.json',
    [],
    async () => {
      const { schemaCommand } = await import('./commands/schedule.ts')
      return (context) => schemaCommand(context)
    },
  )
}
