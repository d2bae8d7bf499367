/** What writes flows in TypeScript: re-exports only. */
export { z } from 'zod'
export { graph, linear, unordered } from './composition.ts'
export type { Composition, CompositionOptions, GraphOptions, Link } from './composition.ts'
export type { RevertContext, TaskContext } from './context.ts'
export type { Definition, Definitions } from './definition.ts'
export type { Duration } from './duration-option.ts'
export { flow } from './flow.ts'
export type { Flow, FlowOptions } from './flow.ts'
export { retryStrategy } from './retry-strategy.ts'
export type { Answer, Decision, RetryStrategyDefinition, Round } from './retry-strategy.ts'
export type {
  Retry,
  RetryByStrategy,
  RetryForEach,
  RetryNever,
  RetryTimes,
  TaskRetry,
} from './retry.ts'
export type { InputOf, OutputOf, Runnable } from './runnable.ts'
export type { Step } from './step.ts'
export { task } from './task.ts'
export type { TaskDefinition, TaskOptions, Undo } from './task.ts'
export { cel, from } from './template-of.ts'
export type { Cel, From } from './template-of.ts'
export type { Node } from './types/node.ts'
export type { Schema, Shape } from './types/schema.ts'
