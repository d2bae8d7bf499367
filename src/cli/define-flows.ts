/** Commands about flows: check, draw, register. */
import { Option } from 'commander'
import type { GraphFlags } from './commands/flow.ts'
import { tasksOption } from './define-running.ts'
import type { Definer } from './definer.ts'

export function defineFlows({ command, group }: Definer): void {
  const flow = group(
    'flow',
    'Checks, draws and registers flows.',
    `zagflow flow check checkout.yaml --tasks ./tasks.ts
zagflow flow graph checkout.yaml --format dot | dot -Tsvg > checkout.svg`,
  )
  command(
    flow,
    'check',
    'Checks flows, and says where what is wrong.',
    'zagflow flow check flows/*.yaml --tasks ./tasks.ts',
    [tasksOption()],
    async () => {
      const { checkCommand } = await import('./commands/flow.ts')
      return (context, given) => checkCommand(context, given)
    },
  ).argument('<flow...>', 'Files, or module.ts#export.')
  command<GraphFlags>(
    flow,
    'graph',
    'Draws a flow, in Mermaid or DOT.',
    'zagflow flow graph checkout.yaml --format dot | dot -Tsvg > checkout.svg',
    [
      tasksOption(),
      new Option('-f, --format <format>', 'The drawing.')
        .choices(['mermaid', 'dot', 'tree'])
        .default('mermaid'),
    ],
    async () => {
      const { graphCommand } = await import('./commands/flow.ts')
      return (context, [reference = ''], flags) => graphCommand(context, reference, flags)
    },
  ).argument('<flow>', 'A file, module.ts#export, or a registered name[@version].')
  command(
    flow,
    'schema',
    'Prints the JSON Schema of flow documents, for editors.',
    'zagflow flow schema > flow.schema.json',
    [],
    async () => {
      const { schemaCommand } = await import('./commands/flow.ts')
      return (context) => schemaCommand(context)
    },
  )
  command(
    flow,
    'register',
    'Keeps a flow under its name; a new version where its content changed.',
    'zagflow flow register checkout.yaml',
    [tasksOption()],
    async () => {
      const { registerCommand } = await import('./commands/flow.ts')
      return (context, given) => registerCommand(context, given)
    },
  ).argument('<flow...>', 'Files, or module.ts#export.')
  command(
    flow,
    'list',
    'Lists registered flows, or the versions of one.',
    'zagflow flow list checkout',
    [],
    async () => {
      const { listCommand } = await import('./commands/flow.ts')
      return (context, [name]) => listCommand(context, name)
    },
  ).argument('[name]', 'Of a flow.')
  command(
    flow,
    'show',
    'Shows a flow: its input, its tree and its document.',
    'zagflow flow show checkout@2',
    [tasksOption()],
    async () => {
      const { showCommand } = await import('./commands/flow.ts')
      return (context, [reference = '']) => showCommand(context, reference)
    },
  ).argument('<flow>', 'A file, module.ts#export, or a registered name[@version].')
}
