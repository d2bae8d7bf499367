/** Values that are written out in an expression. */
import type { ASTNode } from '@marcbachmann/cel-js'
import { BANNED_KEYS } from '../base/codec.ts'
import type { Json } from '../base/json.ts'
import { charge, kindOf, refuse, type Compilation, type Run } from './expression-run.ts'

/** The number that a literal stands for; undefined for what JSON does not have. */
export function literal(args: unknown): Json | undefined {
  if (typeof args === 'bigint') {
    const number = Number(args)
    return Number.isSafeInteger(number) ? number : undefined
  }
  if (args === null || ['string', 'number', 'boolean'].includes(typeof args)) return args as Json
  return undefined
}

/** `[a, b]`. */
export function listLiteral(items: readonly ASTNode[], on: Compilation): Run {
  const members = items.map((item) => on.part(item))
  return (evaluation) => {
    charge(evaluation, on, members.length)
    return members.map((member) => member(evaluation))
  }
}

/** `{"key": value}`. A key that is known at once is checked at once. */
export function mapLiteral(
  entries: readonly (readonly [ASTNode, ASTNode])[],
  ast: ASTNode,
  on: Compilation,
): Run {
  const members = entries.map(([key, value]) => {
    const known = key.op === 'value' ? literal(key.args) : undefined
    if (key.op === 'value') checkKey(known ?? null, ast, on)
    return [on.part(key), on.part(value)] as const
  })
  return (evaluation) => {
    charge(evaluation, on, members.length)
    const made: { [key: string]: Json } = {}
    for (const [key, value] of members) {
      const name = key(evaluation)
      checkKey(name, ast, on)
      if (typeof name === 'string') made[name] = value(evaluation)
    }
    return made
  }
}

function checkKey(key: Json, ast: ASTNode, on: Compilation): void {
  if (typeof key !== 'string')
    throw refuse(on, ast, `a key is a text, got ${kindOf(key)}`, 'write it in quotes')
  if (BANNED_KEYS.has(key)) throw refuse(on, ast, `"${key}" cannot be a key`)
}
