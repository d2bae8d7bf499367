/**
 * The rules of the layout, as data and one check.
 *
 * L1. A unit imports only units below it.
 * L2. Some pairs that the order would allow do not know each other.
 * L3. Each third-party client lives in one unit.
 * L4. What the published package imports is one of its dependencies.
 * L5. Only the command line reads the environment, arguments and files.
 * L6. Flows, the machine and schedules decide from values: no clock, no chance, no I/O.
 * L7. A worker process loads neither a database client nor a ZooKeeper client.
 */
import type { Import, SourceFile } from './imports.ts'

/** A file that breaks a rule. */
export interface Violation {
  readonly file: string
  readonly rule: string
  readonly found: string
}

/** From bottom to top; units of one line do not know each other (L1). */
const order = [
  ['base'],
  ['flow'],
  ['machine', 'schedule'],
  ['protocol'],
  ['amqp'],
  ['persistence', 'jobboard', 'worker'],
  ['engines', 'posting'],
  ['conductor'],
  ['client'],
  ['testing'],
  ['index'],
  ['cli'],
] as const

type Unit = (typeof order)[number][number]

/** Pairs that the order alone would allow (L2): the first does not import the second. */
const strangers: readonly (readonly [Unit, Unit, string])[] = [
  ['engines', 'jobboard', 'an engine runs a flow, wherever it was claimed'],
  ['index', 'testing', 'what tests need is no part of a program that runs'],
  ['cli', 'testing', 'what tests need is no part of a program that runs'],
]

/** Where a package may be imported (L3); `any` is for what everybody needs. */
const homes: Readonly<Record<string, Unit | 'any'>> = {
  zod: 'any',
  '@marcbachmann/cel-js': 'flow',
  yaml: 'flow',
  croner: 'schedule',
  knex: 'persistence',
  pg: 'persistence',
  sqlite3: 'persistence',
  'better-sqlite3': 'persistence',
  amqplib: 'amqp',
  'node-zookeeper-client': 'jobboard',
  jiti: 'worker',
  piscina: 'worker',
  commander: 'cli',
  pino: 'cli',
}

/** Where in its unit a package may be imported, if not everywhere (L3). */
const folders: Readonly<Record<string, string>> = {
  'node-zookeeper-client': 'jobboard/zookeeper/',
}

