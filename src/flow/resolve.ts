/**
 * From a source document to a resolved one: signatures of tasks merged in, durations in ms, ids and defaults settled, and
 * everything checked that needs no run.
 *
 * Invariants
 * S1  What comes out is complete and checked (R1, R2 of `resolved.ts`): compiling it cannot fail.
 * S2  All issues are reported together, with the paths (and lines) of the source.
 * S3  The cost is near-linear: each node is visited a constant number of times, each symbol is looked up level by level.
 */
import { didYouMean } from '../base/did-you-mean.ts'
import { readDuration } from '../base/durations.ts'
import { hashJson } from '../base/ids.ts'
import type { Json } from '../base/json.ts'
import { compileTemplateAt } from './check-expressions.ts'
import { checkFlow } from './check-flow.ts'
import type { BuiltFlow, BuiltNode, BuiltTask, Give } from './gives.ts'
import { checkValue } from './check-value.ts'
import {
  sourceChildren,
  sourceKind,
  type SourceDocument,
  type SourceNode,
  type SourceRetry,
  type SourceTask,
  type SourceTaskRetry,
} from './document.ts'
import { Issues } from './issues.ts'
import { MAX_ATOM_PATH, type FlowKind } from './names.ts'
import { nodeId, originOf, parseDocument } from './parse.ts'
import {
  RESOLVED_FORMAT,
  type ResolvedDocument,
  type ResolvedFlow,
  type ResolvedLink,
  type ResolvedRetry,
  type ResolvedSymbol,
  type ResolvedTask,
  type ResolvedTaskRetry,
  type TaskSignature,
  type Template,
} from './resolved.ts'
import type { CompiledTemplate } from './template.ts'
import { resolveValueSchema } from './value-schema.ts'

export { completeInput } from './complete-input.ts'

export interface ResolveOptions {
  /** Signatures of the tasks that are known: loaded here, or announced by workers. */
  readonly signatures: Iterable<TaskSignature> | ((task: string) => TaskSignature | undefined)
}

interface Resolving {
  readonly issues: Issues
  readonly signatureOf: (task: string) => TaskSignature | undefined
  readonly known: readonly string[]
}

/**
 * Resolves a source document. A value that was not parsed yet is parsed first. Throws `InvalidFlowError` with every issue:
 * unknown tasks and arguments, constants and expressions of the wrong type, symbols that nothing provides, cycles, …
 */
export function resolve(source: SourceDocument, options: ResolveOptions): ResolvedDocument {
  const document = parseDocument(source)
  const issues = new Issues(originOf(document) ?? {})
  const signatures =
    typeof options.signatures === 'function' ? undefined : byName(options.signatures)
  const resolving: Resolving = {
    issues,
    signatureOf:
      typeof options.signatures === 'function'
        ? options.signatures
        : (task) => signatures?.get(task),
    known: signatures === undefined ? [] : [...signatures.keys()],
  }
  const kind = sourceKind(document)
  const root = buildFlow(document, kind === 'task' ? 'linear' : kind, document.flow, [], resolving)
  checkPaths(root, 0, issues)
  const declared = document.input === undefined ? undefined : declaredInput(document.input, issues)
  const input = checkFlow({ document, root, input: declared, issues })
  issues.throwIfAny(document.flow)
  return compact({
    format: RESOLVED_FORMAT,
    flow: document.flow,
    version: document.version,
    description: document.description,
    source: hashJson(document as unknown as Json), // P1 of parse.ts: it is JSON
    closed: declared !== undefined,
    input,
    output: document.output,
    labels: document.labels,
    root: root.node,
  })
}

/** An atom is known by its path: it has to fit into an index of every database. */
function checkPaths(node: BuiltNode, before: number, issues: Issues): void {
  const length = before + node.node.id.length + 1
  if (node.kind === 'task') {
    if (length <= MAX_ATOM_PATH) return
    issues.add(node.path, {
      message: `the path of this task, all ids on the way to it, has ${length} characters, expected at most ${MAX_ATOM_PATH}`,
      hint: 'give the flows around it shorter ids',
    })
    return
  }
  for (const child of node.children) checkPaths(child, length, issues)
}

function byName(signatures: Iterable<TaskSignature>): ReadonlyMap<string, TaskSignature> {
  const map = new Map<string, TaskSignature>()
  for (const signature of signatures) map.set(signature.name, signature)
  return map
}

