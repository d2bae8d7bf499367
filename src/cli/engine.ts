import { ParallelEngine } from '../../engines/parallel.ts'
import { SerialEngine } from '../../engines/serial.ts'
import type { Engine } from '../../engines/engine.ts'
import type { Logger } from '../base/logger.ts'
import type { TaskRegistry } from '../worker/registry.ts'
import type { Settings } from './settings/names.ts'

/** An engine in this process, over tasks that know their modules (so that `cpu: true` runs in threads). */
export function createEngine(
  { engine, concurrency }: Pick<Settings, 'engine' | 'concurrency'>,
  tasks: TaskRegistry,
  logger: Logger,
): Engine {
  if (engine === 'serial') return new SerialEngine({ tasks, logger })
  return new ParallelEngine({ tasks, logger, concurrency })
}
