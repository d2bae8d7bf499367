import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import test from 'node:test'
import type { GuardedClient } from '../../jobboard/zookeeper/client.ts'
import type {
  SessionState,
  WatchedEvent,
  ZooKeeperClientOptions,
} from '../../jobboard/zookeeper/contract.ts'
import type { CleanUp } from '../support/clean-up.ts'
import { eventually } from '../support/eventually.ts'
import { leakCheck } from '../support/leak-check.ts'
import { spawnNode } from '../support/spawn-node.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { freshChroot, zookeeper } from '../support/zookeeper.ts'
import { empty, openClient, refusal, unavailable } from './zookeeper-clients.ts'

async function open(
  t: CleanUp,
  options: Partial<ZooKeeperClientOptions> = {},
): Promise<GuardedClient> {
  const { hosts, chroot } = await freshChroot(t)
  const { client } = await openClient(t, { hosts, chroot, ...options })
  return client
}

test('nodes are made, read, set, listed and removed, with their versions', async (t) => {
  const server = await zookeeper()
  if ('missing' in server) return t.skip(server.missing)
  leakCheck(t)
  const client = await open(t)
  assert.equal(client.state, 'connected')
  assert.equal(client.session, 1)
  assert.match(client.sessionId ?? '', /^[0-9a-f]{16}$/)
  assert.equal(client.sessionTimeoutMs, 20_000)

  await client.create('/a', Buffer.from('one'))
  await assert.rejects(client.create('/a', empty), refusal('NODE_EXISTS'))
  await client.create('/a/e', empty, { ephemeral: true })
  await assert.rejects(client.create('/a/e/x', empty), refusal('NO_CHILDREN_FOR_EPHEMERALS'))
  const { data, stat } = await client.get('/a')
  assert.equal(data.toString(), 'one')
  assert.equal(stat.version, 0)
  assert.equal(stat.children, 1)
  assert.equal(stat.ephemeralOwner, null)
  assert.ok(Math.abs(stat.createdAt - Date.now()) < 60_000)
  assert.equal(typeof stat.czxid, 'bigint')
  assert.equal((await client.exists('/a/e'))?.ephemeralOwner, client.sessionId)
  assert.equal(await client.exists('/b'), null)
  assert.equal((await client.set('/a', Buffer.from('two'), { version: 0 })).version, 1)
  await assert.rejects(client.set('/a', empty, { version: 0 }), refusal('BAD_VERSION'))
  assert.deepEqual((await client.children('/a')).names, ['e'])
  await assert.rejects(client.remove('/a'), refusal('NOT_EMPTY'))
  await client.remove('/a/e')
  await assert.rejects(client.remove('/a', { version: 0 }), refusal('BAD_VERSION'))
  await client.remove('/a', { version: 1 })
  await assert.rejects(client.get('/a'), refusal('NO_NODE'))
  await client.sync('/')
  await client.ensure('/x/y/z')
  await client.ensure('/x/y/z')
  assert.deepEqual((await client.children('/x/y')).names, ['z'])
})

test('a transaction is all or nothing, and says which step was refused; version 0 is a version', async (t) => {
  const server = await zookeeper()
  if ('missing' in server) return t.skip(server.missing)
  leakCheck(t)
  const client = await open(t)
  await client.transaction([
    { op: 'create', path: '/a', data: Buffer.from('a') },
    { op: 'create', path: '/a/e', data: empty, ephemeral: true },
    { op: 'check', path: '/a', version: 0 },
    { op: 'set', path: '/a', data: Buffer.from('b'), version: 0 },
  ])
  assert.equal((await client.get('/a')).data.toString(), 'b')
  for (const steps of [
    [{ op: 'check', path: '/a', version: 0 }],
    [{ op: 'set', path: '/a', data: empty, version: 0 }],
  ] as const) {
    await assert.rejects(client.transaction(steps), refusal('BAD_VERSION', 0))
  }
  await client.remove('/a/e')
  await assert.rejects(
    client.transaction([
      { op: 'create', path: '/new', data: empty },
      { op: 'remove', path: '/a', version: 0 },
      { op: 'create', path: '/never', data: empty },
    ]),
    refusal('BAD_VERSION', 1),
  )
  assert.equal(await client.exists('/new'), null)
})

test('a watch tells once: of the change, or of the end of its session', async (t) => {
  const server = await zookeeper()
  if ('missing' in server) return t.skip(server.missing)
  leakCheck(t)
  const client = await open(t)
  const told: WatchedEvent[] = []
  const watch = (event: WatchedEvent): void => void told.push(event)
  assert.equal(await client.exists('/n', { watch }), null)
  await client.create('/n', empty)
  await eventually(() => told.length === 1)
  await client.get('/n', { watch })
  await client.set('/n', empty)
  await client.set('/n', empty)
  await client.children('/n', { watch })
  await client.create('/n/c', empty)
  await client.exists('/n/c', { watch })
  await client.remove('/n/c')
  await client.children('/', { watch })
  await client.create('/o', empty)
  await client.exists('/p', { watch })
  await client.sync('/')
  assert.deepEqual(told, [
    { kind: 'created', path: '/n' },
    { kind: 'changed', path: '/n' },
    { kind: 'children', path: '/n' },
    { kind: 'removed', path: '/n/c' },
    { kind: 'children', path: '/' },
  ])
  await client.close()
  assert.deepEqual(told.slice(5), [{ kind: 'session', path: '/p' }])
})

test('a closed client has ended its session, and refuses everything', async (t) => {
  const server = await zookeeper()
  if ('missing' in server) return t.skip(server.missing)
  leakCheck(t)
  const { hosts, chroot } = await freshChroot(t)
  const client = await open(t, { hosts, chroot })
  const other = await open(t, { hosts, chroot })
  const states: SessionState[] = []
  client.onState((state) => states.push(state))
  await client.create('/e', empty, { ephemeral: true })
  const last = client.create('/last', empty)
  await Promise.all([client.close(), client.close(), last])
  assert.deepEqual(states, ['closed'])
  assert.equal(client.sessionId, null)
  await other.sync('/')
  assert.equal(await other.exists('/e'), null)
  assert.notEqual(await other.exists('/last'), null)
  await assert.rejects(client.get('/last'), unavailable('not sent', /closed/))
})

test('the library is loaded when a client starts, and not before: nobody else pays for it', async (t) => {
  const folder = await temporaryFolder(t)
  const file = path.join(folder, 'load.mjs')
  const url = new URL('../../jobboard/zookeeper/client.js', import.meta.url).href
  fs.writeFileSync(
    file,
    `import { createRequire } from 'node:module'
     const { GuardedClient } = await import(${JSON.stringify(url)})
     const { cache } = createRequire(import.meta.url)
     const isLoaded = () => Object.keys(cache).some((name) => name.includes('node-zookeeper-client'))
     const client = new GuardedClient({ hosts: [{ host: '127.0.0.1', port: 1 }] })
     const before = isLoaded()
     await client.start({ withinMs: 10 }).catch(() => {})
     console.log('loaded', before, isLoaded())
     await client.close()`,
  )
  const child = spawnNode(t, file)
  assert.deepEqual(await child.ends(), { code: 0, signal: null }, child.stderr())
  assert.equal(child.stdout(), 'loaded false true\n')
})
