/**
 * Checks what would be published, as a user gets it: packed, linted, installed into an empty project, imported,
 * compiled against and run. `node scripts/check-package.mjs` (after a build).
 *
 * Native code is not compiled a second time: the builds of this checkout are copied into the empty project.
 */
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)))
const manifest = JSON.parse(fs.readFileSync(path.join(root, 'package.json'), 'utf8'))
const project = fs.mkdtempSync(path.join(os.tmpdir(), 'zagflow-package-'))
const failures = []

try {
  const packed = pack()
  checkFiles(packed.files)
  lintPackage(packed.file)
  install(packed.file)
  importEverything()
  compileConsumer()
  runConsumer()
  runCommand()
} catch (error) {
  failures.push(error.message)
} finally {
  fs.rmSync(project, { recursive: true, force: true })
}
for (const failure of failures) console.error(`✖ package: ${failure}`)
if (failures.length === 0) console.log('✔ the package installs, imports, compiles and runs')
process.exitCode = failures.length === 0 ? 0 : 1

/** Runs a program to its end; what it printed, or an error with all of it. */
function run(what, command, args, options = {}) {
  const { status, stdout, stderr } = spawnSync(command, args, {
    cwd: project,
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
    ...options,
  })
  if (status !== 0) throw new Error(`${what} failed\n${stdout ?? ''}\n${stderr ?? ''}`)
  return stdout
}

function pack() {
  const args = ['pack', '--json', '--ignore-scripts', '--pack-destination', project]
  const [packed] = JSON.parse(run('npm pack', 'npm', args, { cwd: root }))
  return {
    file: path.join(project, packed.filename),
    files: packed.files.map((file) => file.path),
  }
}

/** Entry points are in it; tests, examples and sources are not. */
function checkFiles(files) {
  const entries = Object.values(manifest.exports).flatMap((entry) =>
    typeof entry === 'string' ? [entry] : Object.values(entry),
  )
  for (const entry of [...entries, ...Object.values(manifest.bin)]) {
    if (!files.includes(entry.replace(/^\.\//, ''))) failures.push(`lacks its entry ${entry}`)
  }
  for (const name of ['README.md', 'CHANGELOG.md', 'LICENSE', 'schema/flow.schema.json']) {
    if (!files.includes(name)) failures.push(`lacks ${name}`)
  }
  for (const file of files) {
    if (/\.test\.|^dist\/(test|examples|bench)\//.test(file)) failures.push(`holds a test: ${file}`)
    if (/(?<!\.d)\.ts$/.test(file)) failures.push(`holds a source: ${file}`)
  }
}

function lintPackage(file) {
  const publint = path.join(root, 'node_modules', '.bin', 'publint')
  run('publint', publint, ['run', file, '--strict'], { cwd: root })
}

function install(file) {
  writeProject('package.json', { name: 'consumer', private: true, type: 'module' })
  const quiet = ['--prefer-offline', '--no-audit', '--no-fund', '--loglevel', 'error']
  run('npm install', 'npm', ['install', '--ignore-scripts', ...quiet, file])
  for (const name of ['sqlite3', 'better-sqlite3']) {
    const build = path.join(root, 'node_modules', name, 'build', 'Release')
    const target = path.join(project, 'node_modules', name)
    if (!fs.existsSync(target)) continue
    for (const binary of fs.readdirSync(build).filter((entry) => entry.endsWith('.node'))) {
      fs.cpSync(path.join(build, binary), path.join(target, 'build', 'Release', binary))
    }
  }
}

/** Every entry loads, by import and (Node.js 20.19 and later) by require, and brings something. */
function importEverything() {
  const entries = Object.keys(manifest.exports)
    .filter((entry) => !entry.endsWith('.json'))
    .map((entry) => manifest.name + entry.slice(1))
  const text = entries
    .map(
      (entry) => `
        if (Object.keys(await import('${entry}')).length === 0) throw new Error('${entry} is empty')
        if (require('${entry}') === undefined) throw new Error('${entry} cannot be required')`,
    )
    .join('')
  writeProject(
    'entries.mjs',
    `import { createRequire } from 'node:module'
     const require = createRequire(import.meta.url)
     ${text}`,
  )
  run('importing every entry', process.execPath, ['--no-warnings', 'entries.mjs'])
}

/** A program in TypeScript compiles against the shipped types, with every strict flag and nothing but Node's types. */
function compileConsumer() {
  fs.copyFileSync(
    path.join(root, 'test', 'package', 'consumer.ts'),
    path.join(project, 'consumer.ts'),
  )
  fs.mkdirSync(path.join(project, 'node_modules', '@types'), { recursive: true })
  fs.symlinkSync(
    path.join(root, 'node_modules', '@types', 'node'),
    path.join(project, 'node_modules', '@types', 'node'),
  )
  writeProject('tsconfig.json', {
    compilerOptions: {
      target: 'es2022',
      module: 'nodenext',
      strict: true,
      exactOptionalPropertyTypes: true,
      noUncheckedIndexedAccess: true,
      types: ['node'],
      // Our types are checked, not only used; faults inside other packages' types are not ours.
      skipLibCheck: false,
    },
    files: ['consumer.ts'],
  })
  const compiler = path.join(root, 'node_modules', '.bin', 'tsc')
  const { stdout } = spawnSync(compiler, ['-p', '.', '--pretty', 'false'], {
    cwd: project,
    encoding: 'utf8',
  })
  const ours = stdout
    .split('\n')
    .filter((line) => /^(consumer\.ts|node_modules\/zagflow\/|error)/.test(line))
  if (ours.length > 0) throw new Error(`a consumer does not compile\n${ours.join('\n')}`)
}

function runConsumer() {
  const printed = run('the compiled consumer', process.execPath, ['consumer.js'])
  if (printed !== 'HELLO, WORLD\n') throw new Error(`the consumer printed ${printed}`)
}

function runCommand() {
  const printed = run('npx zagflow --version', 'npx', ['--no-install', 'zagflow', '--version'])
  if (printed.trim() !== manifest.version) throw new Error(`zagflow --version printed ${printed}`)
}

function writeProject(name, content) {
  const text = typeof content === 'string' ? content : JSON.stringify(content)
  fs.writeFileSync(path.join(project, name), text)
}
