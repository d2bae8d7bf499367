import assert from 'node:assert/strict'
import test from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { ZooKeeperUnavailableError, type SessionState } from '../../jobboard/zookeeper/contract.ts'
import { leakCheck } from '../support/leak-check.ts'
import { Random } from '../support/random.ts'
import { tcpProxy } from '../support/tcp-proxy.ts'
import { freshChroot, zookeeper } from '../support/zookeeper.ts'
import { openClient, refusal } from './zookeeper-clients.ts'

/** Which state may follow which. */
const successors: Readonly<Record<SessionState, readonly SessionState[]>> = {
  connecting: ['connected', 'closed'],
  connected: ['suspended', 'closed'],
  suspended: ['connected', 'lost', 'closed'],
  lost: ['connecting'],
  closed: [],
}

/** What the client said of a node, and the session that it named. */
interface Said {
  readonly outcome: string
  readonly session: number
  readonly ephemeral: boolean
}

for (const seed of [1, 2, 3]) {
  test(`whatever the network does, operations tell the truth, and sessions do not mix (${seed})`, async (t) => {
    const server = await zookeeper()
    if ('missing' in server) return t.skip(server.missing)
    leakCheck(t)
    const { hosts, chroot } = await freshChroot(t)
    const [target] = hosts
    assert.ok(target)
    const proxies = [await tcpProxy(t, target), await tcpProxy(t, target)]
    const { client, states } = await openClient(t, {
      hosts: proxies.map(({ port }) => ({ host: '127.0.0.1', port })),
      chroot,
      sessionTimeoutMs: 1000,
      operationMs: 800,
    })
    const { client: sure } = await openClient(t, { hosts, chroot, sessionTimeoutMs: 20_000 })
    const dice = new Random(seed)
    let isOver = false
    const said = new Map<string, Said>()
    let watches = 0
    let told = 0
    const work = async (worker: number): Promise<void> => {
      for (let index = 0; !isOver; index += 1) {
        const name = `${worker}-${index}`
        const session = Math.max(1, client.session)
        const ephemeral = dice.chance(0.5)
        const settled = (outcome: string) => void said.set(name, { outcome, session, ephemeral })
        const data = Buffer.from(String(session))
        await client.create(`/${name}`, data, { session, ephemeral }).then(
          () => settled('done'),
          (error: unknown) =>
            settled(error instanceof ZooKeeperUnavailableError ? error.outcome : 'refused'),
        )
        await client
          .exists(`/never-${name}`, { watch: () => (told += 1) })
          .then(() => (watches += 1))
          .catch(() => {})
        await sleep(2)
      }
    }
    const working = Promise.all([0, 1, 2, 3].map(work))
    const hasSeenAll = (): boolean =>
      states.includes('suspended') && [...said.values()].some(({ outcome }) => outcome === 'done')
    // Longer where the machine stood still whenever something could be done.
    for (let round = 0; round < 12 || (round < 60 && !hasSeenAll()); round += 1) {
      const proxy = dice.pick(proxies)
      const fault = dice.next()
      if (fault < 0.3) proxy.cut()
      else if (fault < 0.5) proxy.stall('both')
      else if (fault < 0.65) proxy.stall('to client')
      else if (fault < 0.8) proxy.stall('to server')
      else for (const one of proxies) one.cut()
      await sleep(100 + dice.below(700))
      if (dice.chance(0.7)) for (const one of proxies) one.mend()
    }
    for (const one of proxies) one.mend()
    isOver = true
    await working
    await client.close()

    await sure.sync('/')
    const there = new Set((await sure.children('/')).names)
    for (const [name, { outcome, session, ephemeral }] of said) {
      if (outcome === 'done' && !ephemeral) assert.ok(there.has(name), `${name} is missing`)
      if (outcome === 'not sent' || outcome === 'refused') {
        assert.ok(!there.has(name), `${name} (session ${session}) was ${outcome}, and is there`)
      }
      if (!there.has(name)) continue
      const data = await sure.get(`/${name}`).then(
        (read) => read.data.toString(),
        (error: unknown) => refusal('NO_NODE')(error) && null,
      )
      // One of a session that servers ended only now.
      if (data === null) assert.ok(ephemeral, `${name} has gone`)
      else assert.equal(data, String(session))
    }
    for (const [index, state] of states.entries()) {
      const before = states[index - 1] ?? 'connecting'
      assert.ok(successors[before].includes(state), `${before} → ${state}`)
    }
    assert.equal(told, watches, 'each watch tells once')
    const outcomes = new Set([...said.values()].map(({ outcome }) => outcome))
    assert.ok(hasSeenAll(), [...outcomes].join())
  })
}
