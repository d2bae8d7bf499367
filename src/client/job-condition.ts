/** A condition in CEL on the input of jobs, as `zag.jobs({ where })` and `jobs list --where` take it. */
import { ExpressionError, UsageError } from '../base/errors.ts'
import type { Json, JsonObject } from '../base/json.ts'
import { compileExpression, type Expression } from '../flow/expression.ts'
import { ANY, typeName, type ValueType } from '../flow/expression-types.ts'
import { isExpression, type Cel } from '../flow/template-of.ts'
import type { JobSummary } from '../../persistence/store.ts'

export interface JobCondition {
  readonly text: string
  /** Values of the input without which it cannot hold: the store looks for them. */
  readonly input: JsonObject
  /** Whether it holds; a text says why that cannot be said of this job. */
  holds(summary: JobSummary): boolean | string
}

const STRING: ValueType = { kind: 'string' }
const NUMBER: ValueType = { kind: 'number' }
const JOB: ValueType = {
  kind: 'map',
  fields: new Map<string, ValueType>([
    ['id', STRING],
    ['key', ANY],
    ['flow', STRING],
    ['board', STRING],
    ['run', NUMBER],
    ['priority', NUMBER],
    ['labels', { kind: 'map', fields: new Map(), rest: STRING }],
    ['scheduledFor', ANY],
  ]),
  rest: undefined,
}

/**
 * Compiles a condition: the symbols of the input by their names, `input`, and `job` (id, key, flow, board, run, priority, labels,
 * scheduledFor). Throws {@link UsageError} before anything is read: no CEL, or nothing that is true or false.
 */
export function compileWhere(where: string | Cel): JobCondition {
  const text = isExpression(where) ? where.cel : where
  if (typeof text !== 'string') {
    throw new UsageError('where: expected an expression, such as cel("quantity > 10")')
  }
  const expression = checked(text)
  return {
    text,
    input: Object.fromEntries(expression.equalities),
    holds({ job, detail }) {
      const { input } = detail
      const { id, key, flow, board, priority, labels, scheduledFor } = job
      const lookup = (symbol: string): Json | undefined =>
        Object.hasOwn(input, symbol) ? input[symbol] : undefined
      try {
        const value = expression.evaluate({
          lookup,
          input,
          job: { id, key, flow, board, run: detail.run, priority, labels, scheduledFor },
        })
        return typeof value === 'boolean' ? value : `it is ${JSON.stringify(value).slice(0, 80)}`
      } catch (error) {
        if (!(error instanceof ExpressionError)) throw error
        return error.reason
      }
    },
  }
}

function checked(text: string): Expression {
  try {
    const expression = compileExpression(text)
    const foreign = expression.variables.find((name) => name === 'result' || name === 'failure')
    if (foreign !== undefined) {
      throw new ExpressionError(text, `"${foreign}" is not known here`, {
        hint: 'known are the symbols of the input, `input` and `job`',
      })
    }
    const type = expression.typeWith((name) => (name === 'job' ? JOB : undefined))
    if (type.kind === 'any' || type.kind === 'boolean') return expression
    throw new ExpressionError(text, `a condition is true or false, got ${typeName(type)}`)
  } catch (error) {
    if (!(error instanceof ExpressionError)) throw error
    throw new UsageError(`where: ${error.message}`, { cause: error })
  }
}
