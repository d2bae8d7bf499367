/** `zagflow flow …`: what flows are, without running them. */
import { composeIssue, InvalidFlowError, ZagflowError } from '../../base/errors.ts'
import { didYouMean } from '../../base/did-you-mean.ts'
import { sourceOf, prepare, type PreparedFlow } from '../../posting/prepare.ts'
import { drawDot, drawMermaid } from '../../flow/draw.ts'
import { flowJsonSchema } from '../../flow/json-schema.ts'
import type { Context } from '../context.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { errorData } from '../fail.ts'
import { findFlow, type FoundFlow } from '../flow-source.ts'
import { flowText, flowTable } from '../printing/flows.ts'
import { drawTree } from '../printing/tree.ts'
import { count } from '../printing/text.ts'

export interface GraphFlags {
  readonly format: 'mermaid' | 'dot' | 'tree'
}

/** `zagflow flow check FLOW…`: all of them, however many are wrong. */
export async function checkCommand(
  context: Context,
  references: readonly string[],
): Promise<ExitCode> {
  const { terminal } = context
  const reports: unknown[] = []
  let wrong = 0
  for (const reference of references) {
    try {
      const { prepared } = await prepareFlow(context, reference)
      const { document, documentHash } = prepared
      const tasks = countTasks(document.root)
      reports.push({ flow: document.flow, from: reference, ok: true, tasks, hash: documentHash })
      if (!terminal.json) {
        const { paint } = terminal
        terminal.print(
          `${paint.green('✔')} ${reference}: ${document.flow}, ${count(tasks, 'task')} ${paint.dim(documentHash.slice(0, 12))}`,
        )
      }
    } catch (error) {
      if (!(error instanceof ZagflowError)) throw error
      wrong += 1
      reports.push({ from: reference, ok: false, error: errorData(error) })
      if (!terminal.json)
        terminal.print(`${terminal.paint.red('✘')} ${checkText(reference, error)}`)
    }
  }
  if (terminal.json) terminal.data(reports)
  return wrong === 0 ? EXIT.done : EXIT.usage
}

/** One line a problem, `file:line:column …`, as editors and CI read it. */
function checkText(reference: string, error: ZagflowError): string {
  if (!(error instanceof InvalidFlowError)) return `${reference}: ${error.message}`
  return error.issues.map((issue) => composeIssue(issue, error.source ?? reference)).join('\n  ')
}

/** `zagflow flow graph FLOW` */
export async function graphCommand(
  context: Context,
  reference: string,
  { format }: GraphFlags,
): Promise<ExitCode> {
  const { terminal } = context
  const { prepared } = await prepareFlow(context, reference)
  const { document } = prepared
  const drawing = {
    mermaid: () => drawMermaid(document),
    dot: () => drawDot(document),
    tree: () => drawTree(document, terminal.paint),
  }[format]()
  if (terminal.json) terminal.data({ flow: document.flow, format, drawing })
  else terminal.print(drawing.trimEnd())
  return EXIT.done
}

/** `zagflow flow schema` */
export async function schemaCommand({ terminal }: Context): Promise<ExitCode> {
  terminal.data(flowJsonSchema())
  return EXIT.done
}

/** `zagflow flow register FLOW…` */
export async function registerCommand(
  context: Context,
  references: readonly string[],
): Promise<ExitCode> {
  const { terminal } = context
  const sources = []
  // All are checked before one is kept.
  for (const reference of references) {
    const found = await find(context, reference, false)
    sources.push({ reference, source: sourceOf(found.flow) })
  }
  const zag = await context.connection()
  const made: unknown[] = []
  for (const { source } of sources) {
    const before = await zag.flows(source.flow)
    const version = await zag.register(source)
    const isNew = !before.some((one) => one.version === version.version)
    made.push({ ...version, isNew })
    if (!terminal.json) {
      terminal.print(
        `${version.name}@${version.version} ${isNew ? 'registered' : 'was registered already'} ${terminal.paint.dim(version.hash.slice(0, 12))}`,
      )
    }
  }
  if (terminal.json) terminal.data(made)
  return EXIT.done
}

/** `zagflow flow list [NAME]` */
export async function listCommand(context: Context, name: string | undefined): Promise<ExitCode> {
  const { terminal } = context
  const zag = await context.connection()
  const flows = await zag.flows(name)
  if (terminal.json) terminal.data(flows)
  else if (flows.length > 0) terminal.print(flowTable(flows, Date.now(), terminal))
  else if (name === undefined)
    terminal.say('No flow is registered. Register one: zagflow flow register FILE')
  else {
    const names = new Set((await zag.flows()).map((flow) => flow.name))
    const hint = didYouMean(name, names)
    terminal.say(`No flow "${name}" is registered.${hint === undefined ? '' : ` ${hint}`}`)
  }
  return flows.length === 0 && name !== undefined ? EXIT.usage : EXIT.done
}

/** `zagflow flow show FLOW` */
export async function showCommand(context: Context, reference: string): Promise<ExitCode> {
  const { terminal } = context
  const found = await find(context, reference, true)
  const source = sourceOf(found.flow)
  let prepared: PreparedFlow | undefined
  let problem: string | undefined
  try {
    prepared = prepare(source, found.tasks.signatures())
  } catch (error) {
    // A registered flow may name tasks that are not at hand: its document is shown nevertheless.
    if (!(error instanceof InvalidFlowError)) throw error
    problem = error.message
  }
  if (terminal.json) {
    terminal.data({
      source,
      ...(prepared === undefined ? { problem } : { document: prepared.document }),
    })
    return EXIT.done
  }
  terminal.say(terminal.talk.dim(`flow: ${found.described}`))
  if (prepared !== undefined) {
    terminal.print(flowText(prepared, terminal.paint))
    return EXIT.done
  }
  terminal.print(JSON.stringify(source, null, 2))
  terminal.say('This is its source; for its tree, name the module of its tasks with --tasks.')
  terminal.say(terminal.talk.dim(problem?.split('\n').slice(0, 3).join('\n') ?? ''))
  return EXIT.done
}

async function prepareFlow(
  context: Context,
  reference: string,
): Promise<{ readonly found: FoundFlow; readonly prepared: PreparedFlow }> {
  const found = await find(context, reference, true)
  return { found, prepared: prepare(sourceOf(found.flow), found.tasks.signatures()) }
}

function find(context: Context, reference: string, takesTasks: boolean): Promise<FoundFlow> {
  const { settings, registered } = context
  return findFlow(reference, { modules: settings.tasks, takesTasks, registered })
}

function countTasks(node: PreparedFlow['document']['root']['nodes'][number]): number {
  return node.kind === 'task' ? 1 : node.nodes.reduce((sum, child) => sum + countTasks(child), 0)
}
