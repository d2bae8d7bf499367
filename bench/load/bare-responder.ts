/** The other side of a bare request and reply: a process that answers each request as a worker has to, and does nothing else. */
import amqp from 'amqplib'

const [url = '', queue = '', prefetch = '100'] = process.argv.slice(2)
const consuming = await amqp.connect(url, { noDelay: true })
const publishing = await amqp.connect(url, { noDelay: true })
const requests = await consuming.createChannel()
const replies = await publishing.createConfirmChannel()
await requests.prefetch(Number(prefetch))
await requests.consume(queue, (message) => {
  if (message === null) return
  const request = JSON.parse(message.content.toString()) as { readonly call: number }
  const body = Buffer.from(JSON.stringify({ type: 'result', call: request.call, result: null }))
  const { correlationId, replyTo } = message.properties as {
    correlationId: string
    replyTo: string
  }
  const options = { persistent: true, mandatory: true, correlationId, type: 'result' }
  replies.publish('', replyTo, body, options, (error) => {
    if (error === null) requests.ack(message)
  })
})
process.send?.('ready')
