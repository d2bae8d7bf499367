import assert from 'node:assert/strict'
import test from 'node:test'
import { GuardedClient } from '../../jobboard/zookeeper/client.ts'
import { UsageError } from '../../src/base/errors.ts'
import { makeCertificates } from '../support/certificates.ts'
import { eventually } from '../support/eventually.ts'
import { leakCheck } from '../support/leak-check.ts'
import { tcpProxy } from '../support/tcp-proxy.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { tlsEndpoint } from '../support/tls-endpoint.ts'
import { freshChroot, zookeeper } from '../support/zookeeper.ts'
import {
  empty,
  expectNoStart,
  makeClient,
  openClient,
  refusal,
  unavailable,
} from './zookeeper-clients.ts'

test('by TLS everything works as without, and only with certificates that can be trusted', async (t) => {
  const server = await zookeeper()
  if ('missing' in server) return t.skip(server.missing)
  leakCheck(t)
  const { hosts, chroot } = await freshChroot(t)
  const [target] = hosts
  assert.ok(target)
  const certificates = makeCertificates(await temporaryFolder(t))
  const port = await tlsEndpoint(t, target, certificates)
  const at = (host: string) => [{ host, port }]
  const { ca } = certificates
  const { client } = await openClient(t, {
    hosts: at('localhost'),
    chroot,
    tls: { ca, ...certificates.client },
  })
  await client.create('/a', Buffer.alloc(500_000, 'x'))
  const read = await Promise.all(Array.from({ length: 20 }, () => client.get('/a')))
  assert.ok(read.every(({ data }) => data.length === 500_000))

  const refused = async (
    options: Parameters<typeof makeClient>[1],
    reason: RegExp,
  ): Promise<void> => {
    const made = makeClient(t, options)
    await expectNoStart(made.client, reason)
    await made.client.close()
  }
  await refused({ hosts: at('127.0.0.1'), chroot, tls: { ...certificates.client } }, /certificate/)
  await refused(
    { hosts: at('127.0.0.1'), chroot, tls: { ca, ...certificates.client, servername: 'other' } },
    /Hostname\/IP does not match|altnames/,
  )
  // Without a certificate of ours the endpoint ends the connection.
  await refused({ hosts: at('localhost'), chroot, tls: { ca } }, /alert|closed the connection/)
  // Not TLS at all.
  await refused(
    { hosts: at('localhost'), chroot },
    /closed the connection|handshake|hang up|RESET/i,
  )
})

test('what a user makes belongs to that user alone, over new connections, too', async (t) => {
  const server = await zookeeper()
  if ('missing' in server) return t.skip(server.missing)
  leakCheck(t)
  const { hosts, chroot } = await freshChroot(t)
  const [target] = hosts
  assert.ok(target)
  const proxy = await tcpProxy(t, target)
  const near = [{ host: '127.0.0.1', port: proxy.port }]
  const mine = { user: 'me', password: 'secret:with:colons' }
  const { client, states } = await openClient(t, { hosts: near, chroot, ...mine })
  await client.transaction([
    { op: 'create', path: '/a', data: empty },
    { op: 'create', path: '/a/b', data: empty },
  ])
  await client.create('/c', empty)
  await client.ensure('/d/e')
  const { client: other } = await openClient(t, { hosts })
  for (const path of ['', '/a', '/a/b', '/c', '/d', '/d/e']) {
    await assert.rejects(other.get(chroot + path), refusal('NO_AUTH'), path)
  }
  const stranger = makeClient(t, { hosts, chroot: `${chroot}/x`, user: 'me', password: 'wrong' })
  await assert.rejects(
    stranger.client.start({ withinMs: 30_000 }),
    unavailable('not sent', /chroot .* cannot be made: NO_AUTH; create it/),
  )
  for (let round = 0; round < 5; round += 1) {
    proxy.cut()
    await eventually(() => client.state === 'suspended')
    const waiting = [client.get('/a'), client.create(`/r-${round}`, empty)]
    proxy.mend()
    await Promise.all(waiting)
  }
  assert.equal(client.session, 1)
  assert.equal(states.includes('lost'), false)
})

test('addresses of version 6 are hosts like others', async (t) => {
  const server = await zookeeper()
  if ('missing' in server) return t.skip(server.missing)
  leakCheck(t)
  const { hosts, chroot } = await freshChroot(t)
  const [target] = hosts
  assert.ok(target)
  const proxy = await tcpProxy(t, target, { host: '::1' }).catch(() => null)
  if (proxy === null) return t.skip('this machine has no address of version 6')
  const { client } = await openClient(t, { hosts: [{ host: '::1', port: proxy.port }], chroot })
  await client.create('/a', empty)
  await client.close()
  await assert.rejects(client.get('/a'), /zookeeper:\/\/\[::1\]:\d+\//)
})

test('wrong options and wrong calls are named, and nothing is sent', async (t) => {
  const server = await zookeeper()
  if ('missing' in server) return t.skip(server.missing)
  leakCheck(t)
  const hosts = [{ host: 'a', port: 2181 }]
  for (const [options, message] of [
    [{ hosts: [] }, /hosts: expected at least one/],
    [{ hosts: [{ host: 'a', port: 0 }] }, /port of 1 to 65535, got "a" and 0/],
    [{ hosts, chroot: 'x' }, /"x" is no path/],
    [{ hosts, chroot: '/x/' }, /"\/x\/" is no path/],
    [{ hosts, sessionTimeoutMs: -1 }, /sessionTimeoutMs: expected milliseconds above 0, got -1/],
    [{ hosts, user: 'me' }, /user and password: expected both/],
    [{ hosts, user: 'a:b', password: 'secret' }, /without ":", got "a:b"/],
  ] as const) {
    assert.throws(
      () => new GuardedClient(options),
      (error: unknown) => {
        assert.ok(error instanceof UsageError)
        assert.match(error.message, message)
        assert.doesNotMatch(error.message, /secret/)
        return true
      },
    )
  }
  const { client, states } = await openClient(t, await freshChroot(t))
  for (const path of ['', 'a', '/a/', '//', '/a/../b', '/a\u0000', '/\ud800']) {
    await assert.rejects(client.create(path, empty), UsageError, path)
    await assert.rejects(client.get(path), UsageError, path)
    await assert.rejects(client.transaction([{ op: 'remove', path }]), UsageError, path)
  }
  const long = Buffer.alloc(1024 * 1024)
  const half = Buffer.alloc(600 * 1024)
  await assert.rejects(client.create('/a', long), /more than ZooKeeper takes at once \(1 MB\)/)
  await assert.rejects(client.set('/a', long), UsageError)
  await assert.rejects(
    client.transaction([
      { op: 'create', path: '/a', data: half },
      { op: 'create', path: '/b', data: half },
    ]),
    UsageError,
  )
  await client.create('/a', Buffer.alloc(1024 * 1024 - 1000))
  await client.transaction([])
  assert.deepEqual(states, ['connected'])
})
