import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { UsageError } from '../../base/errors.ts'
import { readValue } from '../../flow/read-value.ts'
import { exportsOf, importModule } from '../modules.ts'

const NAMES = ['ts', 'js', 'mjs', 'json', 'yaml', 'yml'].map((end) => `zagflow.config.${end}`)

/**
 * The settings' file: the one that is named, else `zagflow.config.{ts,js,mjs,json,yaml,yml}` of the folder, if there is one.
 * Paths of `tasks` in it are relative to it. Throws {@link UsageError}, {@link InvalidInputError}.
 */
export async function readSettingsFile(
  folder: string,
  named: string | undefined,
): Promise<{ readonly name: string; readonly values: unknown } | undefined> {
  const found =
    named === undefined ? NAMES.filter((name) => existsSync(path.join(folder, name))) : [named]
  const [name] = found
  if (name === undefined) return undefined
  if (found.length > 1) {
    throw new UsageError(`there are several files of settings: ${found.join(', ')}`, {
      hint: 'keep one, or name one with --config',
    })
  }
  const file = path.resolve(folder, name)
  if (!existsSync(file)) throw new UsageError(`--config: there is no file ${name}`)
  return { name, values: withPaths(await readFile(file, name), path.dirname(file)) }
}

async function readFile(file: string, name: string): Promise<unknown> {
  if (/\.(json|ya?ml)$/.test(name)) {
    const format = name.endsWith('.json') ? 'json' : 'yaml'
    return readValue(readFileSync(file, 'utf8'), { format, subject: name })
  }
  const module = exportsOf(await importModule(file, 'the settings'))
  if (!Object.hasOwn(module, 'default')) {
    throw new UsageError(`${name} has no default export`, {
      hint: 'write: export default { persistence: "…" }',
    })
  }
  return module['default']
}

function withPaths(values: unknown, folder: string): unknown {
  if (typeof values !== 'object' || values === null || !('tasks' in values)) return values
  const absolute = (one: unknown): unknown =>
    typeof one === 'string' && !/^[a-z][a-z+.-]+:/i.test(one) ? path.resolve(folder, one) : one
  const { tasks } = values
  return { ...values, tasks: Array.isArray(tasks) ? tasks.map(absolute) : absolute(tasks) }
}
