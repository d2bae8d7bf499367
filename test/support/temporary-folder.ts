import fs from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import type { CleanUp } from './clean-up.ts'

/** A new, empty folder of this test alone (real path), removed with all it holds after the test. */
export async function temporaryFolder(t: CleanUp): Promise<string> {
  const folder = await fs.mkdtemp(path.join(await fs.realpath(os.tmpdir()), 'zagflow-test-'))
  // Retries: a process that is just ending may still write here while the folder is removed.
  t.after(() => fs.rm(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 }))
  return folder
}
