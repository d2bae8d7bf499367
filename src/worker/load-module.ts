import { pathToFileURL } from 'node:url'
import { isAbsolute, resolve } from 'node:path'

const TYPESCRIPT = /\.[cm]?tsx?$/

/** The URL of a module that was given as a path (relative to `folder`) or as a URL. */
export function moduleUrl(module: string, folder: string = process.cwd()): string {
  if (/^[a-z][a-z+.-]+:/i.test(module) && !isAbsolute(module)) return new URL(module).href
  return pathToFileURL(resolve(folder, module)).href
}

/**
 * Imports a module by its URL, and gives what it exports. TypeScript is run as it is, without a build step (types are
 * stripped, not checked). Rejects with whatever the module throws.
 */
export async function loadModule(url: string): Promise<unknown> {
  if (!TYPESCRIPT.test(new URL(url).pathname)) return import(url)
  const { createJiti } = await import('jiti') // costs 30 ms, and only TypeScript needs it
  return createJiti(import.meta.url).import(url)
}
