/** Follows a posted job to its end, for `post --wait` and `jobs watch`. */
import type { Job } from '../client/job.ts'
import type { Context } from './context.ts'
import { createDisplay } from './display.ts'
import { EXIT, type ExitCode } from './exit-codes.ts'
import { onInterrupt } from './interrupts.ts'
import { exitCodeOfOutcome, outcomeData, outcomeText } from './printing/outcome.ts'
import { elapsed } from './printing/text.ts'

export interface FollowOptions {
  readonly isQuiet: boolean
  /** Print the output on stdout at the end; else, with `--json`, each event. */
  readonly printsOutput: boolean
  /** Number of the last event that was seen. */
  readonly after?: number | undefined
}

/**
 * Shows how a job goes on, until it has ended or stands suspended. Ctrl-C ends the watching, not the job: exit code 4.
 */
export async function followJob(
  context: Context,
  job: Job,
  options: FollowOptions,
): Promise<ExitCode> {
  const { terminal } = context
  const details = await job.details()
  const tellsEvents = terminal.json && !options.printsOutput
  const kind = options.isQuiet || tellsEvents ? 'none' : undefined
  const display = createDisplay(terminal, details.document, kind)
  const stop = new AbortController()
  const interrupts = onInterrupt({
    first: () => stop.abort(STOPPED),
    again: () => {
      display.end()
      process.exit(EXIT.interrupted)
    },
  })
  const { signal } = stop
  let first: number | undefined
  let last: number | undefined
  try {
    // A suspended job makes no more events, and its watch would wait for its resumption.
    const outcome = job.outcome({ orSuspended: true, signal })
    const watching = new AbortController()
    const shown = (async () => {
      try {
        for await (const event of job.watch({
          after: options.after ?? 0,
          signal: AbortSignal.any([signal, watching.signal]),
        })) {
          first ??= event.at
          last = event.at
          if (tellsEvents) terminal.dataLine(event)
          else display.event(event)
        }
      } catch (error) {
        if (error !== ENDED && error !== STOPPED) throw error
      }
    })()
    const end = await outcome
    if (end.state === 'SUSPENDED') {
      await drained(job, () => last, shown, watching)
    }
    await shown
    display.end()
    const took = first === undefined || last === undefined ? '' : elapsed(last - first)
    const again = `zagflow jobs resume ${job.id}`
    terminal.say(outcomeText(job.flow, end, { took, again, paint: terminal.talk }))
    if (options.printsOutput) {
      if (terminal.json) terminal.data(outcomeData(job.flow, end))
      else if (end.state === 'SUCCESS') terminal.print(JSON.stringify(end.output, null, 2))
    }
    return exitCodeOfOutcome(end)
  } catch (error) {
    if (error !== STOPPED) throw error
    display.end()
    terminal.say(`The job goes on. Follow it: zagflow jobs watch ${job.id}`)
    if (terminal.json && options.printsOutput)
      terminal.data({ job: job.id, flow: job.flow, state: (await job.state()).flowState })
    return EXIT.notEnded
  } finally {
    display.end()
    interrupts.end()
  }
}

/** Waits until the watch has told what was stored up to the suspension, then ends it. */
async function drained(
  job: Job,
  told: () => number | undefined,
  shown: Promise<void>,
  watching: AbortController,
): Promise<void> {
  const { job: record } = await job.details()
  const rows = await job.history({ after: Math.max(0, record.historySeq - 1), limit: 1 })
  const lastAt = rows[0]?.at
  const deadline = performance.now() + 2_000
  while (lastAt !== undefined && (told() ?? 0) < lastAt && performance.now() < deadline) {
    await Promise.race([shown, new Promise((resolve) => setTimeout(resolve, 50))])
  }
  watching.abort(ENDED)
}

const STOPPED = new Error('watching was stopped')
const ENDED = new Error('there is nothing more to see')
