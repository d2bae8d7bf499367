/** A flow as a tree of lines. Pure. */
import { formatDuration } from '../../base/durations.ts'
import type { ResolvedDocument, ResolvedNode } from '../../flow/resolved.ts'
import type { Paint } from './paint.ts'
import { plainText } from './text.ts'

/** What is said beside each node, and below it. */
export interface NodeText {
  /** Before the name: the sign of its state. */
  readonly sign?: string | undefined
  /** After the name. */
  readonly beside?: string | undefined
  readonly below?: readonly string[] | undefined
}

/** The tree; at most `most` nodes are drawn. */
export function drawTree(
  document: ResolvedDocument,
  paint: Paint,
  describe: (path: string, node: ResolvedNode) => NodeText = () => ({}),
  most = 500,
): string {
  const lines: string[] = []
  let left = most
  const visit = (node: ResolvedNode, path: string, indent: string, branch: string): void => {
    left -= 1
    const { sign = '', beside = '', below = [] } = describe(path, node)
    const isRoot = branch === ''
    const own = isRoot ? '' : paint.dim(branch)
    const name = plainText(node.label ?? node.id)
    const shown = node.kind === 'task' ? name : paint.bold(name)
    const text = [`${sign === '' ? '' : `${sign} `}${shown}`, paint.dim(about(node)), beside]
    lines.push(`${paint.dim(indent)}${own}${text.filter((part) => part !== '').join('  ')}`)
    const inner = isRoot ? '' : `${indent}${branch.startsWith('└') ? '   ' : '│  '}`
    const hasChildren = node.kind !== 'task' && node.nodes.length > 0
    for (const line of below) {
      lines.push(`${paint.dim(`${inner}${hasChildren ? '│  ' : '   '}`)}${line}`)
    }
    if (node.kind === 'task') return
    for (const [at, child] of node.nodes.entries()) {
      if (left <= 0) {
        lines.push(paint.dim(`${inner}└─ … ${node.nodes.length - at} more`))
        return
      }
      const isLast = at === node.nodes.length - 1
      visit(child, `${path}/${child.id}`, inner, isLast ? '└─ ' : '├─ ')
    }
  }
  visit(document.root, document.root.id, '', '')
  return lines.join('\n')
}

/** What the document says of a node. */
function about(node: ResolvedNode): string {
  const parts: string[] = []
  if (node.kind !== 'task') parts.push(node.kind)
  else if (node.label !== undefined || node.task !== node.id) parts.push(node.task)
  if (node.when !== undefined) parts.push(`if ${plainText(node.when)}`)
  if (node.retry !== undefined && 'attempts' in node.retry) {
    const { attempts, delayMs } = node.retry
    parts.push(
      `${attempts} attempts${delayMs === undefined ? '' : ` ${formatDuration(delayMs)} apart`}`,
    )
  } else if (node.retry !== undefined) {
    parts.push(`retry ${node.retry.kind}`)
  }
  if (node.timeoutMs !== undefined) parts.push(`at most ${formatDuration(node.timeoutMs)}`)
  if (node.onFailure === 'continue') parts.push('may fail')
  return parts.join(', ')
}
