/** Settings by name, as processes are given them. */
export type Environment = { readonly [name: string]: string | undefined }

/**
 * The environment of this process: the one place outside the command line that reads it, so that `connect()` without options
 * works the same wherever it is deployed. Everything else is given what it needs.
 */
export function processEnvironment(): Environment {
  return process.env
}
