import assert from 'node:assert/strict'
import test from 'node:test'
import { Connection } from '../../jobboard/zookeeper/connection.ts'
import { ZooKeeperUnavailableError, type WatchedEvent } from '../../jobboard/zookeeper/contract.ts'
import { loadLibrary } from '../../jobboard/zookeeper/library.ts'
import { Requests } from '../../jobboard/zookeeper/requests.ts'
import { steadyClock } from '../../jobboard/zookeeper/steady-clock.ts'
import { eventually } from '../support/eventually.ts'
import { leakCheck } from '../support/leak-check.ts'
import { undisturbed, watchStandstills } from '../support/standstill.ts'
import { fakeZookeeper, int, KIND, stat, text, type FakePeer } from '../support/zookeeper-fake.ts'
import {
  empty,
  expectNoStart,
  makeClient,
  openClient,
  refusal,
  unavailable,
} from './zookeeper-clients.ts'

/** `create` whose path ends so. */
function names(body: Buffer, path: string): boolean {
  return body.includes(text(path))
}

test('a code that nobody knows refuses an operation, and does not end the process', async (t) => {
  leakCheck(t)
  const codes: Readonly<Record<string, number>> = {
    '/future': -999,
    '/quota': -125,
    '/throttled': -127,
    '/moved': -118,
    '/broken': -1,
  }
  const fake = await fakeZookeeper(t, {
    greeted(peer) {
      peer.accept({ timeoutMs: 3210 })
      return true
    },
    requested({ xid, kind, body }, peer) {
      const code = kind === KIND.get && codes[body.subarray(4, -1).toString()]
      if (code) peer.reply(xid, { code })
      return Boolean(code)
    },
  })
  const { client, states } = await openClient(t, { hosts: [fake] })
  assert.equal(client.sessionTimeoutMs, 3210, 'what the server says counts')
  await assert.rejects(client.get('/future'), refusal('-999'))
  await assert.rejects(client.get('/quota'), refusal('QUOTA_EXCEEDED'))
  await assert.rejects(client.get('/throttled'), unavailable('not sent', /THROTTLED/))
  await assert.rejects(client.get('/moved'), unavailable('not sent', /SESSION_MOVED/))
  await assert.rejects(client.get('/broken'), unavailable('unknown', /SYSTEM_ERROR/))
  await client.get('/fine')
  assert.deepEqual(states, ['connected'])
})

test('a code that nobody knows in a transaction refuses its step', async (t) => {
  leakCheck(t)
  const failed = (code: number) => Buffer.concat([int(-1), Buffer.from([0]), int(code), int(code)])
  const end = Buffer.concat([int(-1), Buffer.from([1]), int(-1)])
  const fake = await fakeZookeeper(t, {
    requested({ xid, kind }, peer) {
      if (kind !== KIND.transaction) return false
      peer.reply(xid, { body: Buffer.concat([failed(0), failed(-999), failed(-2), end]) })
      return true
    },
  })
  const { client } = await openClient(t, { hosts: [fake] })
  const step = { op: 'check', path: '/a', version: 0 } as const
  await assert.rejects(client.transaction([step, step, step]), refusal('-999', 1))
})

