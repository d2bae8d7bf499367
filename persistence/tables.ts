import type { Sql } from './sql.ts'
import { name } from './sql.ts'

const TABLES = [
  'atoms',
  'brokers',
  'calls',
  'documents',
  'flow_details',
  'flows',
  'history',
  'jobs',
  'mailbox',
  'migrations',
  'processes',
  'reply_queues',
  'results',
  'schedules',
  'scopes',
  'signals',
] as const

/** The tables of a namespace, by their names without its prefix. */
export type TableNames = { readonly [table in (typeof TABLES)[number]]: Sql } & {
  readonly prefix: string
}

/** The tables of a namespace. The prefix is one that `tablePrefix` passed: it becomes part of statements. */
export function tableNames(prefix: string): TableNames {
  const named = (table: string): Sql => name(`${prefix}${table}`)
  return {
    prefix,
    atoms: named('atoms'),
    brokers: named('brokers'),
    calls: named('calls'),
    documents: named('documents'),
    flow_details: named('flow_details'),
    flows: named('flows'),
    history: named('history'),
    jobs: named('jobs'),
    mailbox: named('mailbox'),
    migrations: named('migrations'),
    processes: named('processes'),
    reply_queues: named('reply_queues'),
    results: named('results'),
    schedules: named('schedules'),
    scopes: named('scopes'),
    signals: named('signals'),
  }
}
