import assert from 'node:assert/strict'
import test from 'node:test'
import {
  NodeError,
  type SessionState,
  type WatchedEvent,
} from '../../jobboard/zookeeper/contract.ts'
import { Frames, readHeader } from '../../jobboard/zookeeper/frames.ts'
import { eventually } from '../support/eventually.ts'
import { leakCheck } from '../support/leak-check.ts'
import { undisturbed, watchStandstills } from '../support/standstill.ts'
import { tcpProxy, type TcpFilter } from '../support/tcp-proxy.ts'
import {
  freshChroot,
  privateEnsemble,
  privateZookeeper,
  zookeeper,
  zookeeperServers,
} from '../support/zookeeper.ts'
import { empty, openClient, refusal, unavailable } from './zookeeper-clients.ts'

const host = '127.0.0.1'

/** A session was lost, and another came; it may be lost in its turn where servers stand still. */
function expectLoss(states: readonly SessionState[]): void {
  const wanted = ['connected', 'suspended', 'lost', 'connecting', 'connected']
  assert.deepEqual(states.slice(0, wanted.length), wanted)
}

/** How many of each there are. */
function counts(values: readonly string[]): Readonly<Record<string, number>> {
  const found: Record<string, number> = {}
  for (const value of values) found[value] = (found[value] ?? 0) + 1
  return found
}

