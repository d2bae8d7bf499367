/** A token of JSON that matters here: a text (with the colon after a key), a number, a bracket. */
const TOKEN = /"(?:[^"\\]|\\.)*"(\s*:)?|-?\d[\d.eE+-]*|[{}]/g

/**
 * Whether a JSON text has no duplicate keys and no whole number that JavaScript cannot hold: what JSON.parse would lose
 * in silence. Linear in the text; what it says of a text that is no JSON means nothing.
 */
export function isPlainJson(text: string): boolean {
  const open: Set<string>[] = []
  for (const [token, colon] of text.matchAll(TOKEN)) {
    if (token === '{') open.push(new Set())
    else if (token === '}') open.pop()
    else if (colon !== undefined) {
      const keys = open.at(-1)
      const key = token.slice(0, token.lastIndexOf('"') + 1)
      // A key written with escapes may be another one written without.
      if (keys === undefined || keys.has(key) || key.includes('\\')) return false
      keys.add(key)
    } else if (
      !token.startsWith('"') &&
      /^-?\d{16,}$/.test(token) &&
      !Number.isSafeInteger(Number(token))
    ) {
      return false
    }
  }
  return true
}
