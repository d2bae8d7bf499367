/** Documents and registered flows, in memory: functions are as the methods of {@link FlowStore}. */
import type { Json } from '../../src/base/json.ts'
import { checkTexts } from '../rules.ts'
import type { FlowVersion } from '../store.ts'
import { compareText } from './order.ts'
import type { MemoryTables } from './tables.ts'

export function document(tables: MemoryTables, hash: string): Json | null {
  return tables.documents.get(hash) ?? null
}

export function registerFlow(
  tables: MemoryTables,
  name: string,
  source: Json,
  hash: string,
): FlowVersion {
  checkTexts('the flow', { name })
  let versions = tables.flows.get(name)
  if (versions === undefined) tables.flows.set(name, (versions = []))
  const last = versions.at(-1)
  if (last?.hash === hash) return last
  tables.keep(hash, source)
  const version = { name, version: (last?.version ?? 0) + 1, hash, createdAt: tables.now() }
  versions.push(version)
  return version
}

export function findFlow(tables: MemoryTables, name: string, version?: number): FlowVersion | null {
  const versions = tables.flows.get(name) ?? []
  const found = version === undefined ? versions.at(-1) : versions[version - 1]
  return found ?? null
}

export function listFlows(tables: MemoryTables, name?: string): readonly FlowVersion[] {
  const all =
    name === undefined ? [...tables.flows.values()].flat() : (tables.flows.get(name) ?? [])
  return all.toSorted((a, b) => compareText(a.name, b.name) || a.version - b.version)
}
