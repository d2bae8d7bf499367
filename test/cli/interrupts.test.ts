import assert from 'node:assert/strict'
import test from 'node:test'
import { linear, parsed, Workplace } from './command.ts'

async function gated(t: Parameters<typeof Workplace.create>[0]): Promise<Workplace> {
  const place = await Workplace.create(t)
  await place.write('journey.yaml', linear('journey', ['pack', 'gate', 'send']))
  return place
}

test('Ctrl-C suspends once what runs has ended, and says how to go on', async (t) => {
  const place = await gated(t)
  const running = place.start(['run', 'journey.yaml'])
  await running.says(/RUNNING +gate/)
  running.kill('SIGINT')
  await running.says(/Suspending once what runs has ended/)
  await running.says(/SUSPENDING +journey/)
  await place.write('open', '')
  const { code, stderr, stdout } = await running.ended
  assert.equal(code, 4, stderr)
  assert.equal(stdout, '')
  const again = /Go on with: zagflow (.*)$/m.exec(stderr)?.[1]?.split(' ') ?? []
  assert.deepEqual(again.slice(0, 2), ['run', '--resume'])
  assert.deepEqual(again.slice(3), ['--tasks', './tasks.mjs'], 'it is the whole command')
  const rest = await place.run(again)
  assert.equal(rest.code, 0, rest.stderr)
  assert.match(rest.stderr, /RUNNING +send/)
  assert.doesNotMatch(rest.stderr, /RUNNING +pack/)
  const ledger = await place.ledger()
  assert.equal(ledger.filter((line) => line === 'pack A1').length, 1)
  assert.equal(ledger.at(-1), 'send')
})

test('Ctrl-C twice ends at once, and what was running runs again under its key', async (t) => {
  const place = await gated(t)
  const running = place.start(['run', 'journey.yaml'])
  await running.says(/RUNNING +gate/)
  running.kill('SIGINT')
  await running.says(/SUSPENDING +journey/)
  running.kill('SIGINT')
  const { code, stderr } = await running.ended
  assert.equal(code, 130, stderr)
  const again = /Go on with: zagflow (.*)$/m.exec(stderr)?.[1]?.split(' ') ?? []
  await place.write('open', '')
  const rest = await place.run(again)
  assert.equal(rest.code, 0, rest.stderr)
  const gates = (await place.ledger()).filter((line) => line.startsWith('gate '))
  assert.equal(gates.length, 2)
  assert.equal(gates[0], gates[1])
})

test('after kill -9 a run goes on where it was, at once, for its process can be seen to be gone', async (t) => {
  const place = await gated(t)
  const running = place.start(['run', 'journey.yaml', '--key', 'k'])
  await running.says(/RUNNING +gate/)
  running.kill('SIGKILL')
  await running.ended
  await place.write('open', '')
  const [job] = (await place.data(['jobs', 'list']))['jobs'] as readonly { readonly id: string }[]
  assert.ok(job)
  const rest = await place.run(['run', 'journey.yaml', '--resume', job.id.slice(0, 13), '-q'])
  assert.equal(rest.code, 0, rest.stderr)
  const ledger = await place.ledger()
  assert.equal(ledger.filter((line) => line === 'pack A1').length, 1)
  assert.deepEqual(parsed(rest.stdout), {
    parcel: 'parcel of A1',
    tracking: 't of parcel of A1',
  })
})

test('two terminals cannot run one job, but the second may watch, suspend or cancel it', async (t) => {
  const place = await gated(t)
  const running = place.start(['run', 'journey.yaml', '--key', 'k'])
  await running.says(/RUNNING +gate/)
  const second = await place.run(['run', '--resume', 'k', '--tasks', 'tasks.mjs'])
  assert.equal(second.code, 2, 'a key of a run is found as one of the board is')
  const [job] = (await place.data(['jobs', 'list']))['jobs'] as readonly { readonly id: string }[]
  assert.ok(job)
  const other = await place.run(['run', '--resume', job.id, '--tasks', 'tasks.mjs'])
  assert.equal(other.code, 2)
  assert.match(other.stderr, /it is being run by process \d+/)
  const watching = place.start(['jobs', 'watch', job.id])
  await watching.says(/RUNNING +gate/)
  const cancelled = await place.run(['jobs', 'cancel', job.id, '--reason', 'changed my mind'])
  assert.equal(cancelled.code, 0, cancelled.stderr)
  const end = await running.ended
  assert.equal(end.code, 1, end.stderr)
  assert.match(end.stderr, /changed my mind/)
  assert.equal((await watching.ended).code, 1)
  assert.deepEqual(await place.ledger().then((lines) => lines.at(-1)), 'unpack')
})
