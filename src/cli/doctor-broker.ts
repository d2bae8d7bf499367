/** The doctor's look at the broker, at what is on it, and at workers. */
import { namesOf, type Names } from '../amqp/names.ts'
import type { OperatorLink } from '../amqp/operator-link.ts'
import { formatDuration } from '../base/durations.ts'
import type { BrokerPlace } from '../client/broker-place.ts'
import {
  brokerLoadOf,
  DEFAULT_TOPIC,
  gapsOf,
  needsOf,
  usesWorkers,
  workerCommandFor,
  type Need,
} from '../client/served.ts'
import type { ResolvedDocument } from '../flow/resolved.ts'
import type { ProcessRecord, Store } from '../../persistence/store.ts'
import { callsOf, sinceHeard } from './calls-elsewhere.ts'
import type { Context } from './context.ts'
import { openOperatorLink } from './operator.ts'
import type { Finding } from './printing/findings.ts'
import { count, plainText } from './printing/text.ts'
import { loadOf } from './printing/workers.ts'

type Tell = (finding: Finding) => void

/** RabbitMQ takes back what is not acknowledged for so long, unless it is told otherwise. */
const CONSUMER_TIMEOUT_MS = 30 * 60_000
/** The oldest RabbitMQ that has what is used of it. */
const LEAST_BROKER = [3, 10] as const
/** Jobs whose documents are looked at. */
const LOOKED_AT_JOBS = 1_000
/** Levels of delays that there may be. */
const DELAY_LEVELS = 20
/** What is younger may be served in a moment. */
const YOUNG_MS = 5_000

/** What of the database the broker is compared with. */
export interface Known {
  readonly store: Store
  readonly conductors: readonly ProcessRecord[]
  readonly workers: readonly ProcessRecord[]
}

/** Looks at the broker; `known` is undefined where the database cannot be asked. Throws {@link UnavailableError}. */
export async function lookAtBroker(
  context: Context,
  broker: BrokerPlace,
  known: Known | undefined,
  tell: Tell,
): Promise<void> {
  const link = await openOperatorLink(context)
  tell(version(link))
  const names = namesOf(broker.namespace)
  const isUsed = await lookAtTopology(link, names, broker, known, tell)
  if (known !== undefined) {
    const needs = await needsOfJobs(known.store)
    if (isUsed) {
      await lookAtMarker(link, names, broker, known, tell)
      await lookAtTopics(link, names, known, needs, tell)
      await lookAtReplies(link, names, known, tell)
    }
    lookAtWorkers(known, needs, tell)
    lookAtCalls(known, await known.store.now(), tell)
  }
  await lookAtDead(link, names, tell)
}

function version({ broker, server }: OperatorLink): Finding {
  const { product, version, clusterName } = broker
  const says = `${server} is ${product} ${version}${clusterName === undefined ? '' : ` (${plainText(clusterName)})`}`
  const [major = 0, minor = 0] = version.split('.').map(Number)
  const isOld = major < LEAST_BROKER[0] || (major === LEAST_BROKER[0] && minor < LEAST_BROKER[1])
  if (product !== 'RabbitMQ') {
    const mend = 'Zagflow is tested with RabbitMQ alone'
    return { what: 'broker', is: 'odd', says, mend }
  }
  if (!isOld) return { what: 'broker', is: 'well', says }
  const mend = `install RabbitMQ ${LEAST_BROKER.join('.')} or later`
  return { what: 'broker', is: 'wrong', says: `${says}, which is too old`, mend }
}

/** Whether anything of Zagflow is on it. */
async function lookAtTopology(
  link: OperatorLink,
  names: Names,
  { namespace }: BrokerPlace,
  known: Known | undefined,
  tell: Tell,
): Promise<boolean> {
  const missing: string[] = []
  const all = [names.unclaimed, names.announcements, names.dead]
  for (const queue of all) if ((await link.lookAt(queue)) === null) missing.push(queue)
  if (missing.length === all.length) {
    tell({
      what: 'queues',
      is: 'odd',
      says: `there is nothing of the namespace "${namespace}" on it yet`,
      mend: 'zagflow conductor and zagflow worker declare what they need by themselves',
    })
    return false
  }
  if (missing.length > 0) {
    const isServed = known?.conductors.some(usesWorkers) === true
    tell({
      what: 'queues',
      is: isServed ? 'wrong' : 'odd',
      says: `these are missing: ${missing.join(', ')}`,
      mend: 'conductors declare them when they connect: start one, or start one again',
    })
  }
  const due = await link.lookAt(names.timers)
  let waiting = 0
  for (let level = 0; level < DELAY_LEVELS; level += 1) {
    const state = await link.lookAt(names.delayLevel(level))
    if (state === null) break
    waiting += state.messages
  }
  const timers = due === null ? '' : `, ${count(waiting + due.messages, 'wake-up')} on their way`
  if (missing.length === 0) {
    tell({ what: 'queues', is: 'well', says: `those of "${namespace}" are there${timers}` })
  }
  return true
}