/** Words of code that only some units may use (L5, L6). */
const words: readonly {
  readonly pattern: RegExp
  readonly allowed: (unit: Unit, file: string) => boolean
  readonly rule: string
}[] = [
  {
    pattern: /\bprocess\.(env|argv|stdin|stdout|stderr|exit|exitCode|on|once)\b/,
    allowed: (unit) => unit === 'cli',
    rule: 'L5: only src/cli reads the environment and arguments, and owns the process',
  },
  {
    pattern: /['"](node:)?(fs|fs\/promises|readline|readline\/promises|child_process|tty)['"]/,
    allowed: (unit) => unit === 'cli',
    rule: 'L5: only src/cli reads files and terminals, and starts processes',
  },
  {
    pattern: /\bconsole\./,
    allowed: () => false,
    rule: 'L5: nothing prints but through a logger, or through a stream that src/cli owns',
  },
  {
    pattern:
      /\b(Date\.now|new Date\(\)|performance\.now|process\.hrtime|Math\.random|randomUUID|randomBytes|randomFillSync|getRandomValues|setTimeout|setInterval|setImmediate|queueMicrotask|fetch)\b/,
    allowed: (unit) => !isPure(unit),
    rule: 'L6: src/flow, src/machine and src/schedule take time and chance as arguments',
  },
  {
    pattern: /['"]node:(?!crypto['"])/,
    allowed: (unit) => !isPure(unit),
    rule: 'L6: src/flow, src/machine and src/schedule do no I/O (of Node they may only hash)',
  },
  {
    pattern: /\b(async|await|Promise)\b/,
    allowed: (unit) => unit !== 'machine' && unit !== 'schedule',
    rule: 'L6: the machine and schedules answer at once',
  },
]

function isPure(unit: Unit): boolean {
  return unit === 'flow' || unit === 'machine' || unit === 'schedule'
}

/** Clients that no worker process loads (L7). */
const notInWorkers = ['knex', 'pg', 'sqlite3', 'better-sqlite3', 'node-zookeeper-client']

/** Files that break a rule, for the reason beside them. */
const exceptions: readonly (readonly [file: string, rule: string, reason: string])[] = [
  [
    'src/client/environment.ts',
    'L5',
    'connect() without options reads ZAGFLOW_*, here and nowhere else',
  ],
  ['src/client/console-logger.ts', 'L5', 'a service that gave no logger must still see warnings'],
  ['persistence/sqlite.ts', 'L5', 'a new SQLite file needs its folder'],
  ['src/worker/solo.ts', 'L5', 'a task that may end its process runs in one of its own'],
  ['src/worker/solo-process.ts', 'L5', 'it is that process'],
]

/**
 * What breaks the rules, in the order of the files.
 * @param sources every source of the published package
 * @param dependencies names of the package's dependencies, optional peers included
 */
export function checkLayout(
  sources: readonly SourceFile[],
  dependencies: readonly string[],
): readonly Violation[] {
  const known = new Set(sources.map((source) => source.name))
  const violations = sources.flatMap((source) => {
    const unit = unitOf(source.name)
    if (unit === undefined) {
      return [{ file: source.name, rule: 'L1: every file belongs to a unit', found: 'no unit' }]
    }
    return [
      ...source.imports.flatMap((imported) =>
        [
          checkImport(unit, imported, known),
          checkPackage(source.name, imported, dependencies),
        ].flatMap((rule) =>
          rule === undefined
            ? []
            : [{ file: source.name, rule, found: `imports ${imported.specifier}` }],
        ),
      ),
      ...checkWords(unit, source),
    ]
  })
  return [...violations, ...checkWorkers(sources)].filter(
    ({ file, rule }) =>
      !exceptions.some(([name, start]) => name === file && rule.startsWith(start)),
  )
}

/** `src/flow/task.ts` is of unit `flow`, `persistence/knex.ts` of unit `persistence`. */
export function unitOf(file: string): Unit | undefined {
  const name = /^src\/index\.ts$/.test(file) ? 'index' : /^(?:src\/)?([^/]+)\//.exec(file)?.[1]
  return order.flat().find((unit) => unit === name)
}

function checkImport(unit: Unit, imported: Import, known: ReadonlySet<string>): string | undefined {
  if (imported.file === undefined) return undefined
  const other = unitOf(imported.file)
  if (!known.has(imported.file) || other === undefined) {
    return 'L1: an import names a source file of the package'
  }
  if (other === unit) return undefined
  if (rankOf(other) > rankOf(unit))
    return `L1: ${unit} is below ${other}, and imports only units below it`
  if (rankOf(other) === rankOf(unit)) return `L1: ${unit} and ${other} do not know each other`
  const stranger = strangers.find(([from, to]) => from === unit && to === other)
  return stranger && `L2: ${unit} does not import ${other}: ${stranger[2]}`
}

function rankOf(unit: Unit): number {
  return order.findIndex((line) => line.some((other) => other === unit))
}

function checkPackage(
  file: string,
  { packageName }: Import,
  dependencies: readonly string[],
): string | undefined {
  if (packageName === undefined) return undefined
  if (!dependencies.includes(packageName))
    return `L4: ${packageName} is no dependency of the package`
  const home = homes[packageName]
  if (home === undefined)
    return `L3: ${packageName} has no unit: give it one in test/layout/rules.ts`
  const unit = unitOf(file)
  if (home !== 'any' && home !== unit)
    return `L3: ${packageName} lives in ${home}, not in ${unit ?? file}`
  const folder = folders[packageName]
  if (folder === undefined || file.startsWith(folder)) return undefined
  return `L3: ${packageName} lives in ${folder}, not elsewhere in ${home}`
}

function checkWords(unit: Unit, { name, code }: SourceFile): readonly Violation[] {
  return words.flatMap(({ pattern, allowed, rule }) => {
    const found = allowed(unit, name) ? undefined : pattern.exec(code)?.[0]
    return found === undefined ? [] : [{ file: name, rule, found: `says ${found}` }]
  })
}

/** Follows every import that is there when the program runs, from the worker's own files (L7). */
function checkWorkers(sources: readonly SourceFile[]): readonly Violation[] {
  const byName = new Map(sources.map((source) => [source.name, source]))
  const waiting = sources.filter(({ name }) => unitOf(name) === 'worker')
  const seen = new Set(waiting)
  const violations: Violation[] = []
  for (const source of waiting) {
    for (const { packageName, file, typeOnly } of source.imports) {
      if (typeOnly) continue
      if (packageName !== undefined && notInWorkers.includes(packageName)) {
        const rule = `L7: a worker process does not load ${packageName}`
        violations.push({ file: source.name, rule, found: `imports ${packageName}` })
      }
      const next = file === undefined ? undefined : byName.get(file)
      if (next === undefined || seen.has(next)) continue
      seen.add(next)
      waiting.push(next)
    }
  }
  return violations
}
