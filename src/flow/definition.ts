/** What is found by name where tasks run: tasks and retry strategies. */
import { InvalidFlowError } from '../base/errors.ts'
import type { RetryStrategyDefinition } from './retry-strategy.ts'
import type { TaskDefinition } from './task.ts'

export type Definition = TaskDefinition | RetryStrategyDefinition

/** Definitions by name. */
export type Definitions = ReadonlyMap<string, Definition>

/**
 * The definitions by name. Throws {@link InvalidFlowError} when two different ones have the same name: a worker could
 * run only one of them.
 */
export function definitionsByName(definitions: Iterable<Definition>, flow: string): Definitions {
  const byName = new Map<string, Definition>()
  for (const definition of definitions) {
    const other = byName.get(definition.name)
    if (other !== undefined && other !== definition) {
      const kinds = new Set([other.kind, definition.kind])
      const what =
        kinds.size === 1 && kinds.has('task')
          ? 'tasks'
          : kinds.size === 1
            ? 'retry strategies'
            : 'things'
      throw new InvalidFlowError(
        [
          {
            path: '',
            message: `two different ${what} have the name "${definition.name}"`,
            hint: 'give each its own name, and reuse one task by .as(id)',
          },
        ],
        { flow },
      )
    }
    byName.set(definition.name, definition)
  }
  return byName
}
