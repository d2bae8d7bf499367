/** A process with one conductor, which tells its parent when a task begins, by the clock that all processes of a machine share. */
import { connect } from '../../src/client/connect.ts'
import { task } from '../../src/flow/task.ts'

/** Tells when it begins: nanoseconds of the machine's monotonic clock, as text. */
export const note = task('note', {
  execute: () => void process.send?.(String(process.hrtime.bigint())),
})

const [persistence, board] = process.argv.slice(2)
if (persistence !== undefined && process.send !== undefined) {
  const zag = await connect({
    persistence,
    board,
    environment: {},
    conductor: { name: 'c0', tasks: [note] },
  })
  process.on('message', () => {
    void zag.close().then(() => process.exit())
  })
  process.on('disconnect', () => process.exit(1))
  process.send('ready')
}
