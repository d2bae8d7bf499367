import path from 'node:path'

/** One import of a source file. */
export interface Import {
  /** As it is written: `../base/errors.ts`, `knex`, `node:fs`. */
  readonly specifier: string
  /** The file in the repository that it names, for a relative one. */
  readonly file: string | undefined
  /** The package that it names (`@scope/name`, `knex`), for one that is neither relative nor part of Node. */
  readonly packageName: string | undefined
  /** Whether it is gone when the program runs. */
  readonly typeOnly: boolean
}

/** A source file, as far as the rules of the layout look at it. */
export interface SourceFile {
  /** Its path in the repository, with slashes. */
  readonly name: string
  /** Its text without comments. */
  readonly code: string
  readonly imports: readonly Import[]
}

const patterns = [
  // import … from '…', export … from '…'. Formatted sources begin them at the start of a line.
  /^(?:import|export)\s+(?<type>type\s)?[^'"`;]*?\bfrom\s*['"](?<specifier>[^'"]+)['"]/gm,
  /^import\s*['"](?<specifier>[^'"]+)['"]/gm,
  // import('…'), as a call and in a type.
  /(?<type>typeof\s+)?\bimport\(\s*['"](?<specifier>[^'"]+)['"]\s*\)/g,
  /\brequire(?:\.resolve)?\(\s*['"](?<specifier>[^'"]+)['"]\s*\)/g,
]

/** Reads a source file's imports, static and dynamic. */
export function parseSource(name: string, text: string): SourceFile {
  const code = withoutComments(text)
  const imports = patterns.flatMap((pattern) =>
    [...code.matchAll(pattern)].map(({ groups }) => {
      const specifier = groups?.['specifier'] ?? ''
      return {
        specifier,
        file: specifier.startsWith('.')
          ? path.posix.join(path.posix.dirname(name), specifier)
          : undefined,
        packageName: packageOf(specifier),
        typeOnly: groups?.['type'] !== undefined,
      }
    }),
  )
  return { name, code, imports }
}

function packageOf(specifier: string): string | undefined {
  if (/^(\.|node:)/.test(specifier)) return undefined
  return /^(@[^/]+\/)?[^/]+/.exec(specifier)?.[0]
}

/** Blanks comments; a string that holds the sign of one is kept, as long as no space stands before the sign. */
function withoutComments(text: string): string {
  return text
    .replaceAll(/\/\*[^]*?\*\//g, (comment) => comment.replaceAll(/[^\n]/g, ''))
    .replaceAll(/(^|\s)\/\/ .*$/gm, '')
}
