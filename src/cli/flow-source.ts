/** What FLOW on the command line is: a file, an export of a module, or a registered name. */
import { existsSync, readFileSync, statSync } from 'node:fs'
import path from 'node:path'
import { didYouMean } from '../base/did-you-mean.ts'
import { UsageError } from '../base/errors.ts'
import type { SourceDocument } from '../flow/document.ts'
import { loadFlow } from '../flow/load.ts'
import type { Runnable } from '../flow/runnable.ts'
import { isRunnable } from '../posting/prepare.ts'
import { moduleUrl } from '../worker/load-module.ts'
import type { TaskRegistry } from '../worker/registry.ts'
import { exportsOf, importModule, loadTasks, refuseMissing } from './modules.ts'

/** A flow that was found, with the tasks that came with it. */
export interface FoundFlow {
  readonly flow: Runnable | SourceDocument
  /** The `name` or `name@version`, where it is a registered one. */
  readonly registeredAs?: string | undefined
  /** Which it is, for a person: `the file checkout.yaml`. */
  readonly described: string
  /** Its own tasks, and those that were given. */
  readonly tasks: TaskRegistry
  /** Modules to give with `--tasks` when it is to go on later. */
  readonly modules: readonly string[]
}

export interface FindOptions {
  /** Modules given with `--tasks` or in settings. */
  readonly modules: readonly string[]
  /** Whether a file may name its tasks: for commands that run it here. */
  readonly takesTasks: boolean
  /** Finds a registered flow. Only asked when no file is meant. */
  readonly registered: (reference: string) => Promise<SourceDocument>
}

const DOCUMENT = /\.(ya?ml|json)$/i
const MODULE = /\.[cm]?[jt]sx?$/i

/** Finds a flow; a file wins. Throws {@link UsageError}, {@link InvalidFlowError}, {@link NotFoundError}. */
export async function findFlow(reference: string, options: FindOptions): Promise<FoundFlow> {
  const hash = reference.lastIndexOf('#')
  const file = hash === -1 ? reference : reference.slice(0, hash)
  const exported = hash === -1 ? undefined : reference.slice(hash + 1)
  if (MODULE.test(file)) return fromModule(file, exported, options)
  const isFile = existsSync(reference) && statSync(reference).isFile()
  if (isFile || DOCUMENT.test(reference)) return fromDocument(reference, options)
  if (/[/\\]/.test(reference)) refuseMissing(path.resolve(reference), reference, 'the flow')
  return {
    flow: await options.registered(reference),
    registeredAs: reference,
    described: `the registered flow ${reference}`,
    tasks: await loadTasks(options.modules),
    modules: options.modules,
  }
}

async function fromDocument(file: string, options: FindOptions): Promise<FoundFlow> {
  refuseMissing(path.resolve(file), file, 'the flow')
  const { document, tasks } = loadFlow(readText(file), {
    name: file,
    tasks: options.takesTasks ? 'take' : 'refuse',
  })
  const folder = path.dirname(file)
  const own = tasks.map((one) => (isPath(one) ? relative(path.join(folder, one)) : one))
  const modules = [...new Set([...options.modules, ...own])]
  return { flow: document, described: `the file ${file}`, tasks: await loadTasks(modules), modules }
}

/** The text of a file; one that is not UTF-8 has characters that `loadFlow` refuses. */
function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new UsageError(`${file} cannot be read: ${reason}`, { cause: error })
  }
}

async function fromModule(
  file: string,
  exported: string | undefined,
  options: FindOptions,
): Promise<FoundFlow> {
  const module = await importModule(file, 'the flow')
  const flows = Object.entries(exportsOf(module)).filter(([, value]) => isRunnable(value))
  // A default export may be the same flow again.
  const names = flows.map(([name]) => name)
  const distinct = new Set(flows.map(([, value]) => value))
  const wanted = exported ?? (distinct.size === 1 ? names[0] : undefined)
  const found = flows.find(([name]) => name === wanted)?.[1]
  if (wanted === undefined || !isRunnable(found)) {
    throw new UsageError(
      wanted === undefined
        ? `${file} exports ${names.length === 0 ? 'no flow' : 'several flows'}`
        : `${file} exports no flow "${wanted}"`,
      {
        hint:
          names.length === 0
            ? 'write: export const checkout = flow("checkout", { … }, [ … ])'
            : ((wanted === undefined ? undefined : didYouMean(wanted, names)) ??
              `write ${names
                .slice(0, 8)
                .map((name) => `${file}#${name}`)
                .join(' or ')}`),
      },
    )
  }
  const tasks = await loadTasks(options.modules)
  tasks.add(module, { module: moduleUrl(file) })
  tasks.add(found, { module: moduleUrl(file) })
  const modules = [...new Set([...options.modules, file])]
  return { flow: found, described: `${wanted} of ${file}`, tasks, modules }
}

function isPath(module: string): boolean {
  return !/^[a-z][a-z+.-]+:/i.test(module)
}

/** A path as a person would write it from here. */
function relative(file: string): string {
  const short = path.relative('.', file)
  return short.startsWith('..') || path.isAbsolute(short) ? path.resolve(file) : `./${short}`
}
