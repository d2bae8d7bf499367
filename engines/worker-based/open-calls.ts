/** The calls of the table by flow and atom: an atom has one call at a time. */
import type { CallKey } from '../../src/protocol/call.ts'
import type { OpenCall } from './open-call.ts'

const NONE: readonly OpenCall[] = []

export class OpenCalls {
  readonly #flows = new Map<string, Map<string, OpenCall>>()
  #size = 0

  get size(): number {
    return this.#size
  }

  /** Adds a call; returns the one that it takes the place of, if any. */
  add(call: OpenCall): OpenCall | undefined {
    const { flowId, atom } = call.request
    let flow = this.#flows.get(flowId)
    if (flow === undefined) this.#flows.set(flowId, (flow = new Map<string, OpenCall>()))
    const earlier = flow.get(atom)
    flow.set(atom, call)
    if (earlier === undefined) this.#size += 1
    return earlier
  }

  /** The call of exactly that key. */
  find(key: CallKey): OpenCall | undefined {
    const call = this.#flows.get(key.flowId)?.get(key.atom)
    if (call === undefined) return undefined
    const { request } = call
    if (request.call !== key.call || request.direction !== key.direction) return undefined
    return request.jobId === key.jobId ? call : undefined
  }

  remove(call: OpenCall): void {
    const { flowId, atom } = call.request
    const flow = this.#flows.get(flowId)
    if (flow?.get(atom) !== call) return
    flow.delete(atom)
    if (flow.size === 0) this.#flows.delete(flowId)
    this.#size -= 1
  }

  /** Removes the calls of a flow, and returns them. */
  takeFlow(flowId: string): readonly OpenCall[] {
    const flow = this.#flows.get(flowId)
    if (flow === undefined) return NONE
    this.#flows.delete(flowId)
    this.#size -= flow.size
    return [...flow.values()]
  }

  ofFlow(flowId: string): Iterable<OpenCall> {
    return this.#flows.get(flowId)?.values() ?? NONE
  }

  *[Symbol.iterator](): Iterator<OpenCall> {
    for (const flow of this.#flows.values()) yield* flow.values()
  }

  clear(): void {
    this.#flows.clear()
    this.#size = 0
  }
}
