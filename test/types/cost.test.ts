import assert from 'node:assert/strict'
import fs from 'node:fs/promises'
import path from 'node:path'
import { test } from 'node:test'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { builders, compileFolder } from './compiler.ts'

/** Tasks that require three symbols and provide three. */
function tasks(count: number): string {
  return Array.from({ length: count }, (_, index) => {
    const next = index + 1
    return `const t${index} = task('t${index}', {
  requires: { a${index}: z.string(), b${index}: z.number(), c${index}: z.object({ x: z.string() }) },
  provides: { a${next}: z.string(), b${next}: z.number(), c${next}: z.object({ x: z.string() }) },
  execute: ({ a${index}, b${index}, c${index} }) => ({ a${next}: a${index}, b${next}: b${index}, c${next}: c${index} }),
})`
  }).join('\n')
}

const names = (count: number, from = 0): string => {
  return Array.from({ length: count }, (_, index) => `t${from + index}`).join(', ')
}
const input = 'input: { a0: z.string(), b0: z.number(), c0: z.object({ x: z.string() }) }'

const programs = {
  'chain.ts': `${tasks(50)}\nflow('f', { ${input} }, [${names(50)}])`,
  'open-chain.ts': `${tasks(50)}\nlinear('f', [${names(50)}])`,
  'graph.ts': `${tasks(50)}\nflow('f', { ${input}, kind: 'graph' }, [${names(50)}])`,
  'nested.ts': `${tasks(49)}\nflow('f', { ${input} }, [${Array.from({ length: 7 }, (_, index) => {
    return `linear('n${index}', [${names(7, index * 7)}])`
  }).join(', ')}])`,
  'left-to-the-run-time-check.ts': `${tasks(200)}\nlinear('f', [${names(200)}])`,
}

test('checking five flows of 50 tasks and more costs the compiler what a second is enough for', async (t) => {
  const folder = await temporaryFolder(t)
  for (const [name, program] of Object.entries(programs)) {
    const imports = `import { flow, linear, task, z } from '${builders}'\nexport const f = [flow, linear, task, z]\n`
    await fs.writeFile(path.join(folder, name), imports + program)
  }
  const { errors, output } = await compileFolder(folder)
  assert.deepEqual(errors, [])
  const instantiations = Number(/Instantiations:\s+(\d+)/.exec(output)?.[1])
  t.diagnostic(
    `${instantiations} instantiations, check time ${/Check time:\s+(\S+)/.exec(output)?.[1]}`,
  )
  // Of one chain of 50: about 250,000, and 0.15 s on an idle machine.
  assert.ok(instantiations < 2_000_000, `${instantiations} instantiations`)
})
