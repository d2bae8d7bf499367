/**
 * Retries at both levels. A task's own attempts repeat that task, nothing else. A flow's retry reverts what ran in the flow
 * and runs it again, here with another mirror each time. Reverts are retried too.
 */
import { from, linear, run, task, TaskError, z } from 'zagflow'

const failuresLeft = { connect: 2, close: 1 }

const open = task('session.open', {
  requires: { mirror: z.string() },
  provides: { session: z.string() },
  // Attempts of the task: twice it fails, the third time it works.
  retry: { attempts: 3, delay: '20ms', factor: 2 },
  revertRetry: { attempts: 3, delay: '10ms' },
  execute({ mirror }, { attempt }) {
    if (failuresLeft.connect > 0) {
      failuresLeft.connect--
      throw new Error(`attempt ${attempt}: ${mirror} did not answer`)
    }
    return { session: `session with ${mirror}` }
  },
  revert({ result }) {
    if (failuresLeft.close > 0) {
      failuresLeft.close--
      throw new Error('could not close yet')
    }
    console.log(`closed the ${result?.session ?? 'half-open session'}`)
  },
})

const download = task('file.download', {
  requires: { session: z.string(), mirror: z.string() },
  provides: { file: z.string() },
  execute({ mirror }) {
    if (mirror !== 'mirror-c')
      throw new TaskError(`${mirror} does not have the file`, { code: 'NotThere' })
    return { file: `file from ${mirror}` }
  },
})

const flow = linear('fetch', [open, download.with({ mirror: from('mirror') })], {
  // One round for each value, until one works.
  retry: { forEach: ['mirror-a', 'mirror-b', 'mirror-c'], provides: 'mirror' },
})

const outcome = await run(
  flow,
  {},
  {
    onEvent: ({ name, state, attempt, failure }) =>
      console.log(
        `${name} ${state}${attempt ? ` (${attempt})` : ''}${failure ? `: ${failure.message}` : ''}`,
      ),
  },
)
if (outcome.state === 'SUCCESS') console.log(outcome.output.file)
