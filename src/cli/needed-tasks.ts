import type { ResolvedDocument, ResolvedNode } from '../flow/resolved.ts'

/** Names of the tasks that a flow needs, each once. */
export function neededTasks(document: ResolvedDocument): ReadonlySet<string> {
  const names = new Set<string>()
  const visit = (node: ResolvedNode): void => {
    if (node.kind === 'task') names.add(node.task)
    else for (const child of node.nodes) visit(child)
  }
  visit(document.root)
  return names
}
