import { UsageError } from '../../base/errors.ts'

/** `zagflow worker`: says what to do instead, for there is no broker in this version. */
export function workerCommand(): never {
  throw new UsageError(
    'a worker needs a broker (AMQP), which comes with a later version: until then tasks run inside conductors',
    { hint: 'start zagflow conductor --tasks ./tasks.ts, as many as you like' },
  )
}
