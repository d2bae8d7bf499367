import type { ASTNode } from '@marcbachmann/cel-js'
import type { Json } from '../base/json.ts'
import { literal } from './expression-literals.ts'

/**
 * Symbols (bare, or as `input.x`) that must equal a constant for the expression to be true: whoever searches with it can look for
 * these first. Others may be there too; `null` is left out, for what is absent may be meant.
 */
export function equalitiesOf(ast: ASTNode): ReadonlyMap<string, Json> {
  const found = new Map<string, Json>()
  const collect = (node: ASTNode): void => {
    if (node.op === '&&') {
      collect(node.args[0])
      collect(node.args[1])
    } else if (node.op === '==') {
      const [left, right] = node.args
      const symbol = symbolOf(left) ?? symbolOf(right)
      const value = constantOf(left) ?? constantOf(right)
      if (symbol !== undefined && value !== undefined && !found.has(symbol))
        found.set(symbol, value)
    }
  }
  collect(ast)
  return found
}

const NO_SYMBOLS: ReadonlySet<string> = new Set(['input', 'job', 'result', 'failure', 'symbols'])

function symbolOf(node: ASTNode): string | undefined {
  if (node.op === 'id') return NO_SYMBOLS.has(node.args) ? undefined : node.args
  if (node.op !== '.') return undefined
  const [of, key] = node.args
  return of.op === 'id' && of.args === 'input' && typeof key === 'string' ? key : undefined
}

function constantOf(node: ASTNode): Json | undefined {
  return node.op === 'value' ? (literal(node.args) ?? undefined) : undefined
}
