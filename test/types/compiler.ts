import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import fs from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

/** Where the programs with planted faults are, in the package's folder. */
export const faults = 'test/types/faults'

/** The folder of the package: the one above this file that has the sources of these tests. */
export const root = findRoot(path.dirname(fileURLToPath(import.meta.url)))

/** The builders as users see them: compiled, with declarations, beside this file. */
export const builders = fileURLToPath(new URL('../../src/flow/builders.js', import.meta.url))

/** What the compiler printed. */
export interface Compilation {
  readonly errors: readonly CompilerError[]
  readonly output: string
}

export interface CompilerError {
  /** Name in the folder. */
  readonly file: string
  readonly line: number
  /** Its first line, types of nodes shortened to `Step<"ship", …>`. */
  readonly message: string
}

/** Strict, and else what users have by default. */
const SETTINGS = [
  ...[
    '--ignoreConfig',
    '--noEmit',
    '--pretty',
    'false',
    '--strict',
    '--exactOptionalPropertyTypes',
  ],
  ...[
    '--module',
    'nodenext',
    '--target',
    'es2022',
    '--skipLibCheck',
    '--allowImportingTsExtensions',
  ],
  ...['--types', 'node', '--typeRoots', path.join(root, 'node_modules/@types')],
]

/** Runs the compiler that users run over all files of a folder, without emitting anything. */
export async function compileFolder(folder: string): Promise<Compilation> {
  const compiler = path.join(root, 'node_modules/typescript/bin/tsc')
  const files = (await fs.readdir(folder)).filter((name) => name.endsWith('.ts'))
  const output = await new Promise<string>((resolve, reject) => {
    execFile(
      process.execPath,
      [compiler, ...SETTINGS, '--extendedDiagnostics', ...files],
      { cwd: folder, maxBuffer: 64 * 1024 * 1024 },
      (error, stdout, stderr) => {
        if (error !== null && typeof error.code !== 'number') reject(error)
        else resolve(stdout + stderr)
      },
    )
  })
  return { errors: output.split('\n').flatMap(readError), output }
}

function readError(line: string): readonly CompilerError[] {
  const found = /^(.+?)\((\d+),\d+\): error TS\d+: (.*)$/.exec(line)
  if (found === null) return []
  const [, file = '', lineNumber = '', message = ''] = found
  return [{ file, line: Number(lineNumber), message: shorten(message) }]
}

/** `Step<"ship", { … }, { … }>` → `Step<"ship", …>`: the rest depends on what the tasks happen to require. */
function shorten(message: string): string {
  const start = /\b(Step|Composition|Flow)<("[^"]*"), /g
  let text = ''
  let from = 0
  for (let match = start.exec(message); match !== null; match = start.exec(message)) {
    if (match.index < from) continue
    text += `${message.slice(from, match.index)}${match[1]}<${match[2]}, …>`
    from = endOfArguments(message, match.index + match[0].length)
  }
  return text + message.slice(from)
}

/** Past the `>` that closes what is open at `from`. */
function endOfArguments(message: string, from: number): number {
  let depth = 1
  for (let at = from; at < message.length; at++) {
    if (message[at] === '<') depth += 1
    else if (message[at] === '>' && message[at - 1] !== '=') depth -= 1
    if (depth === 0) return at + 1
  }
  return message.length
}

function findRoot(folder: string): string {
  const found =
    existsSync(path.join(folder, 'package.json')) && existsSync(path.join(folder, faults))
  return found ? folder : findRoot(path.dirname(folder))
}
