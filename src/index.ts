/**
 * Zagflow: work that must finish. The front door: what services and their flows need. Engines, boards, stores and workers
 * have doors of their own (`zagflow/engines`, `zagflow/jobboard`, `zagflow/persistence`, `zagflow/worker`), and so have tests
 * of flows (`zagflow/testing`).
 */
export * from './flow/builders.ts'
export { connect } from './client/connect.ts'
export type { ConnectOptions, EmbeddedConductorOptions } from './client/connect-options.ts'
export type { FoundJobs, JobSearch } from './client/find-jobs.ts'
export { Job } from './client/job.ts'
export type { JobDetails, JobStatus, Steered, WaitOptions } from './client/job.ts'
export type {
  FlowResults,
  Outcome,
  SuccessfulOutcome,
  UnsuccessfulOutcome,
} from './client/outcome.ts'
export type { Retried, RetryOptions } from './client/retry.ts'
export { resume, run } from './client/run.ts'
export type { ResumeOptions, RunOptions } from './client/run.ts'
export type { WatchOptions } from './client/watch.ts'
export { Schedule } from './client/schedule.ts'
export type { ScheduleOutcome, ScheduleState, ScheduleStatus } from './client/schedule.ts'
export type {
  ScheduleInput,
  ScheduleOptions,
  ScheduleTiming,
  TickExpression,
} from './client/schedule-spec.ts'
export type { SchedulePlan } from './client/sync-schedules.ts'
export { Zagflow } from './client/zagflow.ts'
export type { PostOptions } from './client/post-options.ts'
export { Conductor } from './conductor/index.ts'
export type {
  ConductorEvent,
  ConductorLoad,
  ConductorOptions,
  JobEvent,
} from './conductor/index.ts'
export type { BrokerTls } from './amqp/options.ts'
export { Worker } from './worker/worker.ts'
export type { WorkerLoad } from './worker/worker.ts'
export type { WorkerOptions } from './worker/options.ts'
export type { FlowEvent } from '../engines/drive.ts'
export type { JobBoard } from '../jobboard/jobboard.ts'
export type {
  FlowDetail,
  FlowVersion,
  JobFilter,
  JobRecord,
  JobState,
  JobSummary,
  Store,
} from '../persistence/store.ts'
export { loadFlow } from './flow/load.ts'
export type { SourceDocument } from './flow/document.ts'
export type { FlowState, AtomState } from './machine/states.ts'
export * from './base/errors.ts'
export type { Failure } from './base/failure.ts'
export type { Json, JsonObject } from './base/json.ts'
export type { LogFields, Logger } from './base/logger.ts'
