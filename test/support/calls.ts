/** Requests for the tests of whatever runs calls, and a listener that remembers. */
import type { Json, JsonObject } from '../../src/base/json.ts'
import type { CallAnswer, CallListener, CallRequest } from '../../src/protocol/call.ts'
import { idempotencyKey } from '../../src/worker/call-context.ts'

let made = 0

/** A request for a task; each is another atom of the flow `f1` unless `fields` say so. */
export function requestFor(
  task: string,
  args: JsonObject = {},
  fields: Partial<CallRequest> = {},
): CallRequest {
  made += 1
  return {
    jobId: 'job',
    flowId: 'f1',
    flow: 'flow',
    atom: `flow/${task}-${made}`,
    direction: 'execute',
    call: 1,
    task,
    topic: 'default',
    attempt: 1,
    args,
    priority: 0,
    again: false,
    ...fields,
  }
}

/** Remembers what an engine reported. */
export class CallRecorder implements CallListener {
  /** Answers in the order in which they came, by their key. */
  readonly answers: { readonly request: CallRequest; readonly answer: CallAnswer }[] = []
  readonly reports: { readonly progress: number; readonly details: Json | undefined }[] = []
  readonly #waiting = new Map<string, (answer: CallAnswer) => void>()

  answer(request: CallRequest, answer: CallAnswer): void {
    this.answers.push({ request, answer })
    this.#waiting.get(idempotencyKey(request))?.(answer)
  }

  progress(_request: CallRequest, progress: number, details: Json | undefined): void {
    this.reports.push({ progress, details })
  }

  /** The answers of one call: one, if all is well. */
  of(request: CallRequest): readonly CallAnswer[] {
    const key = idempotencyKey(request)
    return this.answers.flatMap((given) =>
      idempotencyKey(given.request) === key ? [given.answer] : [],
    )
  }

  /** The first answer of this call, now or later. */
  next(request: CallRequest): Promise<CallAnswer> {
    const [known] = this.of(request)
    if (known !== undefined) return Promise.resolve(known)
    return new Promise((resolve) => this.#waiting.set(idempotencyKey(request), resolve))
  }
}
