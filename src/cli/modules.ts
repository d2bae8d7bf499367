/** Modules of the user's: imported as they are, TypeScript too, with errors that say what to do. */
import { existsSync, readdirSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { didYouMean } from '../base/did-you-mean.ts'
import { UsageError, ZagflowError } from '../base/errors.ts'
import { TaskRegistry } from '../worker/registry.ts'
import { loadModule, moduleUrl } from '../worker/load-module.ts'

/** A module's exports by name. */
export type Exports = { readonly [name: string]: unknown }

/** Imports a module by its path or URL. Throws {@link UsageError}; `what` says what is wanted of it: `the tasks`. */
export async function importModule(module: string, what: string): Promise<unknown> {
  const url = moduleUrl(module)
  if (url.startsWith('file:')) refuseMissing(fileURLToPath(url), module, what)
  try {
    return await loadModule(url)
  } catch (error) {
    if (error instanceof ZagflowError) throw error
    throw new UsageError(`${what} cannot be loaded from ${module}: ${reasonOf(error)}`, {
      hint: hintFor(error),
      cause: error,
    })
  }
}

/** What a module exports, by name. */
export function exportsOf(module: unknown): Exports {
  return typeof module === 'object' && module !== null ? (module as Exports) : {}
}

/**
 * A registry of the tasks of modules, given by paths or URLs. Throws {@link UsageError} for a module that is not there, throws,
 * or has no tasks, {@link ConflictError} when two tasks have one name.
 */
export async function loadTasks(modules: readonly string[]): Promise<TaskRegistry> {
  const registry = new TaskRegistry()
  for (const module of new Set(modules)) {
    const exported = await importModule(module, 'tasks')
    const url = moduleUrl(module)
    const own = TaskRegistry.of(exported)
    if (own.tasks.length === 0 && own.strategies.size === 0) {
      const names = Object.keys(exportsOf(exported)).filter((name) => name !== '__esModule')
      throw new UsageError(
        `${module} exports no tasks${names.length === 0 ? '' : `; it exports ${names.slice(0, 12).join(', ')}`}`,
        { hint: 'write: export const reserve = task("reserve", { … })' },
      )
    }
    registry.add(exported, { module: url })
  }
  return registry
}

/** Says that a file is not there, and which was probably meant. */
export function refuseMissing(file: string, given: string, what: string): void {
  if (existsSync(file)) return
  const folder = path.dirname(file)
  const names = existsSync(folder) ? readdirSync(folder) : []
  throw new UsageError(`${what} cannot be loaded: there is no file ${given}`, {
    hint: didYouMean(path.basename(file), names),
  })
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  // The place in the user's own file; the rest of the stack is ours.
  const place = (error.stack ?? '')
    .split('\n')
    .find((line) => /^\s+at /.test(line) && !/node:|node_modules/.test(line))
  const name = error.name === 'Error' ? '' : `${error.name}: `
  const [first = ''] = error.message.split('\n')
  return `${name}${first}${place === undefined ? '' : ` (${place.trim()})`}`
}

function hintFor(error: unknown): string | undefined {
  const message = error instanceof Error ? error.message : ''
  const missing = /Cannot find (?:package|module) '([^'./][^']*)'/.exec(message)?.[1]
  if (missing === undefined) return undefined
  const name = missing
    .split('/')
    .slice(0, missing.startsWith('@') ? 2 : 1)
    .join('/')
  return `install it beside the module: npm install ${name}`
}
