import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import test from 'node:test'
import { EndedByHand } from './ended-by-hand.ts'
import { eventually } from './eventually.ts'
import { spawnNode } from './spawn-node.ts'
import { temporaryFolder } from './temporary-folder.ts'
import { askWord } from './zookeeper-server.ts'
import {
  freshChroot,
  hostsOf,
  privateEnsemble,
  privateZookeeper,
  zookeeper,
  zookeeperServers,
} from './zookeeper.ts'

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

test('each test has a chroot of its own on the shared server', async (t) => {
  const server = await zookeeper()
  if ('missing' in server) return t.skip(server.missing)
  const [one, two] = [await freshChroot(t), await freshChroot(t)]
  assert.notEqual(one.chroot, two.chroot)
  assert.ok(one.url.startsWith('zookeeper://') && one.url.endsWith(one.chroot))
  const [host] = one.hosts
  assert.ok(host)
  assert.match(await askWord(host, 'srvr'), /Zookeeper version/)
})

test('a URL names its hosts, with the usual port where it has none', () => {
  assert.deepEqual(hostsOf('zookeeper://me:secret@a:1,b/x?y=z'), [
    { host: 'a', port: 1 },
    { host: 'b', port: 2181 },
  ])
})

test('a private server is killed, stopped, frozen, wiped and begun again, and leaves nothing', async (t) => {
  const servers = zookeeperServers()
  if ('missing' in servers) return t.skip(servers.missing)
  const inner = new EndedByHand()
  t.after(() => inner.end())
  const server = await privateZookeeper(inner)
  assert.equal(await server.mode(), 'standalone')
  assert.match(await server.ask('mntr'), /zk_server_state\tstandalone/)
  const { pid } = server

  await server.end('kill')
  assert.equal(isAlive(pid), false)
  assert.equal(await server.mode(), undefined)
  await server.begin()
  assert.equal(await server.mode(), 'standalone')

  await server.freeze()
  await assert.rejects(server.ask('ruok', 500), /no answer/)
  server.thaw()
  assert.equal(await server.ask('ruok'), 'imok')

  await server.end('stop')
  await server.wipe()
  assert.equal(await server.mode(), 'standalone')
  await server.freeze()
  const last = server.pid
  await inner.end()
  assert.equal(isAlive(last), false, 'a frozen server ends, too')
})

test('an ensemble elects another leader when its leader is killed', async (t) => {
  const servers = zookeeperServers()
  if ('missing' in servers) return t.skip(servers.missing)
  const ensemble = await privateEnsemble(t)
  // One that stood still for long is left by the others, who elect anew.
  await eventually(async () => {
    const modes = await Promise.all(ensemble.servers.map((server) => server.mode()))
    assert.deepEqual(modes.map(String).sort(), ['follower', 'follower', 'leader'])
    return true
  })
  const first = await ensemble.leader()
  await first.end('kill')
  assert.notEqual(await ensemble.leader(), first)
  await first.begin()
  await eventually(async () => (await first.mode()) === 'follower')
})

for (const [state, then] of [
  ['frozen', 'await server.freeze()'],
  ['ended', "await server.end('kill')"],
] as const) {
  test(`nothing is left of a server that is ${state} when the process that started it is killed`, async (t) => {
    const servers = zookeeperServers()
    if ('missing' in servers) return t.skip(servers.missing)
    const folder = await temporaryFolder(t)
    const file = path.join(folder, 'owner.mjs')
    const support = new URL('./zookeeper-server.js', import.meta.url).href
    fs.writeFileSync(
      file,
      `const { startZookeeper } = await import(${JSON.stringify(support)})
       const server = await startZookeeper()
       const { pid } = server
       ${then}
       console.log('server', pid, '.')
       setInterval(() => {}, 1000)`,
    )
    // The server's own user writes here.
    const temp = path.join(folder, 'tmp')
    fs.mkdirSync(temp)
    fs.chmodSync(temp, 0o777)
    fs.chmodSync(folder, 0o755)
    const owner = spawnNode(t, file, [], { TMPDIR: temp })
    const printed = await owner.prints(/server \d+ \.\n/, { withinMs: 60_000 })
    const pid = Number(/\d+/.exec(printed)?.[0])
    assert.equal(isAlive(pid), state === 'frozen')
    assert.equal(fs.readdirSync(temp).length, 1)
    owner.kill('SIGKILL')
    const isGone = (): boolean =>
      !isAlive(pid) && !fs.readdirSync(temp).some((name) => name.startsWith('zagflow-'))
    await eventually(isGone, { withinMs: 60_000 })
  })
}
