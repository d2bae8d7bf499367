import { ParallelEngine } from '../../engines/parallel.ts'
import { SerialEngine } from '../../engines/serial.ts'
import type { Engine } from '../../engines/engine.ts'
import type { Logger } from '../base/logger.ts'
import type { TaskRegistry } from '../worker/registry.ts'
import type { Settings } from './settings/names.ts'

/** The engine that settings name, over tasks that know their modules (so that `cpu: true` runs in threads). */
export function createEngine(
  { engine, concurrency }: Pick<Settings, 'engine' | 'concurrency'>,
  tasks: TaskRegistry,
  logger: Logger,
): Engine {
  switch (engine) {
    case 'serial':
      return new SerialEngine({ tasks, logger })
    case 'parallel':
      return new ParallelEngine({ tasks, logger, concurrency })
  }
}
