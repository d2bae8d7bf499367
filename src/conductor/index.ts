export { Conductor, type ConductorLoad } from './conductor.ts'
export type { ConductorEvent, JobEvent } from './events.ts'
export type { ConductorOptions } from './options.ts'
