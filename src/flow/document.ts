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
import { didYouMean } from '../base/did-you-mean.ts'
import { readDuration } from '../base/durations.ts'
import { choice, problem } from './choice.ts'
import {
  FLOW_KINDS,
  KINDS,
  MAX_NAME,
  MAX_SYMBOL,
  NAME,
  nameProblem,
  RESERVED_KINDS,
  SYMBOL,
  symbolProblem,
} from './names.ts'
import { DECIDER_DEPTHS, ON_CHILD_FAILURE, type Template } from './resolved.ts'
import { valueSchemaSchema } from './value-schema.ts'

/** An object without other keys than these; `hints` say more about some, `notObject` about what is no object. */
function strict<Shape extends z.core.$ZodShape>(
  shape: Shape,
  hints: Readonly<Record<string, string>> = {},
  notObject?: (value: unknown) => string,
) {
  const keys = Object.keys(shape)
  return z.strictObject(shape, {
    error: (issue) => {
      if (issue.code === 'invalid_type' && notObject !== undefined) return notObject(issue.input)
      if (issue.code !== 'unrecognized_keys') return undefined
      const known = new Map(Object.entries(hints))
      return issue.keys
        .map((key) => {
          const hint = known.get(key) ?? didYouMean(key, keys)
          return `unknown key ${JSON.stringify(key.slice(0, 100))}${hint === undefined ? `, known are ${keys.join(', ')}` : `; ${hint}`}`
        })
        .join('\n')
    },
  })
}

/** A text with a check whose problem is the message. */
function checked(pattern: RegExp, longest: number, check: (text: string) => string | undefined) {
  return z
    .string()
    .superRefine((text, context) => {
      const found = check(text)
      if (found !== undefined)
        problem(context, [], { message: found, got: JSON.stringify(text.slice(0, 60)) })
    })
    .meta({ pattern: pattern.source, maxLength: longest, minLength: 1 })
}

/** A name of a flow, task or node: `[A-Za-z0-9_.-]+`, at most 200 characters. */
export const nameSchema = checked(NAME, MAX_NAME, nameProblem)

const taskNameSchema = checked(NAME, MAX_NAME, (name) => {
  return name.includes('${{')
    ? 'a computed task name is reserved for a later version'
    : nameProblem(name)
})

/** A symbol: a CEL identifier that is no variable of expressions. */
export const symbolSchema = checked(SYMBOL, MAX_SYMBOL, symbolProblem)

/** A duration with a unit, such as `5s` or `1h30m`. */
export const durationSchema = z
  .string({
    error: (issue) => {
      const reading = readDuration(issue.input)
      return `${reading.problem ?? 'not a duration'}; ${reading.hint ?? 'write such as 5s'}`
    },
  })
  .superRefine((text, context) => {
    const reading = readDuration(text)
    if (reading.problem === undefined) return
    problem(context, [], {
      message: reading.problem,
      got: JSON.stringify(text.slice(0, 40)),
      hint: reading.hint,
    })
  })
  .meta({
    pattern:
      '^(\\d+(\\.\\d+)?d)?(\\d+(\\.\\d+)?h)?(\\d+(\\.\\d+)?m)?(\\d+(\\.\\d+)?s)?(\\d+(\\.\\d+)?ms)?$',
    examples: ['500ms', '5s', '1h30m', '7d'],
  })

const timeoutSchema = durationSchema
  .refine((text) => readDuration(text).ms !== 0, 'a timeout is longer than 0')
  .meta({ description: 'How long it may take.' })

/** Any JSON; strings in it may hold `${{ expression }}`. */
const templateSchema = z.unknown() as z.ZodType<Template> // P1 of parse.ts: it is JSON already

/** CEL, with or without `${{ }}` around it. */
const conditionSchema = z.string().min(1)

/** An object whose keys are symbols. */
function bySymbol<Value extends z.ZodType>(value: Value) {
  const symbols = z.record(z.string(), value).superRefine((record, context) => {
    for (const key of Object.keys(record)) {
      const found = symbolProblem(key)
      if (found !== undefined) problem(context, [key], { message: found })
    }
  })
  return symbols.meta({ propertyNames: { pattern: SYMBOL.source, maxLength: MAX_SYMBOL } })
}

/** A text that holds an expression. */
const expressionSchema = z.string().meta({ pattern: '\\$\\{\\{' })

const attemptsSchema = choice(
  { number: z.int().min(1).max(1_000_000), expression: expressionSchema },
  (value, context) => {
    if (typeof value === 'number') return 'number'
    if (typeof value === 'string' && value.includes('${{')) return 'expression'
    return problem(context, [], {
      message: '`attempts` counts all tries',
      expected: 'a whole number from 1, or "${{ expression }}"',
      got: describe(value),
    })
  },
)

const delays = {
  delay: durationSchema.optional().meta({ description: 'Wait before the second attempt.' }),
  factor: z
    .number()
    .min(1)
    .max(1_000)
    .optional()
    .meta({ description: 'Each wait is this many times the one before.' }),
  maxDelay: durationSchema.optional().meta({ description: 'No wait is longer.' }),
  jitter: z
    .number()
    .min(0)
    .max(1)
    .optional()
    .meta({ description: 'The share of a wait that is random.' }),
}

