/** Retries as documents write them: attempts of a task, and the controller of a flow. */
import { z } from 'zod'
import { readDuration } from '../base/durations.ts'
import { choice, problem } from './choice.ts'
import {
  conditionSchema,
  describe,
  durationSchema,
  isObject,
  nameSchema,
  onlyKey,
  strict,
  symbolSchema,
  templateSchema,
} from './grammar.ts'

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
/** Attempts of a task as its author wrote them. */
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
/** The controller of a flow as its author wrote it. */
export type SourceRetry = z.infer<typeof retrySchema>

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
