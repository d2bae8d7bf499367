export { Broker } from '../src/amqp/broker.ts'
export type { BrokerLink } from '../src/amqp/broker-link.ts'
export type { BrokerOptions, BrokerTls } from '../src/amqp/options.ts'
export type { CallAnswer, CallKey, CallListener, CallRequest, Engine } from './engine.ts'
export type { InProcessEngineOptions } from './options.ts'
export { ParallelEngine, type ParallelEngineOptions } from './parallel.ts'
export { SerialEngine } from './serial.ts'
export {
  WorkerBasedEngine,
  type CallState,
  type CallStatus,
  type WorkerBasedEngineOptions,
  type WorkerBasedStatus,
} from './worker-based.ts'
