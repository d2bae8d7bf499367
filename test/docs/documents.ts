import { listFiles, readFile } from '../support/repository.ts'

/** A block of code in a document. */
export interface Block {
  /** Where it is: `docs/flows.md:12`. */
  readonly place: string
  readonly language: string
  readonly text: string
}

/** Everything that people read, but what is installed or built: names of files. */
export const documents: readonly string[] = [
  ...['README.md', 'ARCHITECTURE.md', 'CHANGELOG.md'],
  ...[
    'docs',
    'src',
    'engines',
    'jobboard',
    'persistence',
    'examples',
    'bench',
    'scripts',
    'test',
  ].flatMap((folder) => listFiles(folder, '.md')),
]

/** The blocks of code of a document, in their order. */
export function blocksOf(name: string): readonly Block[] {
  const blocks: Block[] = []
  let open: { readonly line: number; readonly language: string; readonly lines: string[] } | null =
    null
  for (const [index, line] of readFile(name).split('\n').entries()) {
    const fence = /^```(?<language>\w*)$/.exec(line)
    if (fence === null) open?.lines.push(line)
    else if (open === null) {
      open = { line: index + 1, language: fence.groups?.['language'] ?? '', lines: [] }
    } else {
      const { line: start, language, lines } = open
      blocks.push({ place: `${name}:${start}`, language, text: lines.join('\n') })
      open = null
    }
  }
  if (open !== null) throw new Error(`${name}:${open.line}: a block of code is not closed`)
  return blocks
}

/** A document without its blocks of code: what is said, line by line. */
export function proseOf(name: string): string {
  return readFile(name).replaceAll(/^```\w*\n[^]*?^```$/gm, (block) =>
    block.replaceAll(/[^\n]/g, ''),
  )
}
