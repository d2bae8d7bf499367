/** A subscription that the broker loses without a word: it is seen by looking, for nothing else would ever tell. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { eventually } from '../support/eventually.ts'
import { lastFirst } from '../support/last-first.ts'
import { leakCheck } from '../support/leak-check.ts'
import { privateRabbitmq, rabbitmqNodes, type RabbitmqNode } from '../support/rabbitmq.ts'
import { linkTo, messageFor, plainQueue } from './fixtures.ts'

/** The queue forgets its consumers, who are told nothing. */
function forgetConsumers(node: RabbitmqNode, queue: string): Promise<string> {
  return node.evaluate(`
    {ok, Queue} = rabbit_amqqueue:lookup(rabbit_misc:r(<<"/">>, queue, <<"${queue}">>)),
    {Name, _} = amqqueue:get_pid(Queue),
    Server = {Name, node()},
    {ok, {_, Consumers}, _} = ra:local_query(Server, fun rabbit_fifo:query_consumers/1),
    [ra:process_command(Server, rabbit_fifo:make_checkout(Id, cancel, #{}))
      || Id <- maps:keys(Consumers)],
    length(maps:keys(Consumers)).`)
}

test('a subscription that the broker has lost without a word is made anew, and the listener hears that its queue may have gone', async (t) => {
  leakCheck(t)
  const nodes = rabbitmqNodes()
  if ('missing' in nodes) return t.skip(nodes.missing)
  const node = await privateRabbitmq(lastFirst(t))
  const { broker, log } = await linkTo(t, node.url, { checkEveryMs: 300 })
  await broker.declare(plainQueue('q', 'quorum'))
  const got: unknown[] = []
  let deleted = 0
  broker.consume('q', { prefetch: 10, onDeleted: () => (deleted += 1) }, (delivery) => {
    got.push(JSON.parse(delivery.body.toString()))
    delivery.ack()
  })
  await broker.publish(messageFor('q', 1))
  await eventually(() => got.length === 1)
  const looks = Date.now() + 1000
  await eventually(() => Date.now() > looks)
  assert.deepEqual([deleted, log.filter(({ level }) => level === 'warn')], [0, []])

  assert.equal(await forgetConsumers(node, 'q'), '1')
  await eventually(async () => (await broker.lookAt('q'))?.consumers === 0)
  await broker.publish(messageFor('q', 2))
  await eventually(() => got.length === 2)
  assert.equal(deleted, 1)
})
