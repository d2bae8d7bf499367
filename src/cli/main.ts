#!/usr/bin/env node
/** The command `zagflow`: parse, resolve, call, print. Everything that costs is loaded by the command that needs it. */
import { createProgram } from './program.ts'
import { EXIT } from './exit-codes.ts'
import { Terminal } from './terminal.ts'

// Whoever reads what is printed may stop reading (`| head`).
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    process.exit(error.code === 'EPIPE' ? EXIT.done : EXIT.fault)
  })
}

const terminal = new Terminal()
const { parse } = createProgram(terminal)
const code = await parse(process.argv)
terminal.restore()
// Modules of users may hold the process with timers and connections of their own: what was asked for is done.
process.exitCode = code
process.stdout.write('', () => process.stderr.write('', () => process.exit(code)))
