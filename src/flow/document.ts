/**
 * The source document: a flow as its author wrote it. These zod schemas are the single source of its grammar: the types
 * are inferred from them, `parse.ts` checks with them, `json-schema.ts` publishes them to editors.
 *
 * Invariants
 * D1  What is one of several forms (a node, a retry, a symbol) is a `choice`: the form is found by its key first and only
 *     then parsed, so that no error is "no member of the union".
 * D2  Unknown keys are errors that say what was probably meant.
 * D3  Schemas change nothing: what parses comes out as it went in. `normal-form.ts` makes equal documents equal.
 */
import { z } from 'zod'
import { choice, problem } from './choice.ts'
import { retrySchema, taskRetrySchema } from './document-retry.ts'
import {
  bySymbol,
  conditionSchema,
  describe,
  isObject,
  nameSchema,
  onlyKey,
  strict,
  symbolSchema,
  taskNameSchema,
  templateSchema,
  timeoutSchema,
} from './grammar.ts'
import { FLOW_KINDS, KINDS, NAME, RESERVED_KINDS } from './names.ts'
import { DECIDER_DEPTHS, ON_CHILD_FAILURE } from './resolved.ts'
import { valueSchemaSchema } from './value-schema.ts'

export { describe } from './grammar.ts'
export type { SourceRetry, SourceTaskRetry } from './document-retry.ts'

const common = {
  id: nameSchema
    .optional()
    .meta({ description: 'Unique among siblings. Default: the task, else <kind>-<n>.' }),
  label: z.string().max(500).optional().meta({ description: 'Free text for people.' }),
  when: conditionSchema.optional().meta({ description: 'CEL: false skips this node.' }),
  onFailure: z
    .enum(['revert', 'continue'])
    .optional()
    .meta({ description: '`continue`: what ran in it is reverted, and the flow goes on.' }),
  priority: z
    .int()
    .min(-1_000)
    .max(1_000)
    .optional()
    .meta({ description: 'Bigger first. Default 0.' }),
}

const later = 'is reserved for a later version'

const taskNode = strict(
  {
    task: taskNameSchema.meta({ description: 'Name of the task in a worker.' }),
    ...common,
    with: z
      .record(z.string(), templateSchema)
      .optional()
      .meta({ description: 'Arguments: constants or expressions.' }),
    provides: choice(
      { list: z.array(symbolSchema), map: bySymbol(templateSchema) },
      (value, context) => {
        if (Array.isArray(value)) return 'list'
        if (isObject(value)) return 'map'
        return problem(context, [], {
          message: '`provides` names symbols',
          expected: 'a list of symbols, or an object from symbol to "${{ result.… }}"',
          got: describe(value),
        })
      },
    )
      .optional()
      .meta({ description: 'Symbols that it provides, or expressions over `result`.' }),
    retry: taskRetrySchema.optional(),
    revertRetry: taskRetrySchema
      .optional()
      .meta({ description: 'Attempts of its revert. Default: those of `retry`.' }),
    timeout: timeoutSchema.optional().meta({ description: 'Longest time of one attempt.' }),
    topic: nameSchema.optional().meta({ description: 'Which workers run it.' }),
    repeat: z
      .literal('never')
      .optional()
      .meta({ description: 'Never run twice, not even after its worker died.' }),
  },
  { limit: `"limit" ${later}` },
)

const flowKeys = {
  retry: retrySchema.optional(),
  timeout: timeoutSchema
    .optional()
    .meta({ description: 'Longest time of the whole flow, its retries included.' }),
  onChildFailure: z
    .enum(ON_CHILD_FAILURE)
    .optional()
    .meta({ description: 'What siblings of a failed node do before the flow is reverted.' }),
}

const linkSchema = strict({
  from: nameSchema,
  to: nameSchema,
  when: conditionSchema.optional().meta({ description: 'CEL: false kills this edge.' }),
  depth: z
    .enum(DECIDER_DEPTHS)
    .optional()
    .meta({ description: 'How far a dead edge reaches. Default path.' }),
})
const links = { links: z.array(linkSchema).optional() }

/** Children one after the other. */
export interface SourceLinear extends z.infer<z.ZodObject<typeof common & typeof flowKeys>> {
  linear: SourceNode[]
}
/** Children in no order. */
export interface SourceUnordered extends z.infer<z.ZodObject<typeof common & typeof flowKeys>> {
  unordered: SourceNode[]
}
/** Children ordered by symbols and links. */
export interface SourceGraph extends z.infer<
  z.ZodObject<typeof common & typeof flowKeys & typeof links>
