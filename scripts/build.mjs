/**
 * Builds everything into dist/: `node scripts/build.mjs`.
 *
 * Besides compiling, it removes what has no source any more (a stale test would still be run), copies the files
 * beside the sources that programs read (documents, data), makes the command executable, and writes `schema/`.
 */
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)))
const folders = ['src', 'engines', 'jobboard', 'persistence', 'test', 'examples', 'deploy', 'bench']

export function build() {
  const compiler = path.join(root, 'node_modules', '.bin', 'tsc')
  if (!fs.existsSync(compiler)) return fail('The compiler is not installed: run npm ci first.')
  // The package first: examples and tests import it by its name, that is, from dist/.
  for (const project of ['tsconfig.package.json', 'tsconfig.json']) {
    const { status } = spawnSync(compiler, ['-p', project], { cwd: root, stdio: 'inherit' })
    if (status !== 0) return fail('The sources do not compile.')
  }
  for (const folder of folders) {
    removeStale(path.join(root, 'dist', folder), path.join(root, folder))
    copyAssets(path.join(root, folder), path.join(root, 'dist', folder))
  }
  const command = path.join(root, 'dist', 'src', 'cli', 'main.js')
  if (fs.existsSync(command)) fs.chmodSync(command, 0o755)
  // In a process of its own, because it imports what was compiled just now.
  const schema = path.join(root, 'scripts', 'write-schema.mjs')
  const { status } = spawnSync(process.execPath, [schema], { cwd: root, stdio: 'inherit' })
  return status === 0 || fail('The schema of flow documents cannot be written.')
}

function fail(message) {
  console.error(message)
  return false
}

/** Removes compiled files whose source is gone. */
function removeStale(built, source) {
  if (!fs.existsSync(built)) return
  for (const entry of fs.readdirSync(built, { withFileTypes: true })) {
    const target = path.join(built, entry.name)
    if (entry.isDirectory()) {
      removeStale(target, path.join(source, entry.name))
      if (fs.readdirSync(target).length === 0) fs.rmdirSync(target)
      continue
    }
    const name = entry.name.replace(/(\.d\.ts|\.js)(\.map)?$/, '')
    const alive = [`${name}.ts`, entry.name].some((file) => fs.existsSync(path.join(source, file)))
    if (!alive) fs.rmSync(target)
  }
}

/** Copies what is neither TypeScript nor documentation. */
function copyAssets(source, built) {
  if (!fs.existsSync(source)) return
  for (const entry of fs.readdirSync(source, { withFileTypes: true })) {
    const from = path.join(source, entry.name)
    const to = path.join(built, entry.name)
    if (entry.isDirectory()) copyAssets(from, to)
    else if (!/\.(ts|md)$/.test(entry.name) && !entry.name.startsWith('.')) {
      fs.mkdirSync(built, { recursive: true })
      fs.copyFileSync(from, to)
    }
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.exitCode = build() ? 0 : 1
