/** Links between documents: each names a file that is there, and a heading that it has. */
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import path from 'node:path'
import test from 'node:test'
import { readFile, repository } from '../support/repository.ts'
import { documents, proseOf } from './documents.ts'

/** The name by which a link finds a heading, as GitHub makes it. */
function anchorOf(heading: string): string {
  return heading
    .trim()
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
    .replaceAll(/\s/g, '-')
}

function problemOf(document: string, target: string): string | undefined {
  const [file = '', anchor] = target.split('#', 2)
  const name = file === '' ? document : path.posix.join(path.posix.dirname(document), file)
  if (name.startsWith('..') || !existsSync(path.join(repository, name))) return `no file ${name}`
  if (anchor === undefined) return undefined
  const headings = [...proseOf(name).matchAll(/^#+ (?<text>.+)$/gm)]
  const found = headings.some((heading) => anchorOf(heading.groups?.['text'] ?? '') === anchor)
  return found ? undefined : `${name} has no heading #${anchor}`
}

test('every link between documents leads somewhere', () => {
  const broken: string[] = []
  let checked = 0
  for (const document of documents) {
    for (const { groups } of proseOf(document).matchAll(/\]\((?<target>[^)\s]+)\)/g)) {
      const target = groups?.['target'] ?? ''
      if (/^https?:/.test(target)) continue
      checked += 1
      const problem = problemOf(document, target)
      if (problem !== undefined) broken.push(`${document}: ${target}: ${problem}`)
    }
  }
  assert.ok(checked > 10, 'links were found')
  assert.deepEqual(broken, [])
})

test('a link to nowhere is found, and so is one to a heading that is not there', () => {
  assert.equal(problemOf('docs/flows.md', 'errors.md#values'), undefined)
  assert.match(problemOf('docs/flows.md', 'error.md') ?? '', /no file docs\/error\.md/)
  assert.match(problemOf('docs/flows.md', 'errors.md#value') ?? '', /no heading #value/)
})

test('files that documents name in code are there', () => {
  const missing: string[] = []
  for (const document of [
    'README.md',
    'ARCHITECTURE.md',
    ...documents.filter((name) => name.startsWith('docs/')),
  ]) {
    const named = readFile(document).matchAll(
      /`(?<name>(?:src|engines|jobboard|persistence|test|scripts|bench|examples|docs)\/[\w./-]+)`/g,
    )
    for (const { groups } of named) {
      const name = groups?.['name'] ?? ''
      const there = [name, `${name}.ts`].some((file) => existsSync(path.join(repository, file)))
      if (!there) missing.push(`${document}: ${name}`)
    }
  }
  assert.deepEqual(missing, [])
})
