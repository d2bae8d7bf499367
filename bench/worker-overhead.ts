/**
 * What a worker costs beyond what its broker does: no-op calls that wait in a queue, run and answered by a `Worker`, beside a
 * bare amqplib consumer that does the same (each answer persistent and confirmed before its request is acknowledged), at the
 * same prefetch, alternately. Prints calls a second, CPU time per call, and the ratio round by round.
 */
import { randomUUID } from 'node:crypto'
import amqp from 'amqplib'
import { Broker } from '../src/amqp/broker.ts'
import { namesOf } from '../src/amqp/names.ts'
import { baseTopology, replyQueueNamed, topicQueue } from '../src/amqp/zagflow-topology.ts'
import { task } from '../src/flow/task.ts'
import { writeMessage } from '../src/protocol/wire.ts'
import { Worker } from '../src/worker/worker.ts'
import { startRabbitmq } from '../test/support/rabbitmq-server.ts'

const CALLS = 2_000
const ROUNDS = 5
const PREFETCHES = [16, 128]

const server = await startRabbitmq()
const { url } = server
const names = namesOf('bench')
const replyQueue = names.replyQueue('bench')
const queue = names.topic('default')
const link = new Broker({ urls: url, namespace: 'bench' })
await link.start()
const base = baseTopology(names)
await link.declare({
  exchanges: base.exchanges,
  queues: [...base.queues, replyQueueNamed(names, replyQueue), topicQueue(names, 'default')],
})

async function fill(): Promise<void> {
  const sent = []
  for (let at = 0; at < CALLS; at++) {
    const body = writeMessage({
      v: 1,
      type: 'request',
      jobId: randomUUID(),
      flowId: randomUUID(),
      atom: 'order/pack',
      direction: 'execute',
      call: 1,
      token: 'a'.repeat(32),
      task: 'noop',
      topic: 'default',
      flow: 'order',
      attempt: 1,
      args: { sku: 'A1', quantity: 2 },
      priority: 0,
      again: false,
      publishedAt: Date.now(),
      reportEveryMs: 10_000,
      askAfterMs: 600_000,
    })
    sent.push(
      link.publish({
        exchange: names.requests,
        routingKey: 'default',
        body,
        type: 'request',
        messageId: randomUUID(),
        correlationId: randomUUID(),
        replyTo: replyQueue,
      }),
    )
  }
  await Promise.all(sent)
}

/** What amqplib does not type. */
interface Named {
  readonly messageId: unknown
  readonly correlationId: unknown
  readonly replyTo: unknown
}

interface Cost {
  readonly perSecond: number
  readonly cpuUs: number
}

/** From the first to the last call. */
async function measure(
  run: (done: (count: number) => void) => Promise<() => Promise<void>>,
): Promise<Cost> {
  await fill()
  let finish: () => void = () => {}
  const ended = new Promise<void>((resolve) => {
    finish = resolve
  })
  let startedAt = performance.now()
  let before = process.cpuUsage()
  const stop = await run((count) => {
    if (count === 0) {
      startedAt = performance.now() // connecting is not counted
      before = process.cpuUsage()
    }
    if (count === CALLS) finish()
  })
  await ended
  const { user, system } = process.cpuUsage(before)
  const ms = performance.now() - startedAt
  await stop()
  const channel = await (await connection).createChannel()
  await channel.purgeQueue(replyQueue)
  await channel.close()
  return { perSecond: (CALLS / ms) * 1000, cpuUs: (user + system) / CALLS }
}

const connection = amqp.connect(url)

function bare(prefetch: number): Promise<Cost> {
  return measure(async (done) => {
    const [consuming, publishing] = await Promise.all([
      amqp.connect(url, { noDelay: true }),
      amqp.connect(url, { noDelay: true }),
    ])
    const [input, output] = await Promise.all([
      consuming.createChannel(),
      publishing.createConfirmChannel(),
    ])
    let count = 0
    await input.prefetch(prefetch)
    done(0)
    const { consumerTag } = await input.consume(queue, (message) => {
      if (message === null) return
      const request = JSON.parse(message.content.toString()) as { readonly token: string }
      const properties: Named = message.properties
      const body = JSON.stringify({ ...request, args: undefined, type: 'result', result: null })
      output.publish(
        names.replies,
        String(properties.replyTo),
        Buffer.from(body),
        {
          persistent: true,
          mandatory: true,
          contentType: 'application/json',
          type: 'result',
          messageId: String(properties.messageId),
          correlationId: String(properties.correlationId),
        },
        () => {
          input.ack(message)
          done(++count)
        },
      )
    })
    return async () => {
      await input.cancel(consumerTag)
      await Promise.all([consuming.close(), publishing.close()])
    }
  })
}

function worker(prefetch: number): Promise<Cost> {
  return measure(async (done) => {
    let count = 0
    const noop = task('noop', {
      execute: () => {
        if (count === 0) done(0)
        count += 1
      },
    })
    const worker = new Worker({
      broker: url,
      namespace: 'bench',
      tasks: [noop],
      concurrency: prefetch,
    })
    await worker.start()
    const look = setInterval(() => {
      if (count === CALLS && worker.load.running === 0) done(count)
    }, 1)
    return async () => {
      clearInterval(look)
      await worker.stop()
    }
  })
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0
}

for (const prefetch of PREFETCHES) {
  const rounds: { readonly bare: Cost; readonly worker: Cost }[] = []
  await bare(prefetch) // warm
  await worker(prefetch)
  for (let round = 0; round < ROUNDS; round++) {
    rounds.push({ bare: await bare(prefetch), worker: await worker(prefetch) })
  }
  const ratios = rounds.map((round) => round.worker.perSecond / round.bare.perSecond)
  const of = (pick: (round: (typeof rounds)[number]) => number): string =>
    median(rounds.map(pick)).toFixed(0)
  console.log(
    `prefetch ${prefetch}: bare ${of((r) => r.bare.perSecond)} calls/s (${of((r) => r.bare.cpuUs)} µs CPU each), ` +
      `worker ${of((r) => r.worker.perSecond)} calls/s (${of((r) => r.worker.cpuUs)} µs CPU each); ` +
      `ratio ${median(ratios).toFixed(2)} (${Math.min(...ratios).toFixed(2)}–${Math.max(...ratios).toFixed(2)})`,
  )
}
await link.stop()
await (await connection).close()
await server.stop()
