/** `zagflow conductors`: who runs flows. */
import type { Context } from '../context.ts'
import { lookAtBoard } from '../board-look.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { conductorData, conductorRows, conductorTable } from '../printing/conductors.ts'

/** `zagflow conductors` */
export async function conductorsCommand(context: Context): Promise<ExitCode> {
  const { terminal, boardName } = context
  const store = await context.sharedStore()
  const [processes, look] = await Promise.all([
    store.processes({ kind: 'conductor' }),
    lookAtBoard(context),
  ])
  const rows = conductorRows(processes, boardName, look)
  const why = look.kind === 'away' ? look.why : null
  if (terminal.json) {
    terminal.data({ conductors: rows.map(conductorData), board: { reached: why === null, why } })
    return EXIT.done
  }
  if (rows.length > 0) terminal.print(conductorTable(rows, await store.now(), terminal))
  else terminal.say('No conductor lives. Start one: zagflow conductor')
  if (why !== null) terminal.say(`The board cannot be reached: ${why}`)
  const unknown = rows.filter(({ process }) => process === undefined).length
  if (unknown > 0) {
    terminal.say(
      'Of some this database knows nothing: they use another one, cannot reach it, or have just died.',
    )
  }
  return EXIT.done
}
