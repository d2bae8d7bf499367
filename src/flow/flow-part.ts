/** What the root and flows in flows have in common: children, links, retry, timeout, onChildFailure. */
import { didYouMean } from '../base/did-you-mean.ts'
import { UsageError } from '../base/errors.ts'
import type { Definition } from './definition.ts'
import { describe, type SourceDocument, type SourceNode } from './document.ts'
import { toMs, type Duration } from './duration-option.ts'
import { MAX_BUILT_BYTES, type FlowKind } from './names.ts'
import { parseDocument } from './parse.ts'
import type { OnChildFailure } from './resolved.ts'
import { conditionOf, sourceRetry, type Retry } from './retry.ts'
import { isRetryStrategy } from './retry-strategy.ts'
import type { Node } from './types/node.ts'

interface Part {
  readonly retry?: Retry | undefined
  readonly timeout?: Duration | undefined
  readonly onChildFailure?: OnChildFailure | undefined
  readonly links?: readonly object[] | undefined
}

/** The piece of a document that a flow's children and options make. Throws {@link UsageError}. */
export function flowPart(
  kind: FlowKind,
  nodes: readonly Node[],
  options: Part,
  keys: readonly string[],
  where: string,
): { readonly [key: string]: unknown } {
  checkOptions(options, kind === 'graph' ? [...keys, 'links'] : keys, where)
  checkNodes(nodes, where)
  const { retry, timeout, onChildFailure, links } = options
  if (timeout !== undefined) toMs(timeout, `${where}: timeout`)
  return {
    ...(retry === undefined ? {} : { retry: sourceRetry(retry, `${where}: retry`) }),
    ...(timeout === undefined ? {} : { timeout }),
    ...(onChildFailure === undefined ? {} : { onChildFailure }),
    [kind]: nodes.map((node): SourceNode => node['~node'].source),
    ...(links === undefined
      ? {}
      : { links: links.map((link, index) => sourceLink(link, `${where}: links[${index}]`)) }),
  }
}

/** All definitions below, each once. */
export function definitionsOf(
  nodes: readonly Node[],
  retry: Retry | undefined,
): readonly Definition[] {
  const found = new Set<Definition>()
  if (retry !== undefined && 'strategy' in retry && isRetryStrategy(retry.strategy))
    found.add(retry.strategy)
  for (const node of nodes)
    for (const definition of node['~node'].definitions) found.add(definition)
  return Object.freeze([...found])
}

/** The document that builders wrote, checked, in normal form, frozen. Throws {@link InvalidFlowError}. */
export function readDocument(written: unknown): SourceDocument {
  return deepFreeze(parseDocument(written, { maxBytes: MAX_BUILT_BYTES }))
}

/** The value of a function that is called when it is first needed. */
export function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined
  return () => (made ??= { value: make() }).value
}

function checkOptions(options: unknown, keys: readonly string[], where: string): void {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw new UsageError(`${where}: its options are ${describe(options)}, expected an object`)
  }
  for (const key of Object.keys(options)) {
    if (keys.includes(key)) continue
    const hint = key === 'links' ? 'only a graph has links' : didYouMean(key, keys)
    throw new UsageError(`${where} has an unknown option "${key}"`, {
      hint: hint ?? `known are ${keys.join(', ')}`,
    })
  }
}

function checkNodes(nodes: unknown, where: string): void {
  if (!Array.isArray(nodes)) {
    throw new UsageError(`${where}: its nodes are ${describe(nodes)}, expected a list`, {
      hint: 'write [reserve, charge, ship]',
    })
  }
  nodes.forEach((node: unknown, index) => {
    if (typeof node === 'object' && node !== null && '~node' in node) return
    const isRoot = typeof node === 'object' && node !== null && '~flow' in node
    throw new UsageError(
      `${where}: nodes[${index}] is ${isRoot ? 'a closed flow' : describe(node)}, expected a node`,
      {
        hint: isRoot
          ? 'flow() is the root; put linear(), unordered() or graph() in a flow'
          : 'give what task(), linear(), unordered() or graph() make',
      },
    )
  })
}

function sourceLink(link: object, where: string): object {
  if (typeof link !== 'object' || link === null) {
    throw new UsageError(`${where} is ${describe(link)}, expected { from, to }`)
  }
  const entries = Object.entries(link).filter(([, value]) => value !== undefined)
  return Object.fromEntries(
    entries.map(([key, value]) => [
      key,
      key === 'when' ? conditionOf(value, `${where}.when`) : (value as unknown),
    ]),
  )
}

function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value
  for (const member of Object.values(value)) deepFreeze(member)
  return Object.freeze(value)
}
