/** Names of settings: what help needs, without anything that is costly to load. */

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error', 'silent'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]

export const DEFAULT_PERSISTENCE = 'sqlite:.zagflow/zagflow.db'

export const ENGINE_NAMES = ['serial', 'parallel', 'worker-based'] as const
export type EngineName = (typeof ENGINE_NAMES)[number]

/** All settings, with defaults filled in. */
export interface Settings {
  /** URL of the database. */
  readonly persistence: string
  /** URL of the board. */
  readonly board: string
  /** Credentials of a board in ZooKeeper, over those of its URL. */
  readonly zookeeperUser?: string | undefined
  readonly zookeeperPassword?: string | undefined
  /** PEM files: who signed the servers' certificates, and this side's own certificate and key. */
  readonly zookeeperCa?: string | undefined
  readonly zookeeperCert?: string | undefined
  readonly zookeeperKey?: string | undefined
  /** URLs of the broker, with commas. */
  readonly broker?: string | undefined
  /** Prefix of all tables, queues and exchanges. */
  readonly namespace?: string | undefined
  readonly log: LogLevel
  /** Modules of tasks: paths relative to the current folder, or absolute. */
  readonly tasks: readonly string[]
  /** Undefined: what suits the command and the broker. */
  readonly engine?: EngineName | undefined
  /** Tasks that run at once in the parallel engine. */
  readonly concurrency?: number | undefined
  /** Of the conductor. */
  readonly name?: string | undefined
  readonly maxFlows?: number | undefined
  readonly leaseMs: number
  readonly graceMs: number
}

export type SettingKey = Exclude<keyof Settings, 'leaseMs' | 'graceMs'> | 'lease' | 'grace'

/** Variables of the environment, and the setting that each is. */
export const ENVIRONMENT: ReadonlyMap<string, SettingKey> = new Map([
  ['ZAGFLOW_PERSISTENCE', 'persistence'],
  ['ZAGFLOW_BOARD', 'board'],
  ['ZAGFLOW_ZOOKEEPER_USER', 'zookeeperUser'],
  ['ZAGFLOW_ZOOKEEPER_PASSWORD', 'zookeeperPassword'],
  ['ZAGFLOW_ZOOKEEPER_CA', 'zookeeperCa'],
  ['ZAGFLOW_ZOOKEEPER_CERT', 'zookeeperCert'],
  ['ZAGFLOW_ZOOKEEPER_KEY', 'zookeeperKey'],
  ['ZAGFLOW_BROKER', 'broker'],
  ['ZAGFLOW_NAMESPACE', 'namespace'],
  ['ZAGFLOW_LOG', 'log'],
  ['ZAGFLOW_TASKS', 'tasks'],
  ['ZAGFLOW_ENGINE', 'engine'],
  ['ZAGFLOW_CONCURRENCY', 'concurrency'],
  ['ZAGFLOW_NAME', 'name'],
  ['ZAGFLOW_MAX_FLOWS', 'maxFlows'],
  ['ZAGFLOW_LEASE', 'lease'],
  ['ZAGFLOW_GRACE', 'grace'],
])
