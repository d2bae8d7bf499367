/**
 * The tasks of `workload.ts` as a module, for workers and the processes that they start. The ledger's file
 * and the worker are in the environment: a process that outlives its worker for a moment knows it all the same.
 */
import { registryOf } from '../conductor/fixtures.ts'
import { ledgerTasks } from './workload.ts'

const ledger = process.env['ZAGFLOW_TEST_LEDGER']
if (ledger === undefined) throw new Error('ZAGFLOW_TEST_LEDGER is missing')
const napMs = process.env['ZAGFLOW_TEST_NAP_MS']

const registry = registryOf(
  ledgerTasks(ledger, {
    parent: Number(process.env['ZAGFLOW_TEST_WORKER'] ?? process.pid),
    ...(napMs === undefined ? {} : { napMs: Number(napMs) }),
  }),
)

/** What registries find tasks by. */
const brand = Symbol.for('zagflow.task')

export const tasks: readonly object[] = registry.tasks.map((task) => ({ [brand]: task }))
