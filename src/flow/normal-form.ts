/**
 * The normal form of a source document: what a flow says, written one way, so that YAML and builders give the same bytes
 * and the same hash. Schemas are written out (`string?`, bounds of whole numbers), `${{ }}` around a condition is
 * removed, defaults and empty objects that say nothing are left out, `zagflow: 1` is there.
 */
import { isList, isRecord } from '../base/codec.ts'
import type { Json } from '../base/json.ts'
import { FLOW_KINDS } from './names.ts'
import { bareExpression } from './template.ts'
import { normalSymbolSchema } from './value-schema.ts'

/** JSON that belongs to us alone: it may be changed. */
type Draft = { [key: string]: Json }

/** Brings a checked document into normal form, in place; doing it again changes nothing. */
export function normalise(document: Draft): void {
  document['zagflow'] = 1
  const input = draft(document['input'])
  if (input !== undefined) {
    for (const [symbol, schema] of Object.entries(input)) input[symbol] = normalSymbolSchema(schema)
  }
  leaveOut(document, 'labels', isEmpty)
  normaliseNode(document)
}

function normaliseNode(node: Draft): void {
  if (typeof node['when'] === 'string') node['when'] = bareExpression(node['when'])
  leaveOut(node, 'onFailure', (value) => value === 'revert')
  leaveOut(node, 'priority', (value) => value === 0)
  leaveOut(node, 'onChildFailure', (value) => value === 'wait')
  leaveOut(node, 'with', isEmpty)
  leaveOut(node, 'links', isEmpty)
  for (const key of ['retry', 'revertRetry']) {
    const retry = draft(node[key])
    if (retry === undefined) continue
    if (typeof retry['when'] === 'string') retry['when'] = bareExpression(retry['when'])
    leaveOut(retry, 'with', isEmpty)
  }
  if (isList(node['links'])) {
    for (const item of node['links']) {
      const link = draft(item)
      if (typeof link?.['when'] === 'string') link['when'] = bareExpression(link['when'])
      if (link !== undefined) leaveOut(link, 'depth', (value) => value === 'path')
    }
  }
  for (const kind of FLOW_KINDS) {
    const children = node[kind]
    if (!isList(children)) continue
    for (const child of children) {
      const inner = draft(child)
      if (inner !== undefined) normaliseNode(inner)
    }
  }
}

function leaveOut(object: Draft, key: string, isDefault: (value: Json) => boolean): void {
  const value = object[key]
  if (value !== undefined && isDefault(value)) delete object[key]
}

function isEmpty(value: Json): boolean {
  return isList(value) ? value.length === 0 : isRecord(value) && Object.keys(value).length === 0
}

function draft(value: Json | undefined): Draft | undefined {
  return isRecord(value) ? (value as Draft) : undefined // ours alone, see Draft
}
