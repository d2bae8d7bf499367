import { TaskError, UsageError } from '../base/errors.ts'
import type { Direction } from '../machine/records.ts'

/** Something that goes wrong on purpose: made by {@link failing} and {@link hanging}. */
export interface Injection {
  readonly kind: 'fail' | 'hang'
  /** Name of a task, or path of an atom. */
  readonly target: string
  readonly direction: Exclude<Direction, 'decide'>
  /** How many calls it happens to, after `after` others. */
  readonly times: number
  readonly after: number
  /** `fail`: what is thrown. */
  readonly error: unknown
}

/** Which calls go wrong. */
export interface InjectionOptions {
  /** How many calls. @default all */
  readonly times?: number | undefined
  /** Calls that go well before. @default 0 */
  readonly after?: number | undefined
  /** Whether executing goes wrong, or reverting. @default 'execute' */
  readonly direction?: 'execute' | 'revert' | undefined
}

/**
 * Lets calls of a task fail, instead of running it. The target is the name of a task, or the path of one atom
 * (`checkout/settle/payment.charge`).
 *
 * @example
 * testFlow(checkout, input, { inject: [failing("payment.charge", { times: 2, error: "no answer" })] })
 */
export function failing(
  target: string,
  options: InjectionOptions & {
    /** What is thrown: any error, or the message of one. @default a `TaskError` with the code `Injected` */
    readonly error?: unknown
  } = {},
): Injection {
  const { error = `${target} failed on purpose` } = options
  return {
    ...injection('fail', target, options),
    error: typeof error === 'string' ? new TaskError(error, { code: 'Injected' }) : error,
  }
}

/**
 * Lets calls of a task hang until they are aborted: by their timeout, or by a cancel.
 *
 * @example
 * testFlow(checkout, input, { inject: [hanging("shipping.ship", { times: 1 })] })
 */
export function hanging(target: string, options: InjectionOptions = {}): Injection {
  return injection('hang', target, options)
}

function injection(
  kind: Injection['kind'],
  target: string,
  { times = Infinity, after = 0, direction = 'execute' }: InjectionOptions,
): Injection {
  if (typeof target !== 'string' || target === '') {
    throw new UsageError('an injection needs the name of a task or the path of an atom')
  }
  if (!(times >= 1 && after >= 0)) {
    throw new UsageError(`expected times from 1 and after from 0, got ${times} and ${after}`)
  }
  return { kind, target, direction, times, after, error: undefined }
}
