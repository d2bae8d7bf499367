/** What the calls of a flow need of workers, and which of it nobody serves. Pure. */
import type { JsonObject } from '../base/json.ts'
import { isRecord } from '../base/codec.ts'
import type { ResolvedDocument, ResolvedNode } from '../flow/resolved.ts'
import type { ProcessRecord } from '../../persistence/store.ts'

/** Topic of tasks that name none. */
export const DEFAULT_TOPIC = 'default'

/** A task, or a retry strategy, and the topic that its calls go to. */
export interface Need {
  readonly task: string
  readonly topic: string
}

/** A need that no worker serves. */
export interface Gap extends Need {
  /** Topics on which workers do have the task. */
  readonly servedOn: readonly string[]
}

/** What a worker serves; of its announcement. */
export type Serving = Pick<ProcessRecord, 'topics' | 'tasks'>

/** What the calls of a flow may need, each once: tasks, and strategies of its retries. */
export function needsOf(document: ResolvedDocument): readonly Need[] {
  const needs = new Map<string, Need>()
  const add = (task: string, topic: string = DEFAULT_TOPIC): void => {
    needs.set(`${topic} ${task}`, { task, topic })
  }
  const visit = (node: ResolvedNode): void => {
    if (node.kind === 'task') {
      add(node.task, node.topic)
      return
    }
    const { retry } = node
    if (retry?.kind === 'strategy') add(retry.strategy, retry.topic)
    for (const child of node.nodes) visit(child)
  }
  visit(document.root)
  return [...needs.values()]
}

/** Names of the tasks that a flow may call, each once. */
export function tasksOf(document: ResolvedDocument): ReadonlySet<string> {
  const names = new Set<string>()
  const visit = (node: ResolvedNode): void => {
    if (node.kind === 'task') names.add(node.task)
    else for (const child of node.nodes) visit(child)
  }
  visit(document.root)
  return names
}

/** Needs that none of the workers serves. */
export function gapsOf(needs: Iterable<Need>, workers: readonly Serving[]): readonly Gap[] {
  return [...needs].flatMap((need) => {
    const having = workers.filter(({ tasks }) => tasks.includes(need.task))
    if (having.some(({ topics }) => topics.includes(need.topic))) return []
    return [{ ...need, servedOn: [...new Set(having.flatMap(({ topics }) => topics))] }]
  })
}

/** The command that starts a worker for these. */
export function workerCommandFor(needs: readonly Need[]): string {
  const topics = [...new Set(needs.map(({ topic }) => topic))]
  const isDefault = topics.length === 1 && topics[0] === DEFAULT_TOPIC
  const flags = isDefault ? [] : topics.slice(0, 4).map((topic) => ` --topic ${topic}`)
  return `zagflow worker --tasks ./tasks.ts${flags.join('')}`
}

/** What a conductor says of its broker; undefined where its tasks run inside it. */
export function brokerLoadOf({ load }: Pick<ProcessRecord, 'load'>): JsonObject | undefined {
  const broker = isRecord(load) ? load['broker'] : undefined
  return isRecord(broker) ? broker : undefined
}

/** Whether a conductor leaves its tasks to workers: it says so, or it has no tasks of its own to announce. */
export function usesWorkers(conductor: Pick<ProcessRecord, 'load' | 'signatures'>): boolean {
  return brokerLoadOf(conductor) !== undefined || (conductor.signatures ?? null) === null
}
