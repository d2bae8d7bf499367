import { deciders, flows } from './flows.ts'
import { retries, symbols } from './retries.ts'
import type { Scenario } from './scenario.ts'

/** All scenarios; their position is their number in other processes. */
export const everyScenario: readonly Scenario[] = [...flows, ...deciders, ...retries, ...symbols]
