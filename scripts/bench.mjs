/**
 * Builds, then runs the benchmarks one after the other: `node scripts/bench.mjs [part of a name …]`.
 * Every program directly in bench/ is one; what they share lies in folders below it.
 */
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from './build.mjs'

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)))
const parts = process.argv.slice(2)

process.exitCode = main() ? 0 : 1

function main() {
  if (!build()) return false
  const names = fs
    .readdirSync(path.join(root, 'bench'), { withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => entry.name.replace(/\.ts$/, ''))
    .filter((name) => parts.length === 0 || parts.some((part) => name.includes(part)))
    .sort()
  if (names.length === 0) {
    console.error(`No benchmark has ${parts.join(' or ')} in its name.`)
    return false
  }
  const failed = names.filter((name) => !runProgram(name))
  if (failed.length > 0) console.error(`Failed: ${failed.join(', ')}`)
  return failed.length === 0
}

/** Runs one with its output on this terminal, and room to measure memory. */
function runProgram(name) {
  console.log(`\n## ${name}\n`)
  const program = path.join(root, 'dist', 'bench', `${name}.js`)
  const { status } = spawnSync(process.execPath, ['--expose-gc', program], { stdio: 'inherit' })
  return status === 0
}
