/** What is shipped for clusters: the compose file, the image, and the first flow for them. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import path from 'node:path'
import test from 'node:test'
import { promisify } from 'node:util'
import { parse } from 'yaml'
import { readBoardUrl } from '../../jobboard/zookeeper/url.ts'
import { readAddresses } from '../../src/amqp/addresses.ts'
import { ENVIRONMENT } from '../../src/cli/settings/names.ts'
import { readFile, repository } from '../support/repository.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const execute = promisify(execFile)
const COMMAND = path.join(repository, 'dist', 'src', 'cli', 'main.js')

interface Service {
  readonly image?: string
  readonly command?: readonly string[]
  readonly environment?: { readonly [name: string]: string }
  readonly volumes?: readonly string[]
  readonly depends_on?: { readonly [name: string]: unknown }
}

interface Compose {
  readonly services: { readonly [name: string]: Service }
  readonly volumes: { readonly [name: string]: null }
}

/** With `${NAME:-default}` as a shell without settings reads it. */
function compose(): Compose {
  const text = readFile('compose.yaml').replaceAll(/\$\{\w+:-([^}]*)\}/g, '$1')
  return parse(text, { merge: true }) as Compose
}

function zagflowServices(): readonly (readonly [string, Service])[] {
  return Object.entries(compose().services).filter(([, { image }]) => image === 'zagflow')
}

test('services of the compose file depend on services that are there, and use volumes that are declared', () => {
  const { services, volumes } = compose()
  for (const [name, service] of Object.entries(services)) {
    for (const other of Object.keys(service.depends_on ?? {})) {
      assert.ok(other in services, `${name} depends on ${other}`)
    }
    for (const volume of service.volumes ?? []) {
      const [source = ''] = volume.split(':')
      const isThere = source.startsWith('.')
        ? existsSync(path.join(repository, source))
        : source in volumes
      assert.ok(isThere, `${name} mounts ${source}`)
    }
  }
  for (const kind of ['zk', 'mq']) {
    assert.equal(Object.keys(services).filter((name) => name.startsWith(kind)).length, 3)
  }
})

test('its processes get settings that exist, and addresses of services that are there', () => {
  const names = new Set(Object.keys(compose().services))
  assert.ok(zagflowServices().length >= 4)
  for (const [, { environment = {} }] of zagflowServices()) {
    for (const name of Object.keys(environment)) assert.ok(ENVIRONMENT.has(name), name)
    const board = readBoardUrl(environment['ZAGFLOW_BOARD'] ?? '')
    const brokers = readAddresses(environment['ZAGFLOW_BROKER'] ?? '')
    const hosts = [
      ...board.hosts.map(({ host }) => host),
      ...brokers.map(({ hostname }) => hostname),
    ]
    assert.equal(hosts.length, 6)
    for (const host of hosts) assert.ok(names.has(host), host)
    assert.ok(names.has(new URL(environment['ZAGFLOW_PERSISTENCE'] ?? '').hostname))
  }
})

test('its processes are commands that exist, with flags that exist', async () => {
  for (const [name, { command = [] }] of zagflowServices()) {
    const { stdout } = await execute(process.execPath, [
      COMMAND,
      ...command.filter(isWord),
      '--help',
    ])
    for (const flag of command.filter((word) => word.startsWith('--'))) {
      assert.ok(stdout.includes(flag), `${name}: ${flag}`)
    }
  }
})

/** A command or the name of one below it. */
function isWord(word: string): boolean {
  return /^[a-z]+$/.test(word)
}

test('the first flow for a cluster runs to its end, and is reverted when the bank refuses', async (t) => {
  const folder = await temporaryFolder(t)
  const run = (amount: number) =>
    execute(
      process.execPath,
      [
        COMMAND,
        ...['run', path.join(repository, 'deploy/order.yaml')],
        ...['--tasks', path.join(repository, 'deploy/tasks.ts')],
        ...['--set', 'sku=A1', '--set', 'quantity=2', '--set', `amount=${amount}`, '--json'],
      ],
      { cwd: folder, timeout: 60_000 },
    )
  const { stdout } = await run(40)
  assert.match(stdout, /tracking of reservation-/)
  await assert.rejects(run(4000), (error: Error & { code?: number; stdout?: string }) => {
    assert.equal(error.code, 1)
    assert.match(error.stdout ?? '', /REVERTED/)
    return true
  })
})

test('the image copies what the repository has', () => {
  for (const [, copied = ''] of readFile('Dockerfile').matchAll(/^COPY (?!--from)(.+) \S+$/gm)) {
    for (const file of copied.split(' ')) assert.ok(existsSync(path.join(repository, file)), file)
  }
})
