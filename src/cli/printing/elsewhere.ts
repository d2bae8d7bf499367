/** Where the calls of a job are, when workers run them. Pure. */
import type { AtomRecord } from '../../machine/records.ts'
import { DEFAULT_TOPIC, gapsOf } from '../../client/served.ts'
import type { ResolvedNode } from '../../flow/resolved.ts'
import type { ProcessRecord } from '../../../persistence/store.ts'
import { sinceHeard, type CallElsewhere } from '../calls-elsewhere.ts'
import type { Paint } from './paint.ts'
import { age, count, plainText } from './text.ts'

export interface Elsewhere {
  /** Calls of this job, as its conductor announced them last; perhaps not all. */
  readonly calls: readonly CallElsewhere[]
  readonly workers: readonly ProcessRecord[]
  /** Of the database's clock, epoch ms. */
  readonly now: number
}

/** What is said below an atom whose call is with workers; nothing for others. */
export function elsewhereText(
  atom: AtomRecord,
  node: ResolvedNode,
  { calls, workers, now }: Elsewhere,
  paint: Paint,
): readonly string[] {
  const isUnderWay = atom.state === 'RUNNING' || atom.state === 'REVERTING'
  if (atom.replyTo === null || !isUnderWay || node.kind !== 'task') return []
  const again = atom.starts > 0 ? [paint.yellow(`started again ${count(atom.starts, 'time')}`)] : []
  const call = calls.find((one) => one.atom === atom.path)
  const task = call?.task ?? node.task
  const topic = call?.topic ?? node.topic ?? DEFAULT_TOPIC
  const [gap] = gapsOf([{ task, topic }], workers)
  const nobody =
    gap === undefined
      ? undefined
      : gap.servedOn.length > 0
        ? `waits for a worker of the topic ${topic}: ${task} is only served on ${gap.servedOn.join(', ')}`
        : workers.some((worker) => worker.topics.includes(topic))
          ? `waits for a worker that has ${task}: those of the topic ${topic} do not`
          : `waits for a worker: none serves the topic ${topic}`
  const missing = nobody === undefined ? undefined : paint.yellow(plainText(nobody))
  const worker = nameOf(call?.worker ?? null, workers)
  switch (call?.state) {
    case 'running':
      return [
        paint.dim(plainText(`runs on ${worker}, heard of ${ago(sinceHeard(call, now))}`)),
        ...again,
      ]
    case 'unknown':
      return [missing ?? paint.yellow(plainText(`${worker} does not know ${task}; asked again`))]
    case 'doubted':
      return [paint.yellow(plainText(`${worker} asks whether it may start it again`)), ...again]
    case 'lost':
      return [paint.yellow('no copy of it is known; sent again once no worker says it runs it')]
    case 'waiting':
      return [paint.yellow('waits for room at the broker')]
    case 'aborting':
      return [paint.yellow(call.worker === null ? 'being aborted' : `being aborted on ${worker}`)]
    default:
      return [missing ?? paint.dim(plainText(`with the workers of the topic ${topic}`)), ...again]
  }
}

function nameOf(id: string | null, workers: readonly ProcessRecord[]): string {
  const worker = workers.find((one) => one.id === id)
  if (worker === undefined) return id === null ? 'a worker' : `worker ${id.slice(0, 13)}`
  return `${worker.name} (${worker.host}, process ${worker.pid})`
}

function ago(ms: number): string {
  const text = age(ms)
  return text === 'now' ? 'just now' : `${text} ago`
}
