/** The numbered programs, run as a user runs them, with what they print. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { describe, it } from 'node:test'
import { promisify } from 'node:util'
import { pythonWithPika } from './support/pika.ts'
import { freshNamespace, rabbitmq } from './support/rabbitmq.ts'
import { repository } from './support/repository.ts'
import { temporaryFolder } from './support/temporary-folder.ts'

const execute = promisify(execFile)

async function example(name: string, args: readonly string[] = []): Promise<string> {
  const program = path.join(repository, 'dist', 'examples', name)
  const { stdout } = await execute(process.execPath, [program, ...args], { timeout: 120_000 })
  return stdout
}

/** The lines stand in the output in this order, others may stand between them. */
function assertTold(output: string, lines: readonly string[]): void {
  const seen = output.split('\n').map((line) => line.trim())
  let from = 0
  for (const line of lines) {
    const at = seen.indexOf(line, from)
    assert.ok(at >= 0, `"${line}" is not in the output (after line ${from}):\n${output}`)
    from = at + 1
  }
}

/** Runs a program that kills another one, again where that was quicker: what it was to be killed in is told before it was. */
async function killedInTime(tooLate: string, run: () => Promise<string>): Promise<string> {
  for (let times = 1; ; times += 1) {
    const output = await run()
    const beforeItsKill = output
      .split(/--- killed/)[0]
      ?.split(/^2\. /m)
      .at(-1)
    if (beforeItsKill?.includes(tooLate) !== true || times === 4) return output
  }
}

describe('the examples', () => {
  it('01 greets', async () => {
    assert.equal(await example('01-hello/main.js', ['Ada']), 'Hello, Ada!\n')
  })

  it('02 runs a pipeline over real data, survives kill -9, and takes a failed load back', async (t) => {
    let folder = ''
    const output = await killedInTime('SUCCESS    pipeline.load', async () => {
      folder = await temporaryFolder(t)
      return example('02-data-pipeline/demo.js', [folder])
    })
    assertTold(output, [
      'RUNNING    pipeline',
      'SUCCESS    pipeline.load',
      'SUCCESS    pipeline.report',
      'SUCCESS    pipeline',
      '✓ the flow ended in SUCCESS; 65 rows are in the warehouse',
      'RUNNING    pipeline.load',
      '--- killed; started again ---',
      'RESUMING   pipeline',
      'SUCCESS    pipeline',
      '✓ it went on where it was, and loaded 65 rows, none twice',
      'FAILURE    pipeline.report',
      'REVERTING  pipeline',
      'REVERTED   pipeline.load',
      'REVERTED   branches/weather/read',
      'REVERTED   pipeline',
      '✓ the flow ended REVERTED; 0 rows are left, and no report',
    ])
    const html = await readFile(path.join(folder, 'first', 'report.html'), 'utf8')
    assert.equal(html.match(/<svg/g)?.length, 3)
    assert.match(html, /<td>movies<\/td><td>\d{4}<\/td><td>\d+<\/td>/)
    const staged = path.join(folder, 'third', 'work')
    assert.deepEqual(
      existsSync(staged) ? readdirSync(staged) : [],
      [],
      'reverts remove what was read and checked',
    )
  })

  it('03 compensates an order that cannot be shipped', async () => {
    assertTold(await example('03-order/main.js'), [
      'to Main Street 1',
      'shipped: Z-1',
      'the world: stock 3, charged 40 EUR, mails 0',
      'to nowhere',
      'checkout/shipping.ship FAILURE',
      'checkout/settle/payment.charge REVERTED',
      'checkout/inventory.reserve REVERTED',
      'REVERTED: no carrier goes there',
      'the world: stock 3, charged 40 EUR, mails 0',
    ])
  })

  it('04 retries a task, a flow, and a revert', async () => {
    assertTold(await example('04-retries/main.js'), [
      'fetch/session.open RETRYING (1): attempt 1: mirror-a did not answer',
      'fetch/session.open RUNNING (3)',
      'fetch/file.download FAILURE (1): mirror-a does not have the file',
      'closed the session with mirror-a',
      'fetch/session.open REVERTED (2)',
      'fetch:retry SUCCESS (3)',
      'file from mirror-c',
    ])
  })

  it('05 takes a car apart again, last part first', async () => {
    assertTold(await example('05-build-a-car/main.js'), [
      'install 1 frame',
      'install 4 doors',
      'install 4 wheels',
      'take off 4 wheels',
      'take off 4 doors',
      'take off 1 frame',
      'REVERTED',
      'car/install.engine: the engine does not fit',
    ])
  })

  it('06 goes on after kill -9, and runs again only what was running, under the same key', async () => {
    const output = await killedInTime('journey/arrive SUCCESS', () =>
      example('06-resume-after-kill/main.js'),
    )
    assertTold(output, [
      'journey/travel SUCCESS',
      'journey/arrive RUNNING',
      '--- killed ---',
      'journey/arrive SUCCESS',
      'journey/unpack SUCCESS',
      'SUCCESS',
      'ended: pack#execute.1 1×, travel#execute.1 1×, arrive#execute.1 1×, unpack#execute.1 1×',
    ])
    assert.match(output, /began: pack#execute\.1 1×, travel#execute\.1 1×, arrive#execute\.1 [12]×/)
  })

  it('07 posts in the transaction of the data, so that neither exists without the other', async () => {
    assertTold(await example('07-post-in-a-transaction/main.js'), [
      "[ { item: 'a lamp', state: 'fulfilled' } ]",
      'Error: the payment was refused',
      '1 job, 1 order',
    ])
  })

  it('08 gives one and the same document from YAML and from TypeScript', async () => {
    assertTold(await example('08-yaml-and-typescript/main.js'), [
      'the same document: true',
      'charge 99.5 EUR',
      "{ tracking: 'T-R-A1' }",
    ])
  })

  it('10 posts a flow again and again, and says what can never fire', async () => {
    assertTold(await example('10-schedule/main.js'), [
      'frequent: added',
      '2030-03-30 02:30:00',
      '2030-03-31 03:00:00',
      '2030-04-01 02:30:00',
      'InvalidInputError: the schedule "never" does not fit: cron: it would never fire: no date matches',
      'counted the first',
      'counted 1s',
      'counted 1s',
      'frequent paused, nightly active',
    ])
  })

  it('09 runs one flow in Python and in TypeScript', async (t) => {
    const [found, broker] = [pythonWithPika(), await rabbitmq()]
    if ('missing' in found) return t.skip(found.missing)
    if ('missing' in broker) return t.skip(broker.missing)
    const { url, namespace } = await freshNamespace(t)
    assertTold(await example('09-python-worker/main.js', [url, found.python, namespace]), [
      'SUCCESS review/text.count',
      'SUCCESS review/text.judge',
      "{ verdict: '9 words: long' }",
      'SUCCESS review/text.count',
      'SUCCESS review/text.judge',
      "{ verdict: '3 words: short' }",
    ])
  })
})
