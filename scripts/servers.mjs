/**
 * The real servers that tests need: found, or installed (Debian, as root), then started once for the whole run.
 */
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'

/**
 * Starts each server of the table (`test/support/servers.ts`) whose URL is not in the environment, and puts the URL there.
 * @returns what could not be had, and a function that stops what was started.
 */
export async function startServers(table, missingServer) {
  const wanted = table.filter((server) => !process.env[server.urlVariable])
  const missing = provide(wanted, missingServer)
  const starts = wanted.filter((server) => server.find() !== undefined).map(start)
  const running = (await Promise.allSettled(starts)).flatMap(({ value }) => value ?? [])
  const stop = () => Promise.all(running.map((server) => server.stop()))
  try {
    await Promise.all(starts)
  } catch (error) {
    await stop()
    throw error
  }
  return { missing, stop }
}

/**
 * Installs what is not here, where that can be done.
 * @returns what `tell` says of each that is missing still.
 */
export function provide(tools, tell) {
  return tools.flatMap((tool) => {
    if (tool.find() === undefined) install(tool)
    return tool.find() === undefined ? [tell(tool)] : []
  })
}

async function start(server) {
  const started = await server.start()
  Object.assign(process.env, { [server.urlVariable]: started.url }, started.environment)
  return started
}

/**
 * Installs the packages of a server or a tool, where that needs no question: on Debian and its kin, as root, unless
 * ZAGFLOW_TEST_INSTALL=no.
 */
function install(server) {
  if (process.env.ZAGFLOW_TEST_INSTALL === 'no') return
  if (process.getuid?.() !== 0 || !fs.existsSync('/etc/debian_version')) return
  const packages = server.debianPackages
  console.error(`${server.name} is not here: apt-get install ${packages.join(' ')}`)
  // RUNLEVEL=1 keeps the package from starting a server of its own on the well-known port.
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' }
  for (const args of [['update'], ['install', '-y', '--no-install-recommends', ...packages]]) {
    const { status, stdout, stderr } = spawnSync('apt-get', ['-q', ...args], { env })
    if (status !== 0) return console.error(`apt-get ${args[0]} failed:\n${stdout}\n${stderr}`)
  }
}