> {
  graph: SourceNode[]
}
/** One task in a flow. */
export type SourceTask = z.infer<typeof taskNode>
/** An edge between two nodes of a graph, by their ids. */
export type SourceLink = z.infer<typeof linkSchema>
/** A node with children. */
export type SourceFlow = SourceLinear | SourceUnordered | SourceGraph
/** A node as its author wrote it. */
export type SourceNode = SourceTask | SourceFlow

const nodesSchema: z.ZodType<SourceNode[]> = z.array(z.lazy(() => nodeSchema))
const children = {
  linear: { linear: nodesSchema.meta({ description: 'One after the other.' }) },
  unordered: {
    unordered: nodesSchema.meta({ description: 'In no order; children may run at once.' }),
  },
  graph: {
    graph: nodesSchema.meta({
      description: 'Ordered by what they require and provide, and by links.',
    }),
    ...links,
  },
}
const notLinks = { links: 'only a graph has links' }

/** A node: exactly one of the kind keys, its own keys, and those of every node. */
export const nodeSchema: z.ZodType<SourceNode> = choice(
  {
    task: taskNode,
    linear: strict({ ...children.linear, ...common, ...flowKeys }, notLinks),
    unordered: strict({ ...children.unordered, ...common, ...flowKeys }, notLinks),
    graph: strict({ ...children.graph, ...common, ...flowKeys }),
  },
  (value, context) => {
    if (isObject(value)) return kindOf(value, KINDS, 'a node', context)
    return problem(context, [], {
      message: 'not a node',
      expected: 'an object such as { task: name }',
      got: describe(value),
      hint: typeof value === 'string' && NAME.test(value) ? `write { task: ${value} }` : undefined,
    })
  },
)

const root = {
  zagflow: z.literal(1).optional().meta({ description: "The grammar's version." }),
  flow: nameSchema.meta({ description: "The flow's name." }),
  version: z
    .int()
    .min(1)
    .max(2_147_483_647)
    .optional()
    .meta({ description: "The flow's version." }),
  description: z.string().max(20_000).optional(),
  input: bySymbol(valueSchemaSchema).optional().meta({
    description:
      'What the flow is given. With it the flow is closed: nothing else is asked of outside.',
  }),
  output: bySymbol(templateSchema)
    .optional()
    .meta({ description: 'What the flow gives. Default: every symbol that it provides.' }),
  labels: z
    .record(z.string().min(1).max(63), z.string().max(255))
    .optional()
    .meta({ description: 'For searching.' }),
  ...flowKeys,
}
const notRoot = {
  flows: `"flows" ${later}`,
  tasks:
    '"tasks" is read by `zagflow run`, `dev` and `flow check` from a file; a posted document cannot have it',
  id: 'the id of the whole flow is its name',
  when: 'the whole flow cannot be skipped: put `when` on a node',
  onFailure: 'only a node has `onFailure`',
  priority: 'a job has a priority, not its flow',
  label: 'use `description`',
}

/** A whole document: name, input, output, and one of `linear`, `unordered`, `graph`. */
export const documentSchema = choice(
  {
    linear: strict({ ...root, ...children.linear }, { ...notRoot, ...notLinks }),
    unordered: strict({ ...root, ...children.unordered }, { ...notRoot, ...notLinks }),
    graph: strict({ ...root, ...children.graph }, notRoot),
  },
  (value, context) => {
    if (isObject(value)) return kindOf(value, FLOW_KINDS, 'a flow', context)
    return problem(context, [], {
      message: 'not a flow document',
      expected: 'an object such as { flow: name, linear: [...] }',
      got: describe(value),
    })
  },
)

/** A flow as its author wrote it. Builders make the same. */
export type SourceDocument = z.infer<typeof documentSchema>

/** The kind of a node that parsed, or of a root. */
export function sourceKind(node: SourceNode | SourceDocument): (typeof KINDS)[number] {
  if ('task' in node) return 'task'
  if ('linear' in node) return 'linear'
  return 'unordered' in node ? 'unordered' : 'graph'
}

/** The children of a flow, none of a task. */
export function sourceChildren(node: SourceNode | SourceDocument): readonly SourceNode[] {
  if ('linear' in node) return node.linear
  if ('unordered' in node) return node.unordered
  return 'graph' in node ? node.graph : []
}

function kindOf<K extends string>(
  value: Readonly<Record<string, unknown>>,
  kinds: readonly K[],
  what: string,
  context: z.RefinementCtx,
): K | undefined {
  const found = kinds.filter((kind) => Object.hasOwn(value, kind))
  if (found.length === 0) {
    const reserved = Object.keys(value).find((key) => RESERVED_KINDS.has(key))
    if (reserved !== undefined) {
      return problem(context, [reserved], {
        message: `"${reserved}" is reserved for a later version`,
      })
    }
  }
  return onlyKey(value, kinds, what, context) as K | undefined
}
