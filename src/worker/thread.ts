/**
 * The inside of a worker thread: loads the module of a task, runs one call, tells its caller what happens.
 *
 * Invariants
 * T1  The caller keeps the limits: here a body may take as long as it likes, for a thread that computes cannot watch itself.
 * T2  An abort is heard even by a body that never gives up its thread, when it asks for `ctx.signal`, or calls
 *     `ctx.progress` or `ctx.heartbeat`.
 */
import { receiveMessageOnPort, type MessagePort } from 'node:worker_threads'
import { realClock } from '../base/clock.ts'
import { toFailure } from '../base/failure.ts'
import type { CallAnswer } from '../protocol/call.ts'
import { loadModule } from './load-module.ts'
import { TaskRegistry } from './registry.ts'
import { remoteLogger } from './remote-logger.ts'
import { runCall, type CallEnvironment } from './run-call.ts'
import type { FromThread, ThreadCallInput, ToThread } from './thread-messages.ts'

/** T1: longer than any call, shorter than what a timer overflows at. */
const NEVER_MS = 365 * 24 * 60 * 60 * 1000
const BEAT_EVERY_MS = 50

const registries = new Map<string, Promise<TaskRegistry>>()

/** Runs one call in this thread. Called by the pool. */
export async function runInThread(input: ThreadCallInput): Promise<CallAnswer> {
  const { request, module, port } = input
  const say = (message: FromThread): void => port.postMessage(message)
  try {
    const tasks = await registryOf(module)
    return await new Promise((resolve) => {
      say({ kind: 'started' })
      const running = runCall(request, environmentOf(tasks, port, say), {
        answer: (_request, answer) => resolve(answer),
        progress: (_request, progress, details) => say({ kind: 'progress', progress, details }),
      })
      port.on('message', ({ cause }: ToThread) => running.abort(cause.message, cause.kind))
    })
  } catch (error) {
    const cause = toFailure(error)
    const message = `${module} could not be loaded in a worker thread: ${cause.message}`
    const failure = { code: 'TaskNotLoaded', message, retryable: false, cause }
    return { kind: 'failed', failure, outcome: 'failure', startedAt: Date.now() }
  } finally {
    port.close()
  }
}

function registryOf(module: string): Promise<TaskRegistry> {
  const known = registries.get(module)
  if (known !== undefined) return known
  const loading = loadModule(module).then((exports) => new TaskRegistry().add(exports, { module }))
  registries.set(module, loading)
  return loading
}

function environmentOf(
  tasks: TaskRegistry,
  port: MessagePort,
  say: (message: FromThread) => void,
): CallEnvironment {
  let lastBeatAt = 0
  return {
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
    heardAbort() {
      const got = receiveMessageOnPort(port)
      return got === undefined ? undefined : (got.message as ToThread).cause // our caller says nothing else
    },
  }
}
