import { execFileSync } from 'node:child_process'
import { missingTool } from './test-server.ts'
import type { TestTool } from './test-server.ts'

/** Python with its AMQP client pika, for workers that are not written in JavaScript. */
export const pikaTool: TestTool = {
  name: 'Python with pika',
  binariesVariable: 'ZAGFLOW_TEST_PYTHON',
  debianPackages: ['python3-pika'],
  find: findPython,
}

/**
 * A Python that can import pika: what `ZAGFLOW_TEST_PYTHON` names, `python3` of `PATH`, or `/usr/bin/python3`, which
 * is the one that Debian's package is for.
 */
export function findPython(): string | undefined {
  const given = process.env['ZAGFLOW_TEST_PYTHON']
  return [...(given ? [given] : []), 'python3', '/usr/bin/python3'].find((python) => {
    try {
      execFileSync(python, ['-c', 'import pika'], { stdio: 'ignore' })
      return true
    } catch {
      return false
    }
  })
}

/**
 * A Python that can import pika. Where there is none: in CI this throws, elsewhere it says what is missing, for
 * `t.skip()`.
 */
export function pythonWithPika(): { readonly python: string } | { readonly missing: string } {
  const python = findPython()
  if (python !== undefined) return { python }
  const missing = missingTool(pikaTool)
  if (process.env['CI']) throw new Error(missing)
  return { missing }
}
