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
  const running = []
  const missing = []
  const stop = () => Promise.all(running.map((server) => server.stop()))
  try {
    for (const server of table) {
      if (process.env[server.urlVariable]) continue
      if (server.find() === undefined) install(server)
      if (server.find() === undefined) missing.push(missingServer(server))
      else {
        const started = await server.start()
        running.push(started)
        Object.assign(process.env, { [server.urlVariable]: started.url }, started.environment)
      }
    }
  } catch (error) {
    await stop()
    throw error
  }
  return { missing, stop }
}

/**
 * Installs a server's packages, where that needs no question: on Debian and its kin, as root, unless
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