const taskRetryKeys = {
  attempts: attemptsSchema.meta({ description: 'All tries, the first included.' }),
  ...delays,
  when: conditionSchema
    .optional()
    .meta({ description: 'CEL over `failure`: false ends the attempts.' }),
}

/** Attempts of one task: nothing is reverted between them. */
export const taskRetrySchema = strict(
  taskRetryKeys,
  {
    provides: 'only the retry of a flow provides a symbol',
    then: 'only the retry of a flow has `then`',
    forEach: 'only a flow retries with other values',
  },
  (value) => `not a retry; write { attempts: ${typeof value === 'number' ? value : 3} }`,
).superRefine((retry, context) => checkDelays(retry, context))
export type SourceTaskRetry = z.infer<typeof taskRetrySchema>

const flowRetryEnd = {
  provides: symbolSchema
    .optional()
    .meta({ description: 'Symbol that holds the number or value of this attempt.' }),
  // oxlint-disable-next-line unicorn/no-thenable -- the grammar's word; a document is never awaited
  then: z
    .literal('revertAll')
    .optional()
    .meta({ description: 'When it gives up, everything is reverted.' }),
}

const retryForms = {
  attempts: strict({ ...taskRetryKeys, ...flowRetryEnd }).superRefine((retry, context) => {
    checkDelays(retry, context)
  }),
  forEach: strict({
    forEach: choice(
      { list: z.array(templateSchema).min(1), expression: expressionSchema },
      (value, context) => {
        if (Array.isArray(value)) return 'list'
        if (typeof value === 'string' && value.includes('${{')) return 'expression'
        return problem(context, [], {
          message: '`forEach` gives each attempt another value',
          expected: 'a list, or "${{ expression }}"',
          got: describe(value),
        })
      },
    ),
    delay: delays.delay,
    when: taskRetryKeys.when,
    ...flowRetryEnd,
  }),
  never: strict({ never: z.enum(['revert', 'revertAll']) }),
  strategy: strict({
    strategy: nameSchema,
    topic: nameSchema.optional(),
    with: z.record(z.string(), templateSchema).optional(),
    provides: flowRetryEnd.provides,
  }),
}

/** Controller of a flow: asked when something in it failed. */
export const retrySchema = choice(retryForms, (value, context) => {
  const forms = Object.keys(retryForms)
  if (!isObject(value)) {
    return problem(context, [], {
      message: 'not a retry',
      expected: `an object with one of ${forms.join(', ')}`,
      got: describe(value),
      hint: typeof value === 'number' ? `write { attempts: ${value} }` : undefined,
    })
  }
  return onlyKey(value, forms, 'a retry', context) as keyof typeof retryForms | undefined
})
export type SourceRetry = z.infer<typeof retrySchema>

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
    timeout: timeoutSchema.optional(),
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
  timeout: timeoutSchema.optional(),
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

export interface SourceLinear extends z.infer<z.ZodObject<typeof common & typeof flowKeys>> {
  linear: SourceNode[]
}
export interface SourceUnordered extends z.infer<z.ZodObject<typeof common & typeof flowKeys>> {
  unordered: SourceNode[]
}
export interface SourceGraph extends z.infer<
  z.ZodObject<typeof common & typeof flowKeys & typeof links>
> {
  graph: SourceNode[]
}
export type SourceTask = z.infer<typeof taskNode>
export type SourceLink = z.infer<typeof linkSchema>
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

/** What a value is, for people: `5`, `a list`, `"text"`. */
export function describe(value: unknown): string {
  if (value === null) return 'null'
  if (value === undefined) return 'nothing'
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : 'a list'
  if (typeof value === 'string') {
    return JSON.stringify(value.length > 60 ? `${value.slice(0, 60)}…` : value)
  }
  if (typeof value === 'object') {
    const keys = Object.keys(value)
    if (keys.length === 0) return 'an empty object'
    return `an object with ${keys.length > 5 ? `${keys.length} keys` : keys.join(', ').slice(0, 100)}`
  }
  if (typeof value === 'number' || typeof value === 'boolean' || typeof value === 'bigint') {
    return String(value)
  }
  return `a ${typeof value}`
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

/** The one of `keys` that an object has; a problem when it has none or several. */
function onlyKey(
  value: Readonly<Record<string, unknown>>,
  keys: readonly string[],
  what: string,
  context: z.RefinementCtx,
): string | undefined {
  const found = keys.filter((key) => Object.hasOwn(value, key))
  if (found.length === 1) return found[0]
  if (found.length > 1) {
    return problem(context, [], {
      message: `${what} has exactly one of ${keys.join(', ')}, this has ${found.join(' and ')}`,
    })
  }
  const meant = Object.keys(value)
    .map((key) => didYouMean(key, keys))
    .find((hint) => hint !== undefined)
  return problem(context, [], {
    message: `${what} needs one of ${keys.join(', ')}`,
    got: describe(value),
    hint: meant,
  })
}

function checkDelays(
  retry: { readonly delay?: string | undefined; readonly maxDelay?: string | undefined },
  context: z.RefinementCtx,
): void {
  const delay = readDuration(retry.delay ?? '0s').ms
  const longest = readDuration(retry.maxDelay ?? '365d').ms
  if (delay !== undefined && longest !== undefined && longest < delay) {
    problem(context, ['maxDelay'], {
      message: 'shorter than `delay`',
      expected: `at least ${retry.delay}`,
      got: retry.maxDelay,
    })
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
