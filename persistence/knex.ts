/**
 * The store in a database, SQLite or PostgreSQL. What differs between them is in their {@link Dialect}; what does not is in `knex/`,
 * in the parts and in the order of the contract.
 *
 * Invariants
 * K1  Each call is one transaction (most are one statement), and may be made again when its answer was lost (`knex/statements.ts`).
 * K2  The claim id of a job stays in its row when its owner ends the claim, so that the owner can read a lost answer back
 *     (S3); it is cleared when somebody else ends it.
 * K3  Locks are taken in one order: jobs, then what belongs to them.
 */
import type { Dialect } from './dialect.ts'
import { brokersIn } from './knex/brokers.ts'
import { claimsIn } from './knex/claims.ts'
import { commitsIn } from './knex/commits.ts'
import { flowsIn } from './knex/flows.ts'
import { lifeIn } from './knex/life.ts'
import { mailIn } from './knex/mail.ts'
import { operatorsIn } from './knex/operators.ts'
import { postsIn } from './knex/posts.ts'
import { processesIn } from './knex/processes.ts'
import { schedulesIn } from './knex/schedules.ts'
import { searchIn } from './knex/search.ts'
import { Statements } from './knex/statements.ts'
import { upkeepIn } from './knex/upkeep.ts'
import type { Store } from './store.ts'

/** Makes the store of a database; `start()` connects it. */
export function knexStore(dialect: Dialect): Store {
  const statements = new Statements(dialect)
  return {
    ...lifeIn(statements),
    ...postsIn(statements),
    ...flowsIn(statements),
    ...claimsIn(statements),
    ...commitsIn(statements),
    ...mailIn(statements),
    ...brokersIn(statements),
    ...processesIn(statements),
    ...upkeepIn(statements),
    ...searchIn(statements),
    ...operatorsIn(statements),
    ...schedulesIn(statements),
  }
}
