import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import amqp, { type ConfirmChannel } from 'amqplib'

/** Bare requests and replies between two processes, as durable as those of the engine: quorum queues, persistent, confirmed both ways, acknowledged after the confirm. */
export interface BareRequests {
  /** Sends so many, at most `atOnce` without a reply; resolves with the wall time in ms. */
  send(requests: number, atOnce: number): Promise<number>
  close(): Promise<void>
}

const QUORUM = { durable: true, arguments: { 'x-queue-type': 'quorum' } }
const BODY_SIZE = 400

export async function bareRequests(url: string): Promise<BareRequests> {
  const name = `bare.${process.pid}`
  const replyTo = `${name}.replies`
  const consuming = await amqp.connect(url, { noDelay: true })
  const publishing = await amqp.connect(url, { noDelay: true })
  const replies = await consuming.createChannel()
  const requests = await publishing.createConfirmChannel()
  await replies.assertQueue(name, QUORUM)
  await replies.assertQueue(replyTo, QUORUM)
  await replies.prefetch(1000)
  let onReply = (): void => {}
  await replies.consume(replyTo, (message) => {
    if (message === null) return
    JSON.parse(message.content.toString())
    replies.ack(message)
    onReply()
  })
  const responder = fork(fileURLToPath(new URL('./bare-responder.js', import.meta.url)), [
    url,
    name,
  ])
  await once(responder, 'message')
  return {
    send: (count, atOnce) =>
      new Promise((resolve) => {
        const startedAt = performance.now()
        let sent = 0
        let answered = 0
        const next = (): void => publish(requests, name, replyTo, ++sent)
        onReply = () => {
          if (++answered === count) resolve(performance.now() - startedAt)
          else if (sent < count) next()
        }
        while (sent < Math.min(count, atOnce)) next()
      }),
    close: () => close(responder, [consuming, publishing], replies, [name, replyTo]),
  }
}

/** A body about as big as a request of a task without arguments. */
function publish(channel: ConfirmChannel, queue: string, replyTo: string, call: number): void {
  const body = JSON.stringify({ type: 'request', call, filler: 'x'.repeat(BODY_SIZE) })
  const properties = { persistent: true, mandatory: true, replyTo, correlationId: String(call) }
  channel.publish(
    '',
    queue,
    Buffer.from(body),
    { ...properties, messageId: String(call) },
    () => {},
  )
}

async function close(
  responder: ChildProcess,
  connections: readonly { close(): Promise<void> }[],
  channel: { deleteQueue(name: string): Promise<unknown> },
  queues: readonly string[],
): Promise<void> {
  responder.kill('SIGKILL')
  await once(responder, 'exit')
  for (const queue of queues) await channel.deleteQueue(queue)
  for (const connection of connections) await connection.close()
}
