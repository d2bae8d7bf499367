import type { TaskDefinition } from './task.ts'

/** Marks tasks of every copy of this package: a tasks module may have loaded its own. Its value is the definition. */
const TASK = Symbol.for('zagflow.task')

/** @internal */
export function brandTask(object: object, definition: TaskDefinition): void {
  Object.defineProperty(object, TASK, { value: definition })
}

/** The definition of a task or of any step of it; undefined for anything else. */
export function taskDefinitionOf(value: unknown): TaskDefinition | undefined {
  if (typeof value !== 'object' || value === null || !(TASK in value)) return undefined
  return value[TASK] as TaskDefinition // the brand says so
}
