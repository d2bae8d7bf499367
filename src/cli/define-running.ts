/** Commands that run and post flows. */
import { Option, type Command } from 'commander'
import type { RunFlags } from './commands/run.ts'
import type { PostFlags } from './commands/post.ts'
import { wholeNumber } from './numbers.ts'
import { repeated, type Definer } from './definer.ts'

const FLOW = 'A file (.yaml, .json), module.ts#export, or a registered name[@version].'

export function defineRunning(program: Command, { command }: Definer): void {
  command<RunFlags>(
    program,
    'run',
    'Runs a flow here to its end, durably, and shows how it goes on.',
    `zagflow run checkout.yaml --tasks ./tasks.ts --set sku=A1 --set quantity=2
zagflow run ./flows.ts#checkout --input @order.json --json
zagflow run --resume 019aa3f2-7c1e --tasks ./tasks.ts`,
    [
      ...inputOptions(),
      tasksOption(),
      ...engineOptions(),
      new Option('--dry-run', 'Checks flow, tasks and input, and runs nothing.'),
      new Option('--resume <job>', 'Goes on with a run that was suspended or killed.'),
      new Option('--key <key>', 'The same flow, input and key again is the same run.'),
      repeated('--label <name=value>', 'A label to search by; any number of times.'),
      new Option('-q, --quiet', 'Does not show how it goes on.'),
    ],
    async () => {
      const { runCommand } = await import('./commands/run.ts')
      return (context, [flow], flags) => runCommand(context, flow, flags)
    },
  ).argument('[flow]', FLOW)

  command<PostFlags>(
    program,
    'post',
    'Posts a job, to be run by conductors.',
    `zagflow post checkout.yaml --set sku=A1 --key "order 17" --label team=web
zagflow post checkout@2 --input @order.json --delay 5m
zagflow post ./flows.ts#checkout --set sku=A1 --wait`,
    [
      ...inputOptions(),
      tasksOption(),
      new Option('--priority <number>', 'Bigger is run first, -1000 to 1000.').argParser(
        wholeNumber(-1000, 1000),
      ),
      new Option('--delay <duration>', 'It starts that much later: 5s, 1h30m.').conflicts('at'),
      new Option('--at <time>', 'It starts then: 2030-01-31T12:00:00Z.'),
      new Option('--key <key>', 'Its name: the same flow, input and key again is the same job.'),
      repeated('--label <name=value>', 'A label to search by; any number of times.'),
      new Option('--wait', 'Waits for its end, shows how it goes on, prints the output.'),
      new Option('-q, --quiet', 'Does not show how it goes on.'),
    ],
    async () => {
      const { postCommand } = await import('./commands/post.ts')
      return (context, [flow = ''], flags) => postCommand(context, flow, flags)
    },
  ).argument('<flow>', FLOW)
}

/** `--input` and `--set`. */
export function inputOptions(): readonly Option[] {
  return [
    new Option('-i, --input <json>', 'The input: JSON, @file (JSON or YAML), or @- for stdin.'),
    repeated('-s, --set <path=value>', 'One value of it, over --input; any number of times.'),
  ]
}

export function tasksOption(): Option {
  return new Option('-t, --tasks <module>', 'A module with tasks; any number of times.').argParser(
    (value: string, before: readonly string[] | undefined) => [...(before ?? []), value],
  )
}

export function engineOptions(): readonly Option[] {
  return [
    new Option(
      '--engine <engine>',
      'serial and parallel run tasks here, worker-based on workers. Default: as the broker is set.',
    ),
    new Option('--concurrency <number>', 'Tasks that run at once here. Default: 100.').argParser(
      wholeNumber(1),
    ),
  ]
}
