/** What conductors agree on about workers elsewhere, in a database; its statements are in `brokers.ts`. */
import {
  findBroker,
  forgetQueue,
  keepQueueStatement,
  raiseBroker,
  readStanding,
  selectQueues,
  wakeStatement,
} from '../brokers.ts'
import { replyQueueColumns } from '../rows.ts'
import { checkTexts } from '../rules.ts'
import type { BrokerStore } from '../store/brokers.ts'
import type { Statements } from './statements.ts'

/** Keeps brokers and queues of replies. */
export function brokersIn(statements: Statements): BrokerStore {
  const { dialect } = statements
  return {
    async broker(broker) {
      checkTexts('the broker', { name: broker })
      return statements.attempt(() => findBroker(dialect, broker))
    },

    async raiseBroker(broker, from) {
      return statements.attempt(() => raiseBroker(dialect, broker, from))
    },

    async wakeParked() {
      await statements.run(wakeStatement(dialect))
    },

    async keepReplyQueue(queue, conductor) {
      checkTexts('the reply queue', { queue, conductor })
      await statements.run(keepQueueStatement(dialect, queue, conductor))
    },

    async replyQueues() {
      return statements.select(replyQueueColumns, selectQueues(dialect))
    },

    async forgetReplyQueue(queue) {
      return statements.attempt(() => forgetQueue(dialect, queue))
    },

    async standing(calls) {
      if (calls.length === 0) return []
      return statements.attempt(() => readStanding(dialect, calls))
    },
  }
}
