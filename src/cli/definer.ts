/** What definitions of commands are made with. */
import { Option, type Command } from 'commander'
import type { Body } from './body.ts'

/** Makes commands that have the common options, and bodies that are told everything. */
export interface Definer {
  /** A command below `parent`; `usage` is such as `show <job>`. `example` is shown at the end of its help. */
  command<Flags = object>(
    parent: Command,
    usage: string,
    about: string,
    example: string,
    options: readonly Option[],
    body: () => Promise<Body<Flags>>,
  ): Command
  /** A command that has only commands below it. */
  group(name: string, about: string, example: string): Command
}

/** `--name value`, given any number of times. */
export function repeated(flags: string, about: string): Option {
  return new Option(flags, about)
    .default([])
    .argParser((value: string, before: readonly string[]) => [...before, value])
}

/** Examples at the end of a help text. */
export function examples(text: string): string {
  const lines = text.split('\n').map((line) => `  ${line}`)
  return `\n${lines.length === 1 ? 'Example:' : 'Examples:'}\n${lines.join('\n')}`
}
