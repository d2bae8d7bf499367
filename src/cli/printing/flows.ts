/** Flows as text. Pure. */
import type { PreparedFlow } from '../../posting/prepare.ts'
import type { ResolvedSymbol } from '../../flow/resolved.ts'
import type { FlowVersion } from '../../../persistence/store.ts'
import type { Paint } from './paint.ts'
import { table } from './table.ts'
import { age, moment, pad, plainText } from './text.ts'
import { drawTree } from './tree.ts'

/** Registered versions as a table. */
export function flowTable(
  flows: readonly FlowVersion[],
  now: number,
  { paint, columns }: { readonly paint: Paint; readonly columns: number },
): string {
  return table(
    flows,
    [
      { title: 'FLOW', cell: (flow) => flow.name, isWide: true },
      { title: 'VERSION', cell: (flow) => String(flow.version) },
      { title: 'HASH', cell: (flow) => flow.hash.slice(0, 12) },
      {
        title: 'REGISTERED',
        cell: ({ createdAt }) => `${moment(createdAt)} (${age(now - createdAt)})`,
      },
    ],
    columns,
    (text) => paint.bold(text),
  )
}

/** A flow: what it asks for, its tree, its hash. */
export function flowText({ document, documentHash }: PreparedFlow, paint: Paint): string {
  const lines = [drawTree(document, paint)]
  const symbols = Object.entries(document.input)
  if (symbols.length > 0) {
    const widest = Math.max(...symbols.map(([name]) => name.length))
    lines.push('', paint.bold('input'))
    for (const [name, symbol] of symbols)
      lines.push(`  ${pad(name, widest)}  ${symbolText(symbol, paint)}`)
  }
  if (document.output !== undefined) {
    lines.push('', paint.bold('output'))
    for (const [name, template] of Object.entries(document.output)) {
      lines.push(`  ${name}  ${paint.dim(JSON.stringify(template))}`)
    }
  }
  if (document.description !== undefined) lines.push('', plainText(document.description))
  lines.push('', paint.dim(`hash ${documentHash}`))
  return lines.join('\n')
}

function symbolText({ schema, optional, default: standard }: ResolvedSymbol, paint: Paint): string {
  const { type, ...rest } = schema
  const more = Object.keys(rest).length === 0 ? '' : ` ${JSON.stringify(rest)}`
  const when =
    standard !== undefined
      ? `, default ${JSON.stringify(standard)}`
      : optional === true
        ? ', optional'
        : ''
  return `${typeof type === 'string' ? type : 'any'}${when}${paint.dim(more)}`
}
