import { pikaTool } from './pika.ts'
import { postgresServer } from './postgres-server.ts'
import { rabbitmqServer } from './rabbitmq-server.ts'
import type { TestServer, TestTool } from './test-server.ts'
import { zookeeperServer } from './zookeeper-server.ts'

/**
 * Every real server that some test needs: how each is found, installed and started.
 *
 * A further one is one more row here and one file beside `postgres-server.ts`.
 */
export const testServers: readonly TestServer[] = [postgresServer, rabbitmqServer, zookeeperServer]

/** What else some test needs, and is only installed. */
export const testTools: readonly TestTool[] = [pikaTool]
