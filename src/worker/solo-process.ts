/**
 * The inside of a process that runs one call: loads the modules, runs it, answers, ends.
 *
 * Invariants
 * I1  The caller keeps the limits, as for threads.
 * I2  It ends when its caller is gone, and no signal that is sent to both ends it before: the caller decides.
 * I3  What the body left to be done in the background gets a moment after the answer, and no more.
 */
import { realClock } from '../base/clock.ts'
import { toFailure } from '../base/failure.ts'
import type { CallRequest } from '../protocol/call.ts'
import { TaskRegistry } from './registry.ts'
import { remoteLogger } from './remote-logger.ts'
import { runCall, type RunningCall } from './run-call.ts'
import type { FromSolo, SoloInput, ToSolo } from './solo-messages.ts'

/** Longer than any call, shorter than what a timer overflows at. */
const NEVER_MS = 365 * 24 * 60 * 60 * 1000
const BEAT_EVERY_MS = 50
/** I3. */
const LINGER_MS = 2_000

const leave = (): void => process.exit(0)
process.on('disconnect', leave) // I2
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined)

let running: RunningCall | undefined
let abort: ToSolo | undefined
process.on('message', (message: SoloInput | ToSolo) => {
  if ('request' in message) {
    void run(message) // says what went wrong
    return
  }
  abort = message
  running?.abort(message.cause.message, message.cause.kind)
})

async function run({ request, modules }: SoloInput): Promise<void> {
  let tasks: TaskRegistry
  try {
    tasks = await TaskRegistry.load(modules)
    if (!tasks.runs(request)) throw new Error(`no module has ${request.task}`)
  } catch (error) {
    end({ kind: 'refused', why: toFailure(error).message })
    return
  }
  say({ kind: 'started' })
  running = start(request, tasks)
  if (abort !== undefined) running.abort(abort.cause.message, abort.cause.kind)
}

function start(request: CallRequest, tasks: TaskRegistry): RunningCall {
  let lastBeatAt = 0
  const environment = {
    tasks,
    logger: remoteLogger(say),
    clock: realClock,
    abortGraceMs: NEVER_MS,
    beat() {
      const now = Date.now()
      if (now - lastBeatAt < BEAT_EVERY_MS) return
      lastBeatAt = now
      say({ kind: 'beat' })
    },
  }
  return runCall(request, environment, {
    answer: (_request, answer) => end({ kind: 'answer', answer }),
    progress: (_request, progress, details) => say({ kind: 'progress', progress, details }),
  })
}

function say(message: FromSolo): void {
  if (process.connected) process.send?.(message, undefined, undefined, () => undefined)
}

function end(message: FromSolo): void {
  process.send?.(message, undefined, undefined, () => {
    process.off('disconnect', leave)
    if (process.connected) process.disconnect()
    setTimeout(leave, LINGER_MS).unref()
  })
}
