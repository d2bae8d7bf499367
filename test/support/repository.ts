import fs from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

/** The repository's folder: the nearest one above this file that has a `package.json`. */
export const repository: string = (() => {
  let folder = path.dirname(fileURLToPath(import.meta.url))
  while (!fs.existsSync(path.join(folder, 'package.json'))) {
    const above = path.dirname(folder)
    if (above === folder) throw new Error('there is no package.json above the tests')
    folder = above
  }
  return folder
})()

/** The text of a file of the repository. */
export function readFile(name: string): string {
  return fs.readFileSync(path.join(repository, name), 'utf8')
}

/** The files below a folder of the repository, as `folder/inner/name.ts`; none where there is no such folder. */
export function listFiles(folder: string, extension: string): readonly string[] {
  const absolute = path.join(repository, folder)
  if (!fs.existsSync(absolute)) return []
  return fs
    .readdirSync(absolute, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith(extension))
    .map((name) => path.posix.join(folder, name.replaceAll('\\', '/')))
    .sort()
}
