/** The commands over a board in ZooKeeper, as a user has them. */
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { makeCertificates } from '../support/certificates.ts'
import { eventually } from '../support/eventually.ts'
import { lastFirst } from '../support/last-first.ts'
import { freshNamespace, rabbitmq } from '../support/rabbitmq.ts'
import { tlsEndpoint } from '../support/tls-endpoint.ts'
import { freshChroot, zookeeper } from '../support/zookeeper.ts'
import { linear, Workplace, type Data } from './command.ts'

interface Site {
  readonly url: string
  readonly host: string
  readonly server: { readonly host: string; readonly port: number }
}

async function siteOf(t: TestContext): Promise<Site | null> {
  const server = await zookeeper()
  if ('missing' in server) {
    t.skip(server.missing)
    return null
  }
  const { url, hosts } = await freshChroot(t)
  const [first] = hosts
  assert.ok(first)
  // Long enough for a session and a lease to outlast whatever a busy machine does to a process.
  return { url: `${url}?session=20s`, host: `${first.host}:${first.port}`, server: first }
}

const CONDUCTOR = ['conductor', '--tasks', './tasks.mjs', '--lease', '20s']
const POST = ['post', './tasks.mjs#order', '--set', 'sku=A1']

function rows(data: Data): readonly Data[] {
  const { conductors } = data
  assert.ok(Array.isArray(conductors), JSON.stringify(data))
  return conductors as readonly Data[]
}