async function lookAtMarker(
  link: OperatorLink,
  names: Names,
  { namespace }: BrokerPlace,
  { store, conductors }: Known,
  tell: Tell,
): Promise<void> {
  if (!conductors.some(usesWorkers)) return
  const { marker } = await store.broker(namespace)
  if ((await link.lookAt(names.marker(marker))) !== null) return
  tell({
    what: 'queues',
    is: 'odd',
    says: 'the broker has lost what it held, or is another one than before',
    mend: 'conductors find that out within 30 s and send all calls again; look whether all processes name one broker',
  })
}

async function lookAtTopics(
  link: OperatorLink,
  names: Names,
  { workers, conductors }: Known,
  needs: readonly Need[],
  tell: Tell,
): Promise<void> {
  const calls = conductors.flatMap(callsOf)
  const topics = new Set([
    DEFAULT_TOPIC,
    ...workers.flatMap((worker) => worker.topics),
    ...needs.map(({ topic }) => topic),
    ...calls.map(({ topic }) => topic),
  ])
  for (const topic of topics) {
    const state = await link.lookAt(names.topic(topic))
    if (state === null) continue
    const { messages, consumers } = state
    const name = plainText(topic)
    if (consumers === 0 && messages > 0) {
      const own = needs.filter((need) => need.topic === topic)
      tell({
        what: 'topics',
        is: 'wrong',
        says: `${name}: ${waiting(messages)}, and no worker serves it`,
        mend: workerCommandFor(own.length > 0 ? own : [{ task: '', topic }]),
      })
    } else if (consumers > 0) {
      // A worker may have several consumers of one topic.
      const serving = workers.filter((worker) => worker.topics.includes(topic)).length
      const who =
        serving === 0
          ? `${count(consumers, 'consumer')} of workers that do not announce themselves`
          : `${count(serving, 'worker')} ${serving === 1 ? 'serves' : 'serve'} it`
      tell({ what: 'topics', is: 'well', says: `${name}: ${waiting(messages)}, ${who}` })
    }
  }
}

function waiting(requests: number): string {
  return `${count(requests, 'request')} ${requests === 1 ? 'waits' : 'wait'}`
}

async function lookAtReplies(
  link: OperatorLink,
  names: Names,
  { store, conductors }: Known,
  tell: Tell,
): Promise<void> {
  const orphaned = (await store.replyQueues()).filter((queue) => queue.orphaned)
  let left = 0
  for (const { queue } of orphaned) left += (await link.lookAt(queue))?.messages ?? 0
  const unclaimed = (await link.lookAt(names.unclaimed))?.messages ?? 0
  const isServed = conductors.some(usesWorkers)
  const mend = isServed
    ? 'living conductors read them by and by; look again in a minute'
    : 'zagflow conductor: a living one reads them'
  const is = isServed ? 'odd' : 'wrong'
  if (left > 0) {
    tell({ what: 'replies', is, says: `${left} lie in queues of conductors that are gone`, mend })
  }
  if (unclaimed > 0) {
    tell({ what: 'replies', is, says: `${unclaimed} lie where their queue is gone`, mend })
  }
}

function lookAtWorkers({ workers, conductors }: Known, needs: readonly Need[], tell: Tell): void {
  const usesThem = conductors.some(usesWorkers)
  if (workers.length === 0) {
    tell({
      what: 'workers',
      is: 'odd',
      says:
        conductors.length > 0 && !usesThem
          ? 'none is known: the conductors that live run tasks themselves'
          : 'none is known (conductors keep what they announce)',
      mend: 'zagflow worker --tasks ./tasks.ts',
    })
  }
  for (const worker of workers) {
    const { name, host, pid, topics, tasks } = worker
    const { running, concurrency } = loadOf(worker)
    tell({
      what: 'workers',
      is: 'well',
      says: plainText(
        `${name} on ${host} (process ${pid}): ${topics.join(', ')}; runs ${running} of ${concurrency}, ${count(tasks.length, 'task')}`,
      ),
    })
  }
  const longest = longestTask(workers)
  if (longest !== undefined && longest.timeoutMs > CONSUMER_TIMEOUT_MS) {
    tell({
      what: 'workers',
      is: 'odd',
      says: `${plainText(longest.name)} may take ${formatDuration(longest.timeoutMs)}; RabbitMQ takes requests back after ${formatDuration(CONSUMER_TIMEOUT_MS)}`,
      mend: `consumer_timeout = ${longest.timeoutMs + 60_000} in rabbitmq.conf (without it none runs twice, but each costs a channel)`,
    })
  }
  if (!usesThem) return
  const gaps = gapsOf(needs, workers)
  if (gaps.length === 0) return
  const some = gaps.slice(0, 8).map(({ task, topic }) => `${task} (topic ${topic})`)
  tell({
    what: 'workers',
    is: 'wrong',
    says: plainText(`jobs wait for tasks that no worker serves: ${some.join(', ')}`),
    mend: `start a worker with the module that has: ${workerCommandFor(gaps)}`,
  })
}

