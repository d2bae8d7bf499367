/** Finds expressions in texts: `${{ … }}` ends where CEL's own lexer says, not at the first `}}`. */

/** A piece of a text: as it is, or an expression. */
export type Piece =
  | { readonly text: string; readonly expression?: never; readonly at?: never }
  | {
      readonly expression: string
      /** Where the expression begins in the text. */
      readonly at: number
      readonly text?: never
    }

/** An expression that does not end. */
export interface ScanProblem {
  readonly problem: string
  readonly at: number
}

/**
 * Divides a text into literal pieces and expressions. `$${{` is a literal `${{`. Linear in the text.
 */
export function scanTemplate(text: string): readonly Piece[] | ScanProblem {
  const pieces: Piece[] = []
  let literal = ''
  let at = 0
  for (;;) {
    const open = text.indexOf('${{', at)
    if (open === -1) break
    if (open > at && text[open - 1] === '$') {
      literal += text.slice(at, open - 1) + '${{'
      at = open + 3
      continue
    }
    literal += text.slice(at, open)
    const close = endOfExpression(text, open + 3)
    if (close === -1) return { problem: '"${{" without its "}}"', at: open }
    if (literal !== '') pieces.push({ text: literal })
    literal = ''
    pieces.push({ expression: text.slice(open + 3, close), at: open + 3 })
    at = close + 2
  }
  literal += text.slice(at)
  if (literal !== '' || pieces.length === 0) pieces.push({ text: literal })
  return pieces
}

/** Position of the `}}` that ends an expression which begins at `start`, or -1. Strings, comments and braces are CEL's. */
function endOfExpression(text: string, start: number): number {
  let depth = 0
  for (let at = start; at < text.length; at++) {
    switch (text.charAt(at)) {
      case '{':
        depth += 1
        break
      case '}':
        if (depth === 0) return text[at + 1] === '}' ? at : -1
        depth -= 1
        break
      case '"':
      case "'": {
        at = endOfString(text, at)
        if (at === -1) return -1
        break
      }
      case '/':
        if (text[at + 1] === '/') {
          const newline = text.indexOf('\n', at)
          if (newline === -1) return -1
          at = newline
        }
        break
      default:
    }
  }
  return -1
}

/** Position of the quote that ends a CEL string whose first quote is at `open`, or -1. */
function endOfString(text: string, open: number): number {
  const quote = text[open] ?? ''
  const end = text.startsWith(quote.repeat(3), open) ? quote.repeat(3) : quote
  for (let at = open + end.length; at < text.length; at++) {
    if (text[at] === '\\') at += 1
    else if (text.startsWith(end, at)) return at + end.length - 1
    else if (text[at] === '\n' && end.length === 1) return -1
  }
  return -1
}
