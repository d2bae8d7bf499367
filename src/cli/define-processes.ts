/** Commands that are processes of their own. */
import { Option, type Command } from 'commander'
import { engineOptions, tasksOption } from './define-running.ts'
import { wholeNumber } from './numbers.ts'
import type { WorkerFlags } from './commands/worker.ts'
import { repeated, type Definer } from './definer.ts'

export function defineProcesses(program: Command, { command }: Definer): void {
  command(
    program,
    'conductor',
    'Claims jobs and runs them; prints one line "ready". SIGTERM hands everything over.',
    `zagflow conductor --tasks ./tasks.ts --name blue --max-flows 500
ZAGFLOW_BROKER=amqp://localhost zagflow conductor     # tasks run on workers`,
    [tasksOption(), ...conductorOptions()],
    async () => {
      const { conductorCommand } = await import('./commands/conductor.ts')
      return (context) => conductorCommand(context)
    },
  )
  command(
    program,
    'conductors',
    'Shows the conductors that live: how busy they are, and which of them leads.',
    'zagflow conductors --json',
    [],
    async () => {
      const { conductorsCommand } = await import('./commands/conductors.ts')
      return (context) => conductorsCommand(context)
    },
  )
  command(
    program,
    'dev',
    'Everything in one process, tasks too: registers flows, runs what is posted, shows each step.',
    `zagflow dev --tasks ./tasks.ts
zagflow dev checkout.yaml          # in another terminal: zagflow post checkout --set sku=A1 --wait`,
    [tasksOption(), ...conductorOptions()],
    async () => {
      const { devCommand } = await import('./commands/conductor.ts')
      return (context, given) => devCommand(context, given)
    },
  ).argument('[flow...]', 'Files to register; their `tasks:` are loaded.')
  command<WorkerFlags>(
    program,
    'worker',
    'Runs tasks that conductors send through the broker; prints one line "ready". SIGTERM lets what runs end.',
    `zagflow worker --tasks ./tasks.ts --concurrency 16 --processes 4
zagflow worker --tasks ./video.ts --topic video --concurrency 2`,
    [
      tasksOption(),
      repeated('--topic <name>', 'A topic that it serves; any number of times. Default: default.'),
      new Option('--concurrency <number>', 'Tasks at once in each process. Default: 16.').argParser(
        wholeNumber(1),
      ),
      new Option('--processes <number>', 'Processes. Default: 1.').argParser(wholeNumber(1)),
      new Option('--name <name>', 'For people. Default: host, process id.'),
      new Option('--grace <duration>', 'What stopping takes at most. Default: 30s.'),
    ],
    async () => {
      const { workerCommand } = await import('./commands/worker.ts')
      return (context, _, flags) => workerCommand(context, flags)
    },
  )
}

function conductorOptions(): readonly Option[] {
  return [
    new Option('--name <name>', 'Unique among conductors. Default: host, process id.'),
    ...engineOptions(),
    new Option('--max-flows <number>', 'Flows in flight at once. Default: 1000.').argParser(
      wholeNumber(1),
    ),
    new Option(
      '--lease <duration>',
      "Without a sign of life for so long, its jobs are others'. Default: 10s.",
    ),
    new Option('--grace <duration>', 'What stopping takes at most. Default: 30s.'),
  ]
}
