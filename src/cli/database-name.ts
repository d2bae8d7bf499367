import { withoutPassword } from '../../persistence/url.ts'

/** The URL of a database as it may be shown: without password and parameters. */
export function databaseName(url: string): string {
  if (/^postgres(ql)?:/.test(url)) return URL.canParse(url) ? withoutPassword(url) : 'postgres:…'
  return url
}
