/** A worker in a process of its own, started by `zagflow worker --processes`. It is told by its parent what to do. */
import { EXIT, type ExitCode } from './exit-codes.ts'
import { sayError } from './run-body.ts'
import { onStopMessages } from './stop-signals.ts'
import { Terminal } from './terminal.ts'
import { serveWorker, type WorkerInput } from './worker-service.ts'

for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    process.exit(error.code === 'EPIPE' ? EXIT.done : EXIT.fault)
  })
}

process.once('message', (input: WorkerInput) => {
  void run(input).then((code) => process.exit(code)) // says what went wrong by itself
})

async function run(input: WorkerInput): Promise<ExitCode> {
  const terminal = new Terminal()
  terminal.json = input.json
  try {
    return await serveWorker(input, terminal, onStopMessages, () => process.send?.({ is: 'ready' }))
  } catch (error) {
    return sayError(terminal, error)
  }
}
