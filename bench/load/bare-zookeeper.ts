/**
 * Bare node-zookeeper-client: what a job costs the board at least. A node is created; it is claimed by a transaction that sets it and
 * creates an ephemeral node; a third one removes both.
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import zookeeper, { type Client, type Transaction } from 'node-zookeeper-client'

/** About as wide as what the board keeps of a job, and of a claim. */
const JOB = Buffer.from(JSON.stringify({ v: 1, epoch: 0, at: 1_700_000_000_000 }))
const CLAIM = Buffer.alloc(220, 'x')

/** A client whose session stands. */
export async function bareClient(host: string, port: number): Promise<Client> {
  const client = zookeeper.createClient(`${host}:${port}`, { sessionTimeout: 10_000 })
  client.connect()
  await once(client, 'connected')
  return client
}

/** Creates a node that stays. */
export function create(client: Client, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    client.create(path, JOB, (error) => settle(error, resolve, reject))
  })
}

/** Names below a node; `changed` is called once when they have changed. */
export function childrenOf(
  client: Client,
  path: string,
  changed: () => void,
): Promise<readonly string[]> {
  return new Promise((resolve, reject) => {
    client.getChildren(path, changed, (error, names) => {
      settle(error, () => resolve(names), reject)
    })
  })
}

export function close(client: Client): Promise<void> {
  client.close()
  return once(client, 'disconnected').then(() => {})
}

/** Makes the nodes below which cycles are done. */
export async function prepareCycles(client: Client, root: string): Promise<void> {
  for (const path of [root, `${root}/jobs`, `${root}/claims`]) await create(client, path)
}

let cycles = 0

/** One job's worth: three commits of the servers, one after the other. */
export async function cycle(client: Client, root: string): Promise<void> {
  const name = `${process.pid}-${String(++cycles).padStart(36, '0')}`
  const [job, claim] = [`${root}/jobs/${name}`, `${root}/claims/${name}`]
  await create(client, job)
  await commit(
    client.transaction().setData(job, JOB, -1).create(claim, CLAIM, zookeeper.CreateMode.EPHEMERAL),
  )
  await commit(client.transaction().remove(job, -1).remove(claim, -1))
}

/** Processes that do nothing but cycles. */
export interface BareCycles {
  /** Does so many in all, at most `atOnce` in each process; resolves with the wall time in ms. */
  run(count: number, atOnce: number): Promise<number>
  stop(): void
}

/** Starts them; resolves when all are connected. */
export async function bareCycles(
  { host, port }: { readonly host: string; readonly port: number },
  size: number,
): Promise<BareCycles> {
  const root = `/bare-${process.pid}`
  const client = await bareClient(host, port)
  await prepareCycles(client, root)
  await close(client)
  const program = fileURLToPath(new URL('./bare-zookeeper-client.js', import.meta.url))
  const processes = Array.from({ length: size }, () => fork(program, [host, String(port), root]))
  await Promise.all(processes.map((child) => once(child, 'message')))
  return {
    async run(count, atOnce) {
      const startedAt = performance.now()
      await Promise.all(
        processes.map((child) => {
          child.send({ count: Math.ceil(count / size), atOnce })
          return once(child, 'message')
        }),
      )
      return performance.now() - startedAt
    },
    stop() {
      for (const child of processes) child.kill('SIGKILL')
    },
  }
}

function commit(transaction: Transaction): Promise<void> {
  return new Promise((resolve, reject) => {
    transaction.commit((error) => settle(error, resolve, reject))
  })
}

function settle(error: unknown, resolve: () => void, reject: (error: Error) => void): void {
  if (error === null || error === undefined) resolve()
  else reject(error instanceof Error ? error : new Error('the client failed', { cause: error }))
}
