/**
 * The settings of the command line: flags, over the environment, over a file, over defaults. One schema for all of them.
 * Pure: sources come in as values.
 */
import { z } from 'zod'
import { didYouMean, nearest } from '../../base/did-you-mean.ts'
import { parseDuration, readDuration } from '../../base/durations.ts'
import { UsageError } from '../../base/errors.ts'
import {
  DEFAULT_PERSISTENCE,
  ENGINE_NAMES,
  ENVIRONMENT,
  LOG_LEVELS,
  type Settings,
  type SettingKey,
} from './names.ts'

const text = z.string().min(1)
const whole = z.int().min(1)
const duration = z.string().superRefine((value, context) => {
  const { problem, hint } = readDuration(value)
  if (problem !== undefined) context.addIssue({ code: 'custom', message: `${problem}; ${hint}` })
})

/** What a source may set. Durations are texts with a unit. */
const sourceSchema = z
  .strictObject({
    persistence: text,
    board: text,
    zookeeperUser: text,
    zookeeperPassword: text,
    zookeeperCa: text,
    zookeeperCert: text,
    zookeeperKey: text,
    broker: text,
    namespace: text,
    log: z.enum(LOG_LEVELS),
    tasks: z.union([text.transform((one) => [one]), z.array(text)]),
    engine: z.enum(ENGINE_NAMES),
    concurrency: whole,
    name: text,
    maxFlows: whole,
    lease: duration,
    grace: duration,
  })
  .partial()

type Source = z.infer<typeof sourceSchema>

/** Where settings come from, best first. */
export interface Sources {
  /** Of flags: undefined ones are not set. */
  readonly flags: { readonly [key in SettingKey]?: unknown }
  readonly environment: { readonly [name: string]: string | undefined }
  readonly file?: { readonly name: string; readonly values: unknown } | undefined
}

/** Settings, complete. Throws {@link UsageError} that names the source and the setting, and never shows a password. */
export function resolveSettings({ flags, environment, file }: Sources): Settings {
  const fromFlags = read('', flags, (key) => `--${dashed(key)}`)
  const fromEnvironment = readEnvironment(environment)
  const fromFile =
    file === undefined ? {} : read(`${file.name}: `, file.values, (key) => `${file.name}: ${key}`)
  const all: Source = { ...fromFile, ...fromEnvironment, ...fromFlags } // none of them has undefined values
  const { lease = '10s', grace = '30s', ...rest } = all
  const { persistence = DEFAULT_PERSISTENCE, board = 'sql:', log = 'info' } = rest
  const { tasks = [] } = rest
  const times = { leaseMs: parseDuration(lease), graceMs: parseDuration(grace) }
  return { ...rest, persistence, board, log, tasks, ...times }
}

function readEnvironment(environment: Sources['environment']): Source {
  const values: { [key: string]: unknown } = {}
  for (const [name, value] of Object.entries(environment)) {
    if (!name.startsWith('ZAGFLOW_') || value === undefined || value === '') continue
    const key = ENVIRONMENT.get(name)
    if (key !== undefined) values[key] = fromText(key, value)
    else {
      // Others may have variables of that beginning; what is nearly one of ours was meant to be it.
      const meant = nearest(name, ENVIRONMENT.keys())
      if (meant !== undefined)
        throw new UsageError(`there is no setting ${name}`, { hint: `did you mean ${meant}?` })
    }
  }
  const names = new Map([...ENVIRONMENT].map(([name, key]) => [key, name]))
  return read('', values, (key) => names.get(key as SettingKey) ?? key)
}

/** Variables are texts: numbers are read, and lists divided at commas. */
function fromText(key: SettingKey, value: string): unknown {
  if (key === 'tasks') return value.split(',').map((one) => one.trim())
  const isNumber = key === 'concurrency' || key === 'maxFlows'
  return isNumber && /^\d+$/.test(value) ? Number(value) : value
}

function read(where: string, values: unknown, label: (key: string) => string): Source {
  if (typeof values !== 'object' || values === null || Array.isArray(values)) {
    throw new UsageError(`${where}expected an object of settings`)
  }
  const given = Object.fromEntries(
    Object.entries(values).filter(([, value]) => value !== undefined),
  )
  const parsed = sourceSchema.safeParse(given)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  if (issue?.code === 'unrecognized_keys') {
    const [key = ''] = issue.keys
    const known = Object.keys(sourceSchema.shape)
    throw new UsageError(`${where}there is no setting "${key}"`, {
      hint: didYouMean(key, known) ?? `settings are ${known.join(', ')}`,
    })
  }
  const key = String(issue?.path[0] ?? '')
  const value: unknown = Reflect.get(given, key)
  // What may hold a password is not shown.
  const got = SECRET.has(key) ? '' : `, got ${JSON.stringify(value)}`
  throw new UsageError(`${label(key)}: ${expected(key, issue?.message ?? 'not usable')}${got}`)
}

const SECRET: ReadonlySet<string> = new Set(['persistence', 'board', 'broker', 'zookeeperPassword'])

function expected(key: string, message: string): string {
  switch (key) {
    case 'engine':
      return `expected one of ${ENGINE_NAMES.join(', ')}`
    case 'log':
      return `expected one of ${LOG_LEVELS.join(', ')}`
    case 'concurrency':
    case 'maxFlows':
      return 'expected a whole number from 1'
    case 'tasks':
      return 'expected the path of a module, or a list of them'
    case 'lease':
    case 'grace':
      return message
    default:
      return 'expected a text'
  }
}

function dashed(key: string): string {
  return key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
}
