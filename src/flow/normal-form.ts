/**
 * The normal form of a source document: what a flow says, written one way, so that YAML and builders give the same bytes
 * and the same hash. Schemas are written out (`string?`, bounds of whole numbers), `${{ }}` around a condition is
 * removed, defaults and empty objects that say nothing are left out, `zagflow: 1` is there. Keys that Zagflow knows stand in one
 * order; names of the author's own (symbols, arguments) stay as they were written.
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

/** The order in which a person reads a node: what it is, what it gets, when and how; its content last. */
const KEY_ORDER = [
  ...[
    'zagflow',
    'flow',
    'version',
    'description',
    'id',
    'label',
    'task',
    'topic',
    'input',
    'output',
    'labels',
  ],
  ...[
    'with',
    'provides',
    'when',
    'retry',
    'revertRetry',
    'timeout',
    'priority',
    'onFailure',
    'onChildFailure',
  ],
  ...['links', 'from', 'to', 'depth', ...FLOW_KINDS],
  ...['attempts', 'forEach', 'never', 'strategy', 'delay', 'factor', 'maxDelay', 'jitter', 'then'],
]
const positions = new Map(KEY_ORDER.map((key, position) => [key, position]))

/** Puts known keys into their order, in place; a document that has them so already is not touched. */
function order(object: Draft): void {
  const keys = Object.keys(object)
  const place = (key: string): number => positions.get(key) ?? positions.size
  if (keys.every((key, at) => at === 0 || place(keys[at - 1] ?? '') <= place(key))) return
  const values = keys
    .sort((a, b) => place(a) - place(b))
    .map((key) => [key, object[key] ?? null] as const)
  for (const [key] of values) delete object[key]
  for (const [key, value] of values) object[key] = value
}

function normaliseNode(node: Draft): void {
  order(node)
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
    order(retry)
  }
  if (isList(node['links'])) {
    for (const item of node['links']) {
      const link = draft(item)
      if (typeof link?.['when'] === 'string') link['when'] = bareExpression(link['when'])
      if (link === undefined) continue
      leaveOut(link, 'depth', (value) => value === 'path')
      order(link)
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
  return isRecord(value) ? value : undefined
}