/** What conductors say of the calls that they wait for. */
function lookAtCalls({ conductors, workers }: Known, now: number, tell: Tell): void {
  for (const conductor of conductors) {
    const load = brokerLoadOf(conductor)
    if (load === undefined) continue
    if (load['isConnected'] === false) {
      tell({
        what: 'conductors',
        is: 'wrong',
        says: `${plainText(conductor.name)} is not connected to its broker`,
        mend: 'it connects again by itself: look into its log, and whether it names this broker',
      })
    }
    const calls = callsOf(conductor)
    const unknown = [
      ...new Set(calls.filter(({ state }) => state === 'unknown').map(({ task }) => task)),
    ]
    if (unknown.length > 0) {
      tell({
        what: 'calls',
        is: 'wrong',
        says: plainText(
          `workers do not know ${unknown.slice(0, 8).join(', ')}; they are asked again`,
        ),
        mend: 'load the module that has it in the workers of that topic: zagflow worker --tasks ./tasks.ts',
      })
    }
    const lost = calls.filter(({ state }) => state === 'lost').length
    if (lost > 0) {
      tell({
        what: 'calls',
        is: 'odd',
        says: `of ${count(lost, 'call')} no copy is known: they are sent again once no worker says that it runs them`,
        mend: 'nothing to do: it takes half a minute',
      })
    }
    const silent = calls.filter((call) => {
      return call.state === 'running' && sinceHeard(call, now) > YOUNG_MS * 12
    })
    if (silent.length > 0) {
      const names = silent.map(
        ({ worker }) => workers.find(({ id }) => id === worker)?.name ?? worker,
      )
      tell({
        what: 'calls',
        is: 'odd',
        says: plainText(
          `${count(silent.length, 'call')} of workers that are silent: ${[...new Set(names)].slice(0, 4).join(', ')}`,
        ),
        mend: 'nothing to do if they died: the calls are given to others',
      })
    }
  }
}

async function lookAtDead(link: OperatorLink, names: Names, tell: Tell): Promise<void> {
  const state = await link.lookAt(names.dead)
  if (state === null) return
  const { messages } = state
  tell(
    messages === 0
      ? { what: 'dead', is: 'well', says: 'no message was of no use to anybody' }
      : {
          what: 'dead',
          is: 'wrong',
          says: `${count(messages, 'message')} that nobody could use`,
          mend: 'zagflow dead list says why; then dead requeue, or dead purge',
        },
  )
}

/** What jobs that have not ended need of workers. */
async function needsOfJobs(store: Store): Promise<readonly Need[]> {
  const now = await store.now()
  const { jobs } = await store.findJobs({
    states: ['UNCLAIMED', 'CLAIMED', 'POSTING', 'PARKED'],
    flowStates: ['PENDING', 'RUNNING', 'REVERTING', 'RESUMING'],
    createdBefore: now - YOUNG_MS,
    limit: LOOKED_AT_JOBS,
  })
  const needs = new Map<string, Need>()
  // What its poster delayed, and what a run here runs, waits for no worker.
  const waiting = jobs.filter(({ job }) => job.parkedFor !== 'delay' && job.board !== 'run')
  for (const hash of new Set(waiting.map(({ detail }) => detail.document))) {
    const document = await store.document(hash)
    if (document === null) continue
    // stored by `post` alone
    for (const need of needsOf(document as unknown as ResolvedDocument)) {
      needs.set(JSON.stringify(need), need)
    }
  }
  return [...needs.values()]
}

function longestTask(
  workers: readonly ProcessRecord[],
): { readonly name: string; readonly timeoutMs: number } | undefined {
  const all = workers.flatMap(({ signatures }): readonly unknown[] => {
    return Array.isArray(signatures) ? signatures : []
  })
  const timed = all.flatMap((one) => {
    if (typeof one !== 'object' || one === null) return []
    const name: unknown = Reflect.get(one, 'name')
    const timeoutMs: unknown = Reflect.get(one, 'timeoutMs')
    return typeof name === 'string' && typeof timeoutMs === 'number' ? [{ name, timeoutMs }] : []
  })
  return timed.toSorted((a, b) => b.timeoutMs - a.timeoutMs)[0]
}
