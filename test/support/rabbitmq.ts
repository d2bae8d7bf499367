/**
 * RabbitMQ for tests: one shared node for each run of the test runner (its URL comes in the environment), one for
 * each file that is run alone; and nodes and clusters of a test's own, to be killed and wiped.
 *
 * Most tests need only a namespace of their own on the shared node: `freshNamespace(t)`, or a virtual host,
 * `freshVirtualHost(t)`. Both take milliseconds; a private node takes seconds.
 */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after } from 'node:test'
import type { CleanUp } from './clean-up.ts'
import { eventually } from './eventually.ts'
import { createVirtualHost, deleteVirtualHost, RabbitmqNode } from './rabbitmq-node.ts'
import type { RabbitmqOptions } from './rabbitmq-node.ts'
import {
  findRabbitmq,
  openSite,
  rabbitmqControlVariable,
  rabbitmqServer,
  startRabbitmq,
} from './rabbitmq-server.ts'
import type { RunningServer } from './test-server.ts'
import { missingServer } from './test-server.ts'

export type { QueueStatus, RabbitmqOptions } from './rabbitmq-node.ts'
export { RabbitmqNode } from './rabbitmq-node.ts'

/** The node that tests share: its URL, or why there is none. */
export type RabbitmqAvailability = { readonly url: string } | { readonly missing: string }

let started: Promise<RunningServer> | undefined
const finished = new Set<string>()
const inUse = new Set<string>()

after(async () => {
  await dropVirtualHosts([...inUse, ...finished])
  await (await started)?.stop()
})

/**
 * The shared node. Where there is none: in CI this throws, elsewhere it says what is missing, for `t.skip()`:
 *
 *     const broker = await rabbitmq()
 *     if ('missing' in broker) return t.skip(broker.missing)
 */
export async function rabbitmq(): Promise<RabbitmqAvailability> {
  const given = process.env[rabbitmqServer.urlVariable]
  if (given) return { url: given }
  const nodes = rabbitmqNodes()
  if ('missing' in nodes) return nodes
  started ??= startRabbitmq()
  return { url: (await started).url }
}

/**
 * Whether nodes can be started here, which a foreign broker's URL is not enough for: ask before `privateRabbitmq()`,
 * `privateRabbitmqCluster()` and `freshVirtualHost()`. In CI this throws where they cannot.
 */
export function rabbitmqNodes(): { readonly binaries: string } | { readonly missing: string } {
  const binaries = findRabbitmq()
  if (binaries !== undefined) return { binaries }
  const missing = missingServer(rabbitmqServer)
  if (process.env['CI']) throw new Error(missing)
  return { missing }
}

/** A name that no other test uses, for queues and exchanges on the shared node. */
export interface Namespace {
  /** The shared node's URL. */
  readonly url: string
  /** The first part of every name: lower-case letters, digits and `_`. */
  readonly namespace: string
}

/**
 * A namespace of this test alone, on the shared node, which may be a foreign broker. What is declared under it on
 * a node of ours goes with its virtual host; on a foreign broker it stays.
 * @throws Error where there is no node: ask `rabbitmq()` first.
 */
export async function freshNamespace(t: CleanUp): Promise<Namespace> {
  const broker = await rabbitmq()
  if ('missing' in broker) throw new Error(broker.missing)
  const namespace = `test_${randomBytes(6).toString('hex')}`
  const url = (await controlSocket()) === undefined ? broker.url : await freshVirtualHost(t)
  return { url, namespace }
}

/**
 * The URL of a new, empty virtual host of this test alone, on the shared node; it is deleted after the test, with all
 * that is in it. Where the shared node is a foreign broker, this file starts one of its own.
 * @throws Error where no node can be started: ask `rabbitmqNodes()` first.
 */
export async function freshVirtualHost(t: CleanUp): Promise<string> {
  await dropVirtualHosts([...finished])
  if ((await controlSocket()) === undefined) started ??= startRabbitmq()
  const [socket, base] = [
    await controlSocket(),
    (await started)?.url ?? process.env[rabbitmqServer.urlVariable],
  ]
  if (socket === undefined || base === undefined) throw new Error('RabbitMQ: no node of ours')
  const name = `test_${randomBytes(6).toString('hex')}`
  inUse.add(name)
  t.after(() => {
    inUse.delete(name)
    finished.add(name)
  })
  await createVirtualHost(socket, name)
  const url = new URL(base)
  url.pathname = `/${name}`
  return url.href
}

/**
 * A node of this test alone, which it may stop, kill, pause, wipe and start again; it is gone after the test.
 * It takes about five seconds to start.
 * @throws Error where RabbitMQ is not found: ask `rabbitmqNodes()` first.
 */
export async function privateRabbitmq(
  t: CleanUp,
  options: RabbitmqOptions = {},
): Promise<RabbitmqNode> {
  const site = await openSite()
  t.after(() => site.close())
  const node = await RabbitmqNode.make(site, 'node', options)
  await node.start()
  return node
}

/** Several nodes in one cluster. */
export interface RabbitmqCluster {
  readonly nodes: readonly RabbitmqNode[]
  /** The URLs of all nodes, separated by commas. */
  readonly url: string
}

/**
 * A cluster of this test alone, with as many nodes as asked for, gone after the test. All start at once and find each
 * other by the list of their names. It takes a few seconds of CPU for each node.
 * @throws Error where RabbitMQ is not found (ask `rabbitmqNodes()` first), or they do not find each other.
 */
export async function privateRabbitmqCluster(
  t: CleanUp,
  size: number,
  options: RabbitmqOptions = {},
): Promise<RabbitmqCluster> {
  const site = await openSite()
  t.after(() => site.close())
  const names = Array.from({ length: size }, (_, index) => `n${index + 1}`)
  const peers = names.map((name) => `${name}@127.0.0.1`)
  const nodes = await Promise.all(
    names.map((name) => RabbitmqNode.make(site, name, options, peers)),
  )
  await Promise.all(nodes.map((node) => node.start()))
  for (const node of nodes) {
    await eventually(
      async () => {
        const seen = await node.evaluate('length(rabbit_nodes:all_running()).')
        assert.equal(Number(seen), size, `${node.name} sees ${seen} of ${size} nodes`)
        return true
      },
      { withinMs: 60_000, everyMs: 50 },
    )
  }
  return { nodes, url: nodes.map((node) => node.url).join(',') }
}

async function controlSocket(): Promise<string | undefined> {
  if (started !== undefined) return (await started).environment?.[rabbitmqControlVariable]
  if (process.env[rabbitmqServer.urlVariable]) return process.env[rabbitmqControlVariable]
  if (findRabbitmq() === undefined) return undefined
  started = startRabbitmq()
  return (await started).environment?.[rabbitmqControlVariable]
}

async function dropVirtualHosts(names: readonly string[]): Promise<void> {
  if (names.length === 0) return
  for (const name of names) {
    inUse.delete(name)
    finished.delete(name)
  }
  const socket = await controlSocket()
  if (socket === undefined) return
  for (const name of names) await deleteVirtualHost(socket, name)
}
