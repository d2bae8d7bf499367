/** What tests of flows need: no server, no waiting. Re-exports only. */
export { crashEverywhere, type CrashedRun } from './crash-everywhere.ts'
export { FlowTest, testFlow, type CrashPoint, type TestOptions } from './flow-test.ts'
export { failing, hanging, type Injection, type InjectionOptions } from './injections.ts'
export type { Replacement, TestCall } from './test-tasks.ts'
