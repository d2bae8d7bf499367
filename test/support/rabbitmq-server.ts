/** RabbitMQ's row in the table of servers: found, installed, and one node that a whole run of tests shares. */
import fs from 'node:fs'
import path from 'node:path'
import { RabbitmqNode } from './rabbitmq-node.ts'
import { RabbitmqSite } from './rabbitmq-site.ts'
import type { RunningServer, TestServer } from './test-server.ts'

/** Environment variable with the control socket of the shared node, where it is one of ours. */
export const rabbitmqControlVariable = 'ZAGFLOW_TEST_RABBITMQ_CONTROL'

/** RabbitMQ's row in the table of servers. */
export const rabbitmqServer: TestServer = {
  name: 'RabbitMQ',
  urlVariable: 'ZAGFLOW_TEST_RABBITMQ_URL',
  binariesVariable: 'ZAGFLOW_TEST_RABBITMQ_BIN',
  debianPackages: ['rabbitmq-server'],
  find: findRabbitmq,
  start: startRabbitmq,
}

/**
 * The folder that holds `rabbitmq-server` and `rabbitmqctl`: `ZAGFLOW_TEST_RABBITMQ_BIN`, where Debian's and Red Hat's packages
 * keep them (what these put into `PATH` are wrappers that only start the system's own node), or a folder of `PATH`.
 */
export function findRabbitmq(): string | undefined {
  const given = process.env['ZAGFLOW_TEST_RABBITMQ_BIN']
  const inPath = (process.env['PATH'] ?? '').split(path.delimiter)
  const holds = (folder: string, names: readonly string[]) =>
    folder !== '' && names.every((name) => fs.existsSync(path.join(folder, name)))
  if (!['erl', 'epmd'].every((name) => inPath.some((folder) => holds(folder, [name])))) return
  const candidates = [...(given ? [given] : []), '/usr/lib/rabbitmq/bin', ...inPath]
  return candidates.find((folder) => holds(folder, ['rabbitmq-server', 'rabbitmqctl']))
}

/**
 * Starts a private node on a free port, in a place of its own.
 * @throws Error where RabbitMQ is not found or does not start (with its log).
 */
export async function startRabbitmq(): Promise<RunningServer> {
  const site = await openSite()
  try {
    const node = await RabbitmqNode.make(site, 'shared')
    await node.start()
    return {
      url: node.url,
      pid: node.pid,
      environment: { [rabbitmqControlVariable]: node.controlSocket },
      stop: () => site.close(),
    }
  } catch (error) {
    await site.close()
    throw error
  }
}

/** A place for private nodes. @throws Error where RabbitMQ is not found. */
export async function openSite(): Promise<RabbitmqSite> {
  const binaries = findRabbitmq()
  if (binaries === undefined) throw new Error('RabbitMQ: not found')
  return RabbitmqSite.open(binaries)
}