test('a server that never answers the handshake is left, and another is tried', async (t) => {
  leakCheck(t)
  const silent = await fakeZookeeper(t, { greeted: () => true })
  const sessionTimeoutMs = 4000
  const alone = makeClient(t, { hosts: [silent], sessionTimeoutMs })
  const still = watchStandstills(t)
  const started = performance.now()
  await assert.rejects(
    alone.client.start({ withinMs: 3500 }),
    unavailable('not sent', /no session within 3500 ms \(.*no answer to the handshake/),
  )
  assert.ok(still.awakeSince(started) < 6000)
  const fake = await fakeZookeeper(t)
  await openClient(t, { hosts: [silent, silent, fake], sessionTimeoutMs })
  await alone.client.close()
  assert.deepEqual(alone.states, ['closed'])
})

test('another session id after a reconnect means that the session is lost', async (t) => {
  leakCheck(t)
  let last: FakePeer | undefined
  const fake = await fakeZookeeper(t, {
    greeted(peer) {
      last = peer
      // A server that does not know the session makes a new one without a word.
      peer.accept({ id: `000000000000000${peer.number + 1}` })
      return true
    },
  })
  const { client, states } = await openClient(t, { hosts: [fake] })
  const told: WatchedEvent[] = []
  await client.get('/watched', { watch: (event) => told.push(event) })
  assert.equal(client.sessionId, '0000000000000001')
  const refused = new Promise<unknown>((resolve) => {
    client.onState((state) => {
      if (state !== 'suspended') return
      const named = client.create('/named', empty, { session: 1 })
      const unnamed = client.create('/unnamed', empty)
      resolve(
        Promise.all([
          assert.rejects(named, refusal('SESSION_LOST')),
          assert.rejects(unnamed, unavailable('not sent', /session was lost/)),
        ]),
      )
    })
  })
  last?.end()
  await refused
  await eventually(() => client.state === 'connected')
  assert.deepEqual(states, ['connected', 'suspended', 'lost', 'connecting', 'connected'])
  assert.equal(client.session, 2)
  assert.equal(client.sessionId, '0000000000000002')
  assert.deepEqual(told, [{ kind: 'session', path: '/watched' }])
  await assert.rejects(client.get('/x', { session: 1 }), refusal('SESSION_LOST'))
  await client.get('/x', { session: 2 })
  assert.equal(
    fake.requests.some(({ body }) => names(body, '/named') || names(body, '/unnamed')),
    false,
    'what belonged to the old session was sent in the new one',
  )
})

test('a session that the server does not know any more is lost, and a new one begins', async (t) => {
  leakCheck(t)
  let last: FakePeer | undefined
  const fake = await fakeZookeeper(t, {
    greeted(peer) {
      last = peer
      if (peer.number === 1) peer.accept({ timeoutMs: 0 })
      else peer.accept()
      if (peer.number === 1) setImmediate(() => peer.end())
      return true
    },
  })
  const { client, states } = await openClient(t, { hosts: [fake] })
  last?.end()
  await eventually(() => client.session === 2)
  assert.deepEqual(states, ['connected', 'suspended', 'lost', 'connecting', 'connected'])
})

test('an answer that the session has ended loses it at once', async (t) => {
  leakCheck(t)
  const fake = await fakeZookeeper(t, {
    greeted(peer) {
      peer.accept({ id: `000000000000000${peer.number + 1}` })
      return true
    },
    requested({ xid, kind }, peer) {
      if (kind !== KIND.set) return false
      peer.reply(xid, { code: -112 })
      return true
    },
  })
  const { client, states } = await openClient(t, { hosts: [fake] })
  await assert.rejects(client.set('/a', empty), refusal('SESSION_LOST'))
  await eventually(() => client.session === 2)
  assert.deepEqual(states, ['connected', 'suspended', 'lost', 'connecting', 'connected'])
})

test('half a message of a lost connection does not spoil the next one', async (t) => {
  leakCheck(t)
  const fake = await fakeZookeeper(t, {
    requested({ kind, connection }, peer) {
      if (kind !== KIND.get || connection > 0) return false
      peer.raw(Buffer.concat([int(100), Buffer.from('half of it')]))
      setImmediate(() => peer.end())
      return true
    },
  })
  const { client, states } = await openClient(t, { hosts: [fake] })
  await assert.rejects(client.get('/a'), unavailable('unknown'))
  await client.get('/b')
  assert.deepEqual(states, ['connected', 'suspended', 'connected'])
})

test('bytes that are no message end the connection, and nothing else', async (t) => {
  leakCheck(t)
  const reply = (body: Buffer) => Buffer.concat([int(body.length), body])
  const answered = Buffer.concat([Buffer.alloc(8), int(0)])
  const garbage: readonly ((xid: number) => Buffer)[] = [
    () => int(-5),
    () => int(2 ** 31 - 1),
    () => reply(Buffer.from('short')),
    // A reply without its body, one with a bad one, one that nobody waits for.
    (xid) => reply(Buffer.concat([int(xid), answered])),
    (xid) => reply(Buffer.concat([int(xid), answered, int(2 ** 31 - 1), stat])),
    (xid) => reply(Buffer.concat([int(xid + 7), answered])),
    // A notification without its path.
    () => reply(Buffer.concat([int(-1), answered])),
    () => Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n'),
  ]
  let next = 0
  const fake = await fakeZookeeper(t, {
    requested({ xid, kind }, peer) {
      if (kind !== KIND.get) return false
      peer.raw(garbage[next]?.(xid) ?? Buffer.alloc(0))
      return true
    },
  })
  const { client } = await openClient(t, { hosts: [fake] })
  for (; next < garbage.length; next += 1) {
    await assert.rejects(client.get('/a', { withinMs: 10_000 }), unavailable('unknown'))
    await client.exists('/b', { withinMs: 10_000 })
  }
  assert.equal(fake.connections, garbage.length + 1)
  assert.equal(client.session, 1)
})

test('an answer that is missing makes the next one unknown, and the connection new', async (t) => {
  leakCheck(t)
  const fake = await fakeZookeeper(t, {
    requested: ({ kind, body }) => kind === KIND.create && names(body, '/lost'),
  })
  const { client, states } = await openClient(t, { hosts: [fake] })
  const lost = client.create('/lost', empty)
  const next = client.create('/next', empty)
  await assert.rejects(lost, unavailable('unknown', /out of order/))
  await assert.rejects(next, unavailable('unknown', /out of order/))
  await client.create('/after', empty)
  assert.deepEqual(states, ['connected', 'suspended', 'connected'])
})

test('an answer that never comes while later ones do makes the connection new', async (t) => {
  leakCheck(t)
  // Who stands still until the operation's time is over has not seen a later answer.
  await undisturbed(t, async () => {
    const fake = await fakeZookeeper(t, {
      requested: ({ kind, body }) => kind === KIND.create && names(body, '/lost'),
    })
    const { client, states } = await openClient(t, { hosts: [fake], sessionTimeoutMs: 1500 })
    await assert.rejects(
      client.create('/lost', empty, { withinMs: 1200 }),
      unavailable('unknown', /no answer within 1200 ms/),
    )
    await client.create('/after', empty)
    assert.deepEqual(states, ['connected', 'suspended', 'connected'])
  })
})

test('requests are numbered from 1 on each connection, and begin again before numbers overflow', async (t) => {
  leakCheck(t)
  let last: FakePeer | undefined
  const fake = await fakeZookeeper(t, { greeted: (peer) => void (last = peer) })
  const { client, states } = await openClient(t, { hosts: [fake] })
  last?.end()
  await eventually(() => states.includes('suspended'))
  await client.get('/a')
  for (const connection of [0, 1]) {
    const xids = fake.requests.filter((one) => one.connection === connection).map(({ xid }) => xid)
    assert.deepEqual(
      xids,
      xids.map((_, index) => index + 1),
    )
  }

  const library = await loadLibrary()
  const requests = new Requests(library, { isOwned: false })
  const seen = fake.requests.length
  await new Promise<void>((resolve, reject) => {
    const connection: Connection = new Connection(
      {
        ...fake,
        library,
        tls: undefined,
        clock: steadyClock,
        digest: undefined,
        session: null,
        sessionTimeoutMs: 4000,
        zxid: 0n,
        withinMs: 4000,
        firstXid: 2 ** 31 - 1,
      },
      {
        opened() {
          let left = 3
          for (const path of ['/a', '/b', '/c']) {
            connection.send({
              request: requests.get(path, false),
              answered: () => (left -= 1) === 0 && connection.close('done'),
              lost: (_, reason) => reject(new Error(reason)),
            })
          }
        },
        expired() {},
        notified() {},
        closed: () => resolve(),
      },
    )
  })
  assert.deepEqual(
    fake.requests.slice(seen).map(({ xid }) => xid),
    [1, 2, 3],
  )
})

test('credentials, sync and watches go before what waited for a connection', async (t) => {
  leakCheck(t)
  let last: FakePeer | undefined
  let isRefusing = false
  const fake = await fakeZookeeper(t, {
    greeted(peer) {
      last = peer
      if (isRefusing) peer.end()
      return isRefusing
    },
  })
  const { client } = await openClient(t, {
    hosts: [fake],
    chroot: '/a/b',
    user: 'me',
    password: 'secret',
  })
  await client.get('/watched', { watch() {} })
  const first = fake.requests.slice(0, 4).map(({ kind }) => kind)
  assert.deepEqual(first, [KIND.auth, KIND.sync, KIND.create, KIND.create])
  const [auth, , outer, inner] = fake.requests
  assert.ok(auth && outer && inner)
  assert.ok(names(auth.body, 'digest') && names(auth.body, 'me:secret'))
  assert.ok(names(outer.body, '/a') && names(inner.body, '/a/b'))
  isRefusing = true
  last?.end()
  await eventually(() => client.state === 'suspended')
  const seen = fake.requests.length
  const waiting = [client.create('/one', empty), client.get('/two')]
  isRefusing = false
  await Promise.all(waiting)
  assert.deepEqual(
    fake.requests.slice(seen).map(({ kind }) => kind),
    [KIND.auth, KIND.sync, KIND.setWatches, KIND.create, KIND.get],
  )
  assert.ok(names(fake.requests[seen + 2]?.body ?? empty, '/a/b/watched'))
})

test('credentials that a server refuses are named', async (t) => {
  leakCheck(t)
  const fake = await fakeZookeeper(t, {
    requested({ xid, kind }, peer) {
      if (kind !== KIND.auth) return false
      peer.reply(xid, { code: -115 })
      return true
    },
  })
  const { client } = makeClient(t, { hosts: [fake], user: 'me', password: 'wrong' })
  const error = await expectNoStart(client, /refused the user and password/)
  assert.doesNotMatch(String(error), /wrong/)
})

test('notifications that nobody knows, or of what nobody watches, do nothing', async (t) => {
  leakCheck(t)
  let last: FakePeer | undefined
  const fake = await fakeZookeeper(t, { greeted: (peer) => void (last = peer) })
  const { client, states } = await openClient(t, { hosts: [fake], chroot: '/c' })
  const told: WatchedEvent[] = []
  await client.get('/a', {
    watch(event) {
      told.push(event)
      throw new Error('a listener that throws')
    },
  })
  for (const [type, path] of [
    [99, '/c/a'],
    [-1, ''],
    [3, '/c/b'],
    [3, '/elsewhere/a'],
    [3, '/c/a'],
    [3, '/c/a'],
  ] as const) {
    last?.notify(type, path)
  }
  await client.sync('/')
  assert.deepEqual(told, [{ kind: 'changed', path: '/a' }])
  assert.deepEqual(states, ['connected'])
})

test('an idle client pings; one whose pings are not answered leaves, even if it is notified all the time', async (t) => {
  leakCheck(t)
  let isSilent = false
  let last: FakePeer | undefined
  const fake = await fakeZookeeper(t, {
    greeted: (peer) => void (last = peer),
    requested: () => isSilent,
  })
  const { client, states } = await openClient(t, { hosts: [fake], sessionTimeoutMs: 1200 })
  await eventually(() => fake.pings.length >= 5, { withinMs: 20_000 })
  assert.deepEqual(states, ['connected'])
  isSilent = true
  const still = watchStandstills(t)
  const silentAt = performance.now()
  const notifying = setInterval(() => last?.notify(3, '/a'), 50)
  t.after(() => clearInterval(notifying))
  const lost = client.get('/a')
  await assert.rejects(lost, unavailable('unknown', /silent/))
  const tookMs = still.awakeSince(silentAt)
  assert.ok(tookMs < 1200, `the client believed in a peer that does not answer for ${tookMs} ms`)
})

test('a session is counted as lost when its time has passed since something sent was answered', async (t) => {
  leakCheck(t)
  let isSilent = false
  const fake = await fakeZookeeper(t, {
    greeted: () => isSilent,
    requested: () => isSilent,
  })
  const { client, states } = await openClient(t, { hosts: [fake], sessionTimeoutMs: 1500 })
  const still = watchStandstills(t)
  const askedAt = performance.now()
  await client.get('/a')
  const provenAt = performance.now()
  isSilent = true
  const late = client.get('/b', { withinMs: 10_000 })
  await assert.rejects(late, unavailable('unknown'))
  const waiting = client.get('/c', { withinMs: 10_000 })
  await assert.rejects(waiting, unavailable('not sent', /session was lost/))
  const sinceAskedMs = performance.now() - askedAt
  assert.ok(sinceAskedMs > 1400, `lost ${sinceAskedMs} ms after what was answered had been sent`)
  // The last ping that was answered may have gone out a little after the read.
  const tookMs = still.awakeSince(provenAt)
  assert.ok(tookMs < 2700, `lost after ${tookMs} ms`)
  assert.deepEqual(states, ['connected', 'suspended', 'lost', 'connecting'])
  assert.equal(client.sessionId, null)
  isSilent = false
  await eventually(() => client.state === 'connected', { withinMs: 20_000 })
  assert.equal(client.session, 2)
})

test('an attempt that is under way when the session is lost does not bring it back', async (t) => {
  leakCheck(t)
  // Who stands still between the silence and the end of the session has no time for an attempt.
  await undisturbed(t, async () => {
    let isSilent = false
    const held: FakePeer[] = []
    const fake = await fakeZookeeper(t, {
      greeted(peer) {
        if (isSilent) held.push(peer)
        return isSilent
      },
      requested: () => isSilent,
    })
    const { client, states } = await openClient(t, { hosts: [fake], sessionTimeoutMs: 1200 })
    const lost = client.sessionId
    client.onState((state) => {
      if (state !== 'lost') return
      // Just now the servers answer.
      isSilent = false
      for (const peer of held) peer.accept()
    })
    isSilent = true
    await eventually(() => client.session === 2, { withinMs: 20_000 })
    await client.sync('/')
    assert.ok(held.length > 0)
    assert.notEqual(client.sessionId, lost)
    assert.deepEqual(states, ['connected', 'suspended', 'lost', 'connecting', 'connected'])
  })
})

test('what was not written when its connection went is sent on the next one, once', async (t) => {
  leakCheck(t)
  const fake = await fakeZookeeper(t, {
    requested({ kind, connection }, peer) {
      if (kind !== KIND.create || connection > 0) return false
      peer.pause()
      setTimeout(() => peer.end(), 200)
      return true
    },
  })
  const { client } = await openClient(t, { hosts: [fake], operationMs: 30_000 })
  const data = Buffer.alloc(300_000)
  const writes = Array.from({ length: 100 }, (_, index) => client.create(`/w-${index}`, data))
  const outcomes = await Promise.allSettled(writes)
  const again = fake.requests.filter(({ connection, kind }) => connection === 1 && kind === 1)
  const done = outcomes.flatMap(({ status }, index) => (status === 'fulfilled' ? [index] : []))
  assert.ok(done.length > 0 && done.length < 100, `${done.length} of 100`)
  assert.equal(again.length, done.length)
  assert.deepEqual(
    again.map(({ body }) => Number(/w-(\d+)/.exec(body.subarray(0, 40).toString())?.[1])),
    done,
  )
  for (const outcome of outcomes) {
    if (outcome.status === 'rejected') unavailable('unknown')(outcome.reason)
  }
})

test('servers that end each connection are tried again with growing pauses, not in a loop', async (t) => {
  leakCheck(t)
  const fake = await fakeZookeeper(t, {
    greeted(peer) {
      peer.end()
      return true
    },
  })
  await undisturbed(t, async () => {
    const before = fake.connections
    const { client } = makeClient(t, { hosts: [fake, fake] })
    await assert.rejects(client.start({ withinMs: 1500 }), unavailable('not sent'))
    await client.close()
    const connections = fake.connections - before
    assert.ok(connections >= 4 && connections <= 14, `${connections} connections in 1.5 s`)
  })
})

test('a server that ends each connection just after the handshake is not tried in a loop either', async (t) => {
  leakCheck(t)
  const fake = await fakeZookeeper(t, {
    requested(_, peer) {
      peer.end()
      return true
    },
  })
  await undisturbed(t, async () => {
    const before = fake.connections
    const { client } = makeClient(t, { hosts: [fake] })
    await assert.rejects(client.start({ withinMs: 1500 }), ZooKeeperUnavailableError)
    await client.close()
    const connections = fake.connections - before
    assert.ok(connections >= 2 && connections <= 10, `${connections} connections in 1.5 s`)
  })
})

test('a client that is closed while it connects, or before it began, leaves nothing', async (t) => {
  leakCheck(t)
  const silent = await fakeZookeeper(t, { greeted: () => true })
  const { client } = makeClient(t, { hosts: [silent] })
  const aborting = new AbortController()
  const aborted = assert.rejects(
    client.start({ signal: aborting.signal }),
    unavailable('not sent', /gave up/),
  )
  const starting = assert.rejects(client.start(), unavailable('not sent', /closed/))
  const waiting = assert.rejects(client.get('/a'), unavailable('not sent', /closed/))
  await eventually(() => silent.connections > 0)
  aborting.abort()
  await aborted
  const still = watchStandstills(t)
  const closedAt = performance.now()
  await client.close()
  assert.ok(still.awakeSince(closedAt) < 500)
  await Promise.all([starting, waiting])
  await makeClient(t, { hosts: [silent] }).client.close()
  const { connections } = silent
  await assert.rejects(client.start(), unavailable('not sent', /closed/))
  assert.equal(silent.connections, connections)
})

test('a client that is closed while no server is reached gives up soon', async (t) => {
  leakCheck(t)
  let last: FakePeer | undefined
  let isRefusing = false
  const fake = await fakeZookeeper(t, {
    greeted(peer) {
      last = peer
      if (isRefusing) peer.end()
      return isRefusing
    },
  })
  const { client, states } = await openClient(t, { hosts: [fake], sessionTimeoutMs: 20_000 })
  isRefusing = true
  last?.end()
  await eventually(() => client.state === 'suspended')
  const waiting = assert.rejects(client.get('/a'), unavailable('not sent', /closed/))
  const still = watchStandstills(t)
  const closedAt = performance.now()
  await client.close()
  assert.ok(still.awakeSince(closedAt) < 2500)
  await waiting
  assert.deepEqual(states, ['connected', 'suspended', 'closed'])
})

test('a client that is closed while no server answers gives up soon', async (t) => {
  leakCheck(t)
  let isSilent = false
  const fake = await fakeZookeeper(t, { greeted: () => isSilent, requested: () => isSilent })
  const { client } = await openClient(t, { hosts: [fake] })
  isSilent = true
  const pending = assert.rejects(client.get('/a'), unavailable('unknown'))
  const still = watchStandstills(t)
  const closedAt = performance.now()
  await client.close()
  assert.ok(still.awakeSince(closedAt) < 3500)
  await pending
  assert.equal(client.state, 'closed')
})
