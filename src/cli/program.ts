/** The tree of commands: names, options and help. Bodies are imported when they are called, because help must be quick. */
import { Command, CommanderError, Option } from 'commander'
import type { CommonFlags } from './context.ts'
import { examples, type Definer } from './definer.ts'
import { defineBroker } from './define-broker.ts'
import { defineDatabase } from './define-database.ts'
import { defineFlows } from './define-flows.ts'
import { defineJobs } from './define-jobs.ts'
import { defineProcesses } from './define-processes.ts'
import { defineSchedules } from './define-schedules.ts'
import { defineRunning } from './define-running.ts'
import { EXIT, type ExitCode } from './exit-codes.ts'
import { LOG_LEVELS } from './settings/names.ts'
import type { Terminal } from './terminal.ts'
import { packageVersion } from './version.ts'

/** The program, and the function that runs it and says its exit code. */
export function createProgram(terminal: Terminal): {
  readonly program: Command
  parse(argv: readonly string[]): Promise<ExitCode>
} {
  let exitCode: ExitCode = EXIT.done
  const program = new Command('zagflow')
  program
    .description(
      'Runs work that must finish: flows of tasks that resume after any crash, or are reverted.',
    )
    .usage('<command> [options]')
    .helpCommand('help [command]', 'Shows how a command is used.')
    .addHelpText('after', examples(PROGRAM_EXAMPLES))
    .version(packageVersion(), '-V, --version', 'Prints the version.')
    .helpOption('-h, --help', 'Shows this.')
    .showHelpAfterError('See how it is used: zagflow help')
    .configureHelp({ optionDescription: describe })
    .exitOverride()
  const definer: Definer = {
    command(parent, usage, about, example, options, body) {
      const command = parent.command(usage).description(about)
      command.helpOption('-h, --help', 'Shows this.').exitOverride()
      for (const option of options) command.addOption(option)
      for (const option of commonOptions()) command.addOption(option)
      command.addHelpText('after', examples(example))
      command.showHelpAfterError(`See how it is used: zagflow help ${pathOf(command)}`)
      return command.action(async (...all: readonly unknown[]) => {
        const given = command.args
        const flags = command.opts<CommonFlags & { json?: boolean; color?: boolean }>()
        terminal.json = flags.json === true
        if (flags.color === false) terminal.withoutColour()
        void all
        const { runBody } = await import('./run-body.ts')
        exitCode = await runBody(terminal, flags, await body(), given)
      })
    },
    group(name, about, example) {
      const group = program.command(name).description(about).exitOverride()
      group.helpOption('-h, --help', 'Shows this.').helpCommand(false)
      group.usage('<command> [options]').addHelpText('after', examples(example))
      return group.showHelpAfterError(`See how it is used: zagflow help ${name}`)
    },
  }
  defineRunning(program, definer)
  defineProcesses(program, definer)
  defineJobs(definer)
  defineSchedules(definer)
  defineBroker(program, definer)
  defineFlows(definer)
  defineDatabase(program, definer)
  return {
    program,
    async parse(argv) {
      try {
        await program.parseAsync(withHelp(argv))
        return exitCode
      } catch (error) {
        if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.done : EXIT.usage
        const { sayError } = await import('./run-body.ts')
        return sayError(terminal, error)
      }
    },
  }
}

const PROGRAM_EXAMPLES = `zagflow run checkout.yaml --set sku=A1 --set quantity=2
zagflow dev --tasks ./tasks.ts
zagflow post checkout.yaml --set sku=A1 --wait`

/** `help jobs list` as `jobs list --help`: commander's own help knows no commands of commands. */
function withHelp(argv: readonly string[]): readonly string[] {
  const [node = '', program = '', first, ...rest] = argv
  return first === 'help' && rest.length > 1 ? [node, program, ...rest, '--help'] : argv
}

/** What an option is for; choices and defaults beside it, where they say something. */
function describe({ description, argChoices, defaultValue }: Option): string {
  const more: string[] = []
  if (argChoices !== undefined) more.push(argChoices.join(', '))
  const isSaid = typeof defaultValue === 'string' || typeof defaultValue === 'number'
  if (isSaid) more.push(`default ${defaultValue}`)
  return more.length === 0 ? description : `${description} (${more.join('; ')})`
}

function pathOf(command: Command): string {
  const parent = command.parent
  return parent === null || parent.parent === null
    ? command.name()
    : `${pathOf(parent)} ${command.name()}`
}

/** What every command takes. */
function commonOptions(): readonly Option[] {
  return [
    new Option('--json', 'Data as JSON on stdout; talk goes to stderr.'),
    new Option('--persistence <url>', 'The database: sqlite:FILE or postgres://….'),
    new Option('--board <url>', 'The board: sql:, sql:NAME or zookeeper://HOSTS/CHROOT.'),
    new Option('--broker <url>', 'The broker: amqp://… or amqps://…, several with commas.'),
    new Option('--namespace <name>', 'Prefix of the tables, queues and exchanges.'),
    new Option('--config <file>', 'Settings. Default: zagflow.config.{ts,js,json,yaml}.'),
    new Option('--log <level>', `How much is logged: ${LOG_LEVELS.join(', ')}.`),
    new Option('--no-color', 'No colours.'),
  ].map((option) => option.helpGroup('Options of every command:'))
}