test('a connection that is cut is made again in the same session: nodes stay, watches tell, reads see what was done', async (t) => {
  const server = await zookeeper()
  if ('missing' in server) return t.skip(server.missing)
  leakCheck(t)
  const { hosts, chroot } = await freshChroot(t)
  const [target] = hosts
  assert.ok(target)
  const proxy = await tcpProxy(t, target)
  const { client, states } = await openClient(t, {
    hosts: [{ host, port: proxy.port }],
    chroot,
  })
  const { client: other } = await openClient(t, { hosts, chroot })
  const { sessionId } = client
  await client.create('/mine', empty, { ephemeral: true })
  await client.create('/data', empty)
  let told: readonly WatchedEvent[] = []
  const watch = (event: WatchedEvent): void => void (told = [...told, event])
  await client.get('/data', { watch })
  await client.children('/', { watch })
  await client.exists('/later', { watch })
  await client.get('/mine', { watch })
  assert.equal(client.server, `${host}:${proxy.port}`)

  proxy.cut()
  await eventually(() => client.state === 'suspended')
  assert.equal(client.server, null)
  await assert.rejects(
    client.get('/data', { withinMs: 50 }),
    unavailable('not sent', /within 50 ms \(.*closed the connection/),
  )
  await other.set('/data', Buffer.from('new'))
  await other.create('/later', empty)
  assert.equal(told.length, 0)
  const waiting = client.get('/data', { session: 1 })
  const first = client.create('/first', empty)
  const second = client.get('/first')
  proxy.mend()
  assert.equal((await waiting).data.toString(), 'new')
  await Promise.all([first, second])
  assert.deepEqual(states, ['connected', 'suspended', 'connected'])
  assert.equal(client.session, 1)
  assert.equal(client.sessionId, sessionId)
  assert.notEqual(await other.exists('/mine'), null)
  assert.deepEqual(
    told.toSorted((a, b) => (a.path < b.path ? -1 : 1)),
    [
      { kind: 'children', path: '/' },
      { kind: 'changed', path: '/data' },
      { kind: 'created', path: '/later' },
    ],
  )
  await other.remove('/mine')
  await eventually(() => told.length === 4)
  assert.deepEqual(told.at(-1), { kind: 'removed', path: '/mine' })
})

for (const direction of ['both', 'to server', 'to client'] as const) {
  test(`a peer that vanishes silently (${direction}) is noticed, and the session is lost when its time is over`, async (t) => {
    const server = await zookeeper()
    if ('missing' in server) return t.skip(server.missing)
    leakCheck(t)
    const { hosts, chroot } = await freshChroot(t)
    const [target] = hosts
    assert.ok(target)
    const proxy = await tcpProxy(t, target)
    const sessionTimeoutMs = 3000
    const { client, states } = await openClient(t, {
      hosts: [{ host, port: proxy.port }],
      chroot,
      sessionTimeoutMs,
    })
    const { client: other } = await openClient(t, { hosts, chroot })
    await client.create('/mine', empty, { ephemeral: true })
    const first = client.sessionId
    const still = watchStandstills(t)
    const stalledAt = performance.now()
    proxy.stall(direction)
    await assert.rejects(
      client.set('/mine', empty, { withinMs: 10_000 }),
      unavailable('unknown', /silent/),
    )
    assert.equal(client.state, 'suspended')
    assert.ok(still.awakeSince(stalledAt) < sessionTimeoutMs)
    await assert.rejects(
      client.get('/mine', { withinMs: 10_000, session: 1 }),
      refusal('SESSION_LOST'),
    )
    assert.ok(still.awakeSince(stalledAt) < sessionTimeoutMs + 1000)
    // The attempt that is under way would go on with the lost session: it may not.
    proxy.mend()
    await eventually(() => client.state === 'connected', { withinMs: 20_000 })
    assert.notEqual(client.sessionId, first)
    expectLoss(states)
    await eventually(async () => (await other.exists('/mine')) === null, { withinMs: 10_000 })
  })
}

test('an answer that is lost on its way leaves an operation unknown, and the next ones right', async (t) => {
  const server = await zookeeper()
  if ('missing' in server) return t.skip(server.missing)
  leakCheck(t)
  const { hosts, chroot } = await freshChroot(t)
  const [target] = hosts
  assert.ok(target)
  let isSwallowing = false
  const filter = (): TcpFilter => {
    const frames = new Frames(2 ** 26)
    let isFirst = true
    return {
      toServer: (bytes) => bytes,
      toClient(bytes) {
        const kept = frames.take(bytes).filter((frame) => {
          const isReply = !isFirst && readHeader(frame).xid > 0
          isFirst = false
          if (!isReply || !isSwallowing) return true
          isSwallowing = false
          return false
        })
        return Buffer.concat(kept)
      },
    }
  }
  const proxy = await tcpProxy(t, target, { filter })
  const near = [{ host, port: proxy.port }]
  const { client } = await openClient(t, { hosts: near, chroot, sessionTimeoutMs: 9000 })
  isSwallowing = true
  // A ping every third of the session, which is answered in time, tells that the answer will not come.
  const lost = client.create('/lost', empty, { withinMs: 6000 })
  await assert.rejects(lost, unavailable('unknown', /no answer within 6000 ms/))
  assert.notEqual(await client.exists('/lost'), null, 'it had been carried out')
  isSwallowing = true
  const pair = [client.create('/a', empty), client.set('/lost', Buffer.from('!'))]
  for (const one of pair) await assert.rejects(one, unavailable('unknown'))
  assert.equal((await client.get('/lost')).data.toString(), '!')
})

test('operations settle once each, however many there are, with a cut in the middle of them', async (t) => {
  const server = await zookeeper()
  if ('missing' in server) return t.skip(server.missing)
  leakCheck(t)
  const { hosts, chroot } = await freshChroot(t)
  const [target] = hosts
  assert.ok(target)
  const proxy = await tcpProxy(t, target)
  const { client } = await openClient(t, {
    hosts: [{ host, port: proxy.port }],
    chroot,
    operationMs: 60_000,
    sessionTimeoutMs: 30_000,
  })
  await client.create('/n', empty)
  const reads = await Promise.all(Array.from({ length: 10_000 }, () => client.exists('/n')))
  assert.ok(reads.every((stat) => stat !== null))

  let settled = 0
  const writes = Array.from({ length: 5000 }, (_, index) =>
    client.create(`/w-${index}`, empty).finally(() => {
      settled += 1
      if (settled === 1000) {
        proxy.cut()
        setTimeout(proxy.mend, 100)
      }
    }),
  )
  const outcomes = await Promise.allSettled(writes)
  assert.equal(settled, 5000)
  const there = new Set((await client.children('/')).names)
  const found = counts(outcomes.map(({ status }) => status))
  assert.ok((found['rejected'] ?? 0) > 0, 'the cut came too late')
  assert.ok((found['rejected'] ?? 0) <= 1000, 'more than a server takes at a time were under way')
  for (const [index, outcome] of outcomes.entries()) {
    if (outcome.status === 'fulfilled') assert.ok(there.has(`w-${index}`), `w-${index} is missing`)
    // What had not been written when the connection went was written to the next one.
    else assert.ok(unavailable('unknown')(outcome.reason))
  }
})

test('who gives up is told at once whether it may have been carried out, with one listener for any number', async (t) => {
  const server = await zookeeper()
  if ('missing' in server) return t.skip(server.missing)
  leakCheck(t)
  const warnings: Error[] = []
  const warned = (warning: Error): void => void warnings.push(warning)
  process.on('warning', warned)
  t.after(() => void process.off('warning', warned))
  const { hosts, chroot } = await freshChroot(t)
  const [target] = hosts
  assert.ok(target)
  const proxy = await tcpProxy(t, target)
  const { client } = await openClient(t, { hosts: [{ host, port: proxy.port }], chroot })
  await client.create('/a', empty)
  const over = AbortSignal.abort(new Error('before'))
  await assert.rejects(client.get('/a', { signal: over }), unavailable('not sent', /gave up/))

  const aborting = new AbortController()
  const { signal } = aborting
  await Promise.all(Array.from({ length: 20 }, () => client.get('/a', { signal })))
  proxy.stall('to client')
  const sent = Array.from({ length: 50 }, () => client.create('/b', empty, { signal }))
  // It has gone out when the next turn of the event loop begins.
  setImmediate(() => aborting.abort())
  for (const one of sent) await assert.rejects(one, unavailable('unknown', /gave up/))

  proxy.cut()
  await eventually(() => client.state === 'suspended')
  const later = new AbortController()
  const waiting = client.create('/c', empty, { signal: later.signal })
  later.abort()
  await assert.rejects(waiting, unavailable('not sent', /gave up/))
  proxy.mend()
  await client.sync('/')
  assert.equal(await client.exists('/c'), null, 'what was given up was sent after all')
  assert.deepEqual(warnings, [])
})

test('a server that was killed and is begun again finds the session as it was', async (t) => {
  const servers = zookeeperServers()
  if ('missing' in servers) return t.skip(servers.missing)
  leakCheck(t)
  const server = await privateZookeeper(t)
  const { client, states } = await openClient(t, {
    hosts: [server],
    chroot: '/a/b',
    sessionTimeoutMs: 60_000,
    operationMs: 60_000,
  })
  const { sessionId } = client
  await client.create('/mine', empty, { ephemeral: true })
  for (const how of ['kill', 'stop'] as const) {
    await server.end(how)
    await eventually(() => client.state === 'suspended')
    await server.begin()
    const stat = await client.exists('/mine')
    assert.equal(stat?.ephemeralOwner, sessionId)
  }
  assert.deepEqual(states, ['connected', 'suspended', 'connected', 'suspended', 'connected'])
})

test('a server whose data is gone costs the session, and the chroot is made again', async (t) => {
  const servers = zookeeperServers()
  if ('missing' in servers) return t.skip(servers.missing)
  leakCheck(t)
  const server = await privateZookeeper(t)
  const { client, states } = await openClient(t, {
    hosts: [server],
    chroot: '/a/b',
    sessionTimeoutMs: 8000,
    operationMs: 60_000,
  })
  await client.create('/mine', empty)
  await server.wipe()
  // What is asked now may still be meant for the old session.
  await eventually(() => states.includes('lost'), { withinMs: 20_000 })
  assert.equal(await client.exists('/mine'), null)
  assert.equal(client.session, 2)
  await client.create('/again', empty)
})

test('a chroot that somebody removes is made again by whoever needs it', async (t) => {
  const server = await zookeeper()
  if ('missing' in server) return t.skip(server.missing)
  leakCheck(t)
  const { hosts, chroot } = await freshChroot(t)
  const { client } = await openClient(t, { hosts, chroot: `${chroot}/inner` })
  const { client: root } = await openClient(t, { hosts })
  const removeAll = async (): Promise<void> => {
    await root.remove(`${chroot}/inner`)
    await root.remove(chroot)
  }
  await removeAll()
  await assert.rejects(client.create('/a/b', empty), refusal('NO_NODE'))
  await client.create('/a', empty)
  await client.remove('/a')
  await removeAll()
  await client.ensure('/x/y')
  assert.deepEqual((await client.children('/')).names, ['x'])
})

test('a server that stands still for longer than the session costs the session, and only that', async (t) => {
  const servers = zookeeperServers()
  if ('missing' in servers) return t.skip(servers.missing)
  leakCheck(t)
  const server = await privateZookeeper(t)
  const sessionTimeoutMs = 3000
  const { client, states } = await openClient(t, { hosts: [server], sessionTimeoutMs })
  await client.create('/mine', empty, { ephemeral: true })
  const still = watchStandstills(t)
  await server.freeze()
  const frozenAt = performance.now()
  const pending = client.get('/mine', { withinMs: 20_000 })
  await assert.rejects(pending, unavailable('unknown'))
  await eventually(() => states.includes('lost'))
  assert.ok(still.awakeSince(frozenAt) < sessionTimeoutMs + 1000)
  server.thaw()
  await eventually(() => client.state === 'connected', { withinMs: 20_000 })
  expectLoss(states)
  await eventually(async () => (await client.exists('/mine')) === null, { withinMs: 10_000 })
})

test('a process that was busy for two thirds of the session and more keeps it', async (t) => {
  const server = await zookeeper()
  if ('missing' in server) return t.skip(server.missing)
  leakCheck(t)
  const { hosts, chroot } = await freshChroot(t)
  // The machine may take some of what is left, too.
  const { client, states } = await openClient(t, { hosts, chroot, sessionTimeoutMs: 10_000 })
  await client.sync('/')
  const until = performance.now() + 6900
  while (performance.now() < until) {
    // A computation that lets nothing else run.
  }
  await client.sync('/')
  assert.deepEqual(states, ['connected'])
})

test('a process that was busy for longer than its session learns that it has lost it', async (t) => {
  const server = await zookeeper()
  if ('missing' in server) return t.skip(server.missing)
  leakCheck(t)
  const { hosts, chroot } = await freshChroot(t)
  const { client, states } = await openClient(t, { hosts, chroot, sessionTimeoutMs: 2000 })
  await client.create('/mine', empty, { ephemeral: true })
  const until = performance.now() + 4000
  while (performance.now() < until) {
    // A computation that lets nothing else run, not even pings.
  }
  const late = client.get('/mine', { session: 1 })
  await assert.rejects(late, (error) => error instanceof NodeError || unavailable('unknown')(error))
  await eventually(() => client.session > 1 && client.state === 'connected', {
    withinMs: 20_000,
  })
  expectLoss(states)
  assert.equal(await client.exists('/mine'), null)
})

test('who is closed while the connection is away ends the session all the same, if it comes back soon', async (t) => {
  const server = await zookeeper()
  if ('missing' in server) return t.skip(server.missing)
  leakCheck(t)
  const { hosts, chroot } = await freshChroot(t)
  const [target] = hosts
  assert.ok(target)
  const { client: other } = await openClient(t, { hosts, chroot })
  // Who stands still for a second while he closes does not see it come back.
  await undisturbed(t, async () => {
    const proxy = await tcpProxy(t, target)
    const near = [{ host, port: proxy.port }]
    const { client } = await openClient(t, { hosts: near, chroot, sessionTimeoutMs: 60_000 })
    const mine = `/mine-${proxy.port}`
    await client.create(mine, empty, { ephemeral: true })
    proxy.cut()
    await eventually(() => client.state === 'suspended')
    const closing = client.close()
    proxy.mend()
    await closing
    assert.equal(client.state, 'closed')
    await other.sync('/')
    assert.equal(await other.exists(mine), null)
  })
})

test('more watches than fit into one request outlive their connection', async (t) => {
  const server = await zookeeper()
  if ('missing' in server) return t.skip(server.missing)
  leakCheck(t)
  const { hosts, chroot } = await freshChroot(t)
  const [target] = hosts
  assert.ok(target)
  const proxy = await tcpProxy(t, target)
  const { client, states } = await openClient(t, {
    hosts: [{ host, port: proxy.port }],
    chroot,
    sessionTimeoutMs: 20_000,
    operationMs: 20_000,
  })
  const { client: other } = await openClient(t, { hosts, chroot })
  let told = 0
  const paths = Array.from({ length: 6000 }, (_, index) => `/${index}-${'x'.repeat(200)}`)
  await Promise.all(paths.map((path) => client.exists(path, { watch: () => (told += 1) })))
  proxy.cut()
  proxy.mend()
  await eventually(() => states.includes('suspended'))
  await client.sync('/')
  const [first, last] = [paths[0], paths.at(-1)]
  assert.ok(first && last)
  await other.create(first, empty)
  await other.create(last, empty)
  await eventually(() => told === 2)
  assert.deepEqual(states, ['connected', 'suspended', 'connected'])
})

test('an ensemble whose leader is killed under operations keeps the session and what it has confirmed', async (t) => {
  const servers = zookeeperServers()
  if ('missing' in servers) return t.skip(servers.missing)
  leakCheck(t)
  const ensemble = await privateEnsemble(t)
  const { client, states } = await openClient(t, {
    hosts: ensemble.servers,
    chroot: '/board',
    sessionTimeoutMs: 60_000,
    operationMs: 15_000,
  })
  await client.create('/mine', empty, { ephemeral: true })
  const { sessionId } = client
  let isOver = false
  const outcomes = new Map<string, string>()
  const work = async (worker: number): Promise<void> => {
    for (let index = 0; !isOver; index += 1) {
      const name = `${worker}-${index}`
      await client.create(`/${name}`, empty).then(
        () => outcomes.set(name, 'done'),
        (error: unknown) => {
          const { outcome } = error as { readonly outcome?: string }
          outcomes.set(name, outcome ?? String(error))
        },
      )
    }
  }
  const working = Promise.all([0, 1, 2, 3, 4].map(work))
  try {
    await eventually(() => outcomes.size > 50)
    const leader = await ensemble.leader()
    await leader.end('kill')
    await ensemble.leader()
    const before = outcomes.size
    await eventually(() => outcomes.size > before + 50, { withinMs: 120_000 })
    // Whichever server it is connected to goes as well.
    await leader.begin()
    const at = ensemble.servers.find(({ port }) => client.server?.endsWith(`:${port}`))
    await at?.end('kill')
    const again = outcomes.size
    await eventually(() => outcomes.size > again + 50, { withinMs: 120_000 })
  } finally {
    isOver = true // a closed client refuses at once: they would never give way
  }
  await working

  await client.sync('/')
  const there = new Set((await client.children('/')).names)
  for (const [name, outcome] of outcomes) {
    if (outcome === 'done') assert.ok(there.has(name), `${name} was confirmed, and is missing`)
    if (outcome === 'not sent') assert.ok(!there.has(name), `${name} was not sent, and is there`)
    assert.ok(['done', 'not sent', 'unknown'].includes(outcome), outcome)
  }
  assert.equal(client.session, 1)
  assert.equal((await client.exists('/mine'))?.ephemeralOwner, sessionId)
  assert.equal(states.includes('lost'), false)
})

test('an ensemble that has lost its majority costs the session, and serves again when it is back', async (t) => {
  const servers = zookeeperServers()
  if ('missing' in servers) return t.skip(servers.missing)
  leakCheck(t)
  const ensemble = await privateEnsemble(t)
  const { client, states } = await openClient(t, {
    hosts: ensemble.servers,
    chroot: '/board',
    sessionTimeoutMs: 4000,
  })
  await client.create('/kept', empty)
  const [first, second] = ensemble.servers
  assert.ok(first && second)
  await Promise.all([first.end('kill'), second.end('kill')])
  await eventually(() => states.includes('lost'), { withinMs: 20_000 })
  await assert.rejects(client.create('/x', empty, { withinMs: 300 }), unavailable('not sent'))
  await Promise.all([first.begin(), second.begin()])
  const stat = await client.exists('/kept', { withinMs: 30_000 })
  assert.notEqual(stat, null)
  assert.equal(await client.exists('/x'), null)
  assert.ok(client.session > 1)
})