test('jobs are posted, run and looked at over a board in ZooKeeper, and conductors show who leads', async (t) => {
  const site = await siteOf(t)
  if (site === null) return
  const place = await Workplace.create(t)
  const env = { ZAGFLOW_BOARD: site.url }
  await place.write('open', '')
  const posted = await place.run(POST, env)
  assert.equal(posted.code, 0, posted.stderr)
  const blue = place.start([...CONDUCTOR, '--name', 'blue'], env)
  await blue.says(/^ready conductor blue board=zookeeper:\/\//m)
  const green = place.start([...CONDUCTOR, '--name', 'green'], env)
  await green.says(/^ready conductor green/m)
  const job = posted.stdout.trim()
  await eventually(
    async () => {
      const { stdout } = await place.run(['jobs', 'show', job], env)
      return /SUCCESS|COMPLETE/.test(stdout)
    },
    { withinMs: 60_000 },
  )
  await eventually(
    async () => {
      const both = rows(await place.data(['conductors'], env))
      assert.deepEqual(
        both.map((row) => [row['name'], row['session'], row['maxFlows']]),
        [
          ['blue', true, 1000],
          ['green', true, 1000],
        ],
      )
      assert.equal(both.filter((row) => row['leads'] === true).length, 1)
      return true
    },
    { withinMs: 60_000 },
  )
  const table = await place.run(['conductors'], env)
  assert.match(table.stdout, /^CONDUCTOR +HOST +PID +FLOWS +LEADS +SESSION +SINCE +SEEN/)
  const doctor = await place.data(['doctor'], env)
  const findings = doctor['findings'] as readonly { what: string; is: string; says: string }[]
  assert.deepEqual(
    findings.filter(({ is }) => is === 'wrong'),
    [],
  )
  const of = (what: string) => findings.find((one) => one.what === what)?.says ?? ''
  assert.ok(of('zookeeper').startsWith(`${site.host} answers within`), of('zookeeper'))
  assert.match(of('rights'), /can be made without credentials/)
  assert.match(of('leader'), /^(blue|green) on /)
  assert.match(of('postings'), /the window has 10000/)
  const refused = await place.run([...CONDUCTOR, '--name', 'blue'], env)
  assert.equal(refused.code, 2, refused.stderr)
  assert.match(refused.stderr, /the conductor "blue"|the name "blue"/)
})

test('a job that its board cannot be told of is posted all the same, and says why it waits', async (t) => {
  const place = await Workplace.create(t)
  const env = { ZAGFLOW_BOARD: 'zookeeper://someone:sesame@127.0.0.1:1/zagflow' }
  const posted = await place.run(POST, env)
  assert.equal(posted.code, 0, posted.stderr)
  const shown = await place.run(['jobs', 'show', posted.stdout.trim()], env)
  assert.match(shown.stdout, /POSTING/)
  assert.match(shown.stdout, /which cannot be reached/)
  const listed = await place.run(['conductors'], env)
  assert.equal(listed.code, 0)
  assert.match(listed.stderr, /board cannot be reached/)
  const doctor = await place.run(['doctor'], env)
  assert.equal(doctor.code, 3)
  assert.match(doctor.stdout, /127\.0\.0\.1:1 cannot be used/)
  const conductor = await place.run([...CONDUCTOR, '--log', 'debug'], env)
  assert.equal(conductor.code, 3)
  for (const { stdout, stderr } of [posted, shown, listed, doctor, conductor]) {
    assert.doesNotMatch(stdout + stderr, /sesame/)
  }
})

test('credentials come from the environment; others are told what they lack, and no secret is printed', async (t) => {
  const site = await siteOf(t)
  if (site === null) return
  const place = await Workplace.create(t)
  const mine = {
    ZAGFLOW_BOARD: site.url,
    ZAGFLOW_ZOOKEEPER_USER: 'orders',
    ZAGFLOW_ZOOKEEPER_PASSWORD: 'sesame',
  }
  const posted = await place.run(POST, mine)
  assert.equal(posted.code, 0, posted.stderr)
  const doctor = await place.run(['doctor'], mine)
  assert.match(doctor.stdout, /can be made as "orders"/)
  const others = { ...mine, ZAGFLOW_ZOOKEEPER_USER: 'others' }
  const refused = await place.run(['doctor'], others)
  assert.equal(refused.code, 1)
  assert.match(refused.stdout, /NO_AUTH|rights/i)
  assert.match(refused.stdout, /ZAGFLOW_ZOOKEEPER_USER/)
  const half = await place.run(['conductors'], { ...mine, ZAGFLOW_ZOOKEEPER_PASSWORD: '' })
  assert.equal(half.code, 2)
  assert.match(half.stderr, /a user and no password/)
  const missing = await place.run(['conductors'], {
    ...mine,
    ZAGFLOW_BOARD: site.url.replace('zookeeper:', 'zookeeper+tls:'),
    ZAGFLOW_ZOOKEEPER_CA: 'nowhere.pem',
  })
  assert.equal(missing.code, 2)
  assert.match(missing.stderr, /ZAGFLOW_ZOOKEEPER_CA: nowhere\.pem cannot be read/)
  for (const { stdout, stderr } of [posted, doctor, refused, half, missing]) {
    assert.doesNotMatch(stdout + stderr, /sesame/)
  }
})

test('over TLS everything goes with certificates that the environment names, and nothing without', async (t) => {
  const site = await siteOf(t)
  if (site === null) return
  const place = await Workplace.create(lastFirst(t))
  const certificates = makeCertificates(place.folder)
  const port = await tlsEndpoint(t, site.server, certificates)
  const board = site.url
    .replace('zookeeper:', 'zookeeper+tls:')
    .replace(site.host, `localhost:${port}`)
  const env = {
    ZAGFLOW_BOARD: board,
    ZAGFLOW_ZOOKEEPER_CA: 'ca.pem',
    ZAGFLOW_ZOOKEEPER_CERT: 'client.pem',
    ZAGFLOW_ZOOKEEPER_KEY: 'client.key',
  }
  await place.write('open', '')
  const conductor = place.start([...CONDUCTOR, '--name', 'blue'], env)
  await conductor.says(/^ready conductor blue board=zookeeper\+tls:\/\//m)
  const posted = await place.run([...POST, '--wait'], env)
  assert.equal(posted.code, 0, posted.stderr)
  const doctor = await place.run(['doctor'], env)
  assert.match(doctor.stdout, new RegExp(`localhost:${port} answers within`))
  assert.match(doctor.stdout, /blue on /)
  const stranger = await place.run(['doctor'], { ...env, ZAGFLOW_ZOOKEEPER_CA: '' })
  assert.equal(stranger.code, 3)
  assert.match(stranger.stdout, new RegExp(`localhost:${port} cannot be used.*certificate`))
  conductor.kill('SIGTERM')
  assert.equal((await conductor.ended).code, 0, conductor.stderr())
})

test('the whole cluster: a board in ZooKeeper, a broker, and workers that run the tasks', async (t) => {
  const site = await siteOf(t)
  const broker = await rabbitmq()
  if (site === null) return
  if ('missing' in broker) return t.skip(broker.missing)
  const { url, namespace } = await freshNamespace(lastFirst(t))
  const place = await Workplace.create(lastFirst(t))
  const env = { ZAGFLOW_BOARD: site.url, ZAGFLOW_BROKER: url, ZAGFLOW_NAMESPACE: namespace }
  await place.write('journey.yaml', linear('journey', ['pack', 'gate', 'send'], ''))
  await place.write('open', '')
  const conductor = place.start(['conductor', '--name', 'blue'], env)
  await conductor.says(/^ready conductor blue board=zookeeper:\S+ .*broker=amqp:/m)
  // It needs no board.
  const worker = place.start(['worker', '--tasks', 'tasks.mjs', '--name', 'w1'], {
    ...env,
    ZAGFLOW_BOARD: 'zookeeper://127.0.0.1:1/none',
  })
  await worker.says(/^ready worker w1 /m)
  const isKnown = async () => (await place.run(['workers'], env)).stdout.includes('w1')
  await eventually(isKnown, { withinMs: 60_000 })
  const posted = await place.run(['post', 'journey.yaml', '--wait'], env)
  assert.equal(posted.code, 0, posted.stderr)
  assert.match(posted.stdout, /A1/)
  for (const one of [conductor, worker]) one.kill('SIGTERM')
  assert.equal((await conductor.ended).code, 0, conductor.stderr())
  assert.equal((await worker.ended).code, 0, worker.stderr())
})

test('dev keeps its jobs in the database, whatever board the environment names for conductors', async (t) => {
  const place = await Workplace.create(t)
  const env = { ZAGFLOW_BOARD: 'zookeeper://127.0.0.1:1/zagflow' }
  const dev = place.start(['dev', '--tasks', './tasks.mjs'], env)
  await dev.says(/^ready dev .*board=main/m)
  dev.kill('SIGTERM')
  assert.equal((await dev.ended).code, 0)
})