function declaredInput(
  input: NonNullable<SourceDocument['input']>,
  issues: Issues,
): { readonly [symbol: string]: ResolvedSymbol } {
  const symbols: { [symbol: string]: ResolvedSymbol } = {}
  for (const [symbol, schema] of Object.entries(input)) {
    const resolved = resolveValueSchema(schema as Json) // P1 of parse.ts
    symbols[symbol] = resolved
    if (resolved.default === undefined) continue
    checkValue(resolved.schema, resolved.default, ['input', symbol, 'default'], (path, problem) => {
      issues.add(path, { ...problem, message: `the default does not fit: ${problem.message}` })
    })
  }
  return symbols
}

function buildNode(
  source: SourceNode,
  index: number,
  path: readonly PropertyKey[],
  resolving: Resolving,
): BuiltNode {
  const id = nodeId(source, index)
  if ('task' in source) return buildTask(source, id, path, resolving)
  const kind = sourceKind(source)
  return buildFlow(source, kind === 'task' ? 'linear' : kind, id, path, resolving)
}

function buildFlow(
  source: Exclude<SourceNode, SourceTask> | SourceDocument,
  kind: FlowKind,
  id: string,
  path: readonly PropertyKey[],
  resolving: Resolving,
): BuiltFlow {
  const below = [...path, kind]
  const children = sourceChildren(source).map((child, index) => {
    return buildNode(child, index, [...below, index], resolving)
  })
  const isRoot = 'flow' in source
  const node: ResolvedFlow = compact({
    kind,
    id,
    label: isRoot ? undefined : source.label,
    when: isRoot ? undefined : source.when,
    onFailure: !isRoot && source.onFailure === 'continue' ? ('continue' as const) : undefined,
    priority: isRoot ? undefined : source.priority,
    nodes: children.map((child) => child.node),
    links: 'graph' in source ? source.links?.map((link): ResolvedLink => link) : undefined,
    retry: source.retry === undefined ? undefined : flowRetry(source.retry),
    timeoutMs: source.timeout === undefined ? undefined : ms(source.timeout),
    onChildFailure: source.onChildFailure,
  })
  return { kind, node, path, children }
}

function buildTask(
  source: SourceTask,
  id: string,
  path: readonly PropertyKey[],
  resolving: Resolving,
): BuiltTask {
  const signature = resolving.signatureOf(source.task)
  const bound = source.with === undefined ? undefined : bindings(source.with, path, resolving)
  const requires = signature?.requires ?? unknownRequires(source, path, resolving)
  if (signature !== undefined) checkArguments(source, signature, path, resolving)
  const { provides, gives } = provided(source, signature, path, resolving)
  const node: ResolvedTask = compact({
    kind: 'task' as const,
    id,
    label: source.label,
    when: source.when,
    onFailure: source.onFailure === 'continue' ? ('continue' as const) : undefined,
    priority: source.priority ?? signature?.priority,
    task: source.task,
    topic: source.topic ?? signature?.topic,
    requires,
    with: source.with,
    provides,
    retry: source.retry === undefined ? signature?.retry : taskRetry(source.retry),
    revertRetry:
      source.revertRetry === undefined ? signature?.revertRetry : taskRetry(source.revertRetry),
    timeoutMs: source.timeout === undefined ? signature?.timeoutMs : ms(source.timeout),
    heartbeatMs: signature?.heartbeatMs,
    repeat: source.repeat ?? signature?.repeat,
    revert: signature?.revert ?? true,
  })
  return { kind: 'task', node, path, gives, bound: bound ?? new Map(), signature }
}

/** The templates of `with`; those that do not compile are reported and left out. */
function bindings(
  source: { readonly [argument: string]: Template },
  path: readonly PropertyKey[],
  resolving: Resolving,
): ReadonlyMap<string, CompiledTemplate> {
  const compiled = new Map<string, CompiledTemplate>()
  for (const [argument, template] of Object.entries(source)) {
    const found = compileTemplateAt(template, [...path, 'with', argument], resolving)
    if (found !== undefined) compiled.set(argument, found)
  }
  return compiled
}

/** A task that is known to nobody says itself what it takes and gives. */
function unknownRequires(
  source: SourceTask,
  path: readonly PropertyKey[],
  resolving: Resolving,
): { readonly [argument: string]: ResolvedSymbol } {
  if (source.provides === undefined && !resolving.issues.isFull) {
    resolving.issues.add([...path, 'task'], {
      message: `no task "${source.task}" is known: none is loaded, no worker announced it`,
      hint:
        didYouMean(source.task, resolving.known) ??
        'load the module that has it, start its worker, or write what the task takes and gives: `with` with all arguments and `provides` (it may be [])',
    })
  }
  return Object.fromEntries(
    Object.keys(source.with ?? {}).map((argument) => [argument, { schema: {} }]),
  )
}

