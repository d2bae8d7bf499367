/** Flow documents by their hash, and the registry of flows that can be posted by name. */
import type { Json } from '../../src/base/json.ts'

/** A version of a registered flow. */
export interface FlowVersion {
  readonly name: string
  readonly version: number
  /** Hash of the source document. */
  readonly hash: string
  readonly createdAt: number
}

/** Documents and registered flows. */
export interface FlowStore {
  /** A document by its hash; null: there is none. */
  document(hash: string): Promise<Json | null>
  /** Registers a version of a source document: a new number when its content changed, else the one it has. */
  registerFlow(name: string, source: Json, hash: string): Promise<FlowVersion>
  /** That version of a flow, or its last one; null: it is not registered. */
  findFlow(name: string, version?: number): Promise<FlowVersion | null>
  /** The versions of a flow, or of all, by name and version. */
  listFlows(name?: string): Promise<readonly FlowVersion[]>
}
