/**
 * Completes package-lock.json: `npm run lock` after adding or upgrading a dependency.
 *
 * Packages with a native part for each platform name all parts as optional dependencies. Where a registry does not
 * serve one of them, npm leaves it out of the lock file, and `npm ci` then refuses the file, on every
 * platform. The entries are known from the packages that name them; only their checksums are missing.
 */
import fs from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

const file = path.join(
  path.dirname(path.dirname(fileURLToPath(import.meta.url))),
  'package-lock.json',
)
const lock = JSON.parse(fs.readFileSync(file, 'utf8'))
const added = []

for (const owner of Object.values(lock.packages)) {
  for (const [name, version] of Object.entries(owner.optionalDependencies ?? {})) {
    const key = `node_modules/${name}`
    if (lock.packages[key] !== undefined) continue
    const platform = platformOf(name)
    if (platform === undefined)
      throw new Error(`${name} is not in the lock file, and names no platform`)
    const { dev, license, engines } = owner
    lock.packages[key] = { version, ...platform, dev, engines, license, optional: true }
    added.push(name)
  }
}
const names = Object.keys(lock.packages).sort((a, b) => (a < b ? -1 : 1))
lock.packages = Object.fromEntries(names.map((name) => [name, lock.packages[name]]))
fs.writeFileSync(file, `${JSON.stringify(lock, null, 2)}\n`)
console.log(added.length === 0 ? 'The lock file is complete.' : `Added ${added.join(', ')}.`)

/** `@scope/binding-linux-arm64-musl` → its `os`, `cpu` and `libc`. */
function platformOf(name) {
  const found =
    /(?<os>android|darwin|freebsd|linux|openharmony|win32)-(?<cpu>arm64|arm|x64|ia32|ppc64|riscv64|s390x)(-(?<abi>\w+))?$/.exec(
      name,
    )?.groups
  if (found === undefined) return undefined
  const libc = found.abi?.startsWith('gnu') ? 'glibc' : found.abi?.startsWith('musl') ? 'musl' : ''
  return { os: [found.os], cpu: [found.cpu], ...(libc && { libc: [libc] }) }
}