/** Arguments in `with` exist, and constants fit them. */
function checkArguments(
  source: SourceTask,
  signature: TaskSignature,
  path: readonly PropertyKey[],
  resolving: Resolving,
): void {
  for (const [argument, template] of Object.entries(source.with ?? {})) {
    const at = [...path, 'with', argument]
    if (!Object.hasOwn(signature.requires, argument)) {
      const names = Object.keys(signature.requires)
      resolving.issues.add(at, {
        message: `the task "${source.task}" has no argument "${argument}"`,
        hint:
          didYouMean(argument, names) ??
          (names.length === 0 ? 'it has none' : `it has ${names.join(', ')}`),
      })
      continue
    }
    const constant = compileTemplateAt(template, at, resolving)?.constant
    const schema = signature.requires[argument]?.schema
    if (constant === undefined || schema === undefined) continue
    checkValue(schema, constant, at, (where, problem) => resolving.issues.add(where, problem))
  }
}

/** What a node provides: as its signature says, some of it, or expressions over its result. */
function provided(
  source: SourceTask,
  signature: TaskSignature | undefined,
  path: readonly PropertyKey[],
  resolving: Resolving,
): { readonly provides: ResolvedTask['provides']; readonly gives: ReadonlyMap<string, Give> } {
  const provides: { [symbol: string]: ResolvedSymbol & { readonly value?: Template } } = {}
  if (source.provides === undefined) Object.assign(provides, signature?.provides ?? {})
  else if (Array.isArray(source.provides)) {
    source.provides.forEach((symbol, index) => {
      if (signature !== undefined && !Object.hasOwn(signature.provides, symbol)) {
        const names = Object.keys(signature.provides)
        resolving.issues.add([...path, 'provides', index], {
          message: `the task "${source.task}" provides no "${symbol}"`,
          hint:
            didYouMean(symbol, names) ??
            (names.length === 0 ? 'it provides nothing' : `it provides ${names.join(', ')}`),
        })
      }
      provides[symbol] = signature?.provides[symbol] ?? { schema: {} }
    })
  } else {
    for (const [symbol, value] of Object.entries(source.provides)) {
      provides[symbol] = { ...schemaOfResult(value, signature), value }
    }
  }
  const gives = new Map<string, Give>()
  for (const [symbol, { schema, optional }] of Object.entries(provides)) {
    gives.set(symbol, {
      by: source.id ?? source.task,
      schema,
      maybe: optional === true ? 'absent' : undefined,
      node: 0,
    })
  }
  return { provides, gives }
}

/** The schema of `${{ result.x }}` is that of the result's x; of anything more, nothing is known. */
function schemaOfResult(value: Template, signature: TaskSignature | undefined): ResolvedSymbol {
  const match =
    typeof value === 'string' ? /^\$\{\{\s*result\.([A-Za-z_]\w*)\s*\}\}$/.exec(value) : null
  const name = match?.[1]
  if (name === undefined || signature === undefined || !Object.hasOwn(signature.provides, name))
    return { schema: {} }
  const { schema, optional } = signature.provides[name] ?? { schema: {} }
  return optional === true ? { schema, optional } : { schema }
}

function taskRetry(source: SourceTaskRetry): ResolvedTaskRetry {
  return compact({
    attempts: source.attempts,
    delayMs: source.delay === undefined ? undefined : ms(source.delay),
    factor: source.factor,
    maxDelayMs: source.maxDelay === undefined ? undefined : ms(source.maxDelay),
    jitter: source.jitter,
    when: source.when,
  })
}

function flowRetry(source: SourceRetry): ResolvedRetry {
  if ('never' in source) return { kind: 'never', answer: source.never }
  if ('strategy' in source) {
    const { strategy, topic, with: bound, provides } = source
    return compact({ kind: 'strategy' as const, strategy, topic, with: bound, provides })
  }
  if ('forEach' in source) {
    return compact({
      kind: 'forEach' as const,
      values: source.forEach,
      delayMs: source.delay === undefined ? undefined : ms(source.delay),
      when: source.when,
      provides: source.provides,
      // oxlint-disable-next-line unicorn/no-thenable -- the grammar's word; a document is never awaited
      then: source.then,
    })
  }
  return compact({
    kind: 'times' as const,
    ...taskRetry(source),
    provides: source.provides,
    then: source.then,
  })
}

function ms(duration: string): number {
  return readDuration(duration).ms ?? 0 // checked by the document's schema
}

/** Without the keys that are undefined, so that what is stored is JSON. */
function compact<T extends object>(object: T): T {
  const made: { [key: string]: unknown } = {}
  for (const [key, value] of Object.entries(object)) if (value !== undefined) made[key] = value
  return made as T // the same but for keys that were undefined
}
