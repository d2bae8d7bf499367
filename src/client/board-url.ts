import { UsageError } from '../base/errors.ts'
import { RUN_BOARD } from './local-run.ts'

/** Where a board is, as its URL says. */
export interface BoardPlace {
  readonly kind: 'sql'
  readonly name: string
}

/**
 * Reads the URL of a board: `sql:` is the board `main` in the persistence database, `sql:name` another one there. Throws
 * {@link UsageError} for any other.
 */
export function parseBoardUrl(url: string): BoardPlace {
  const [, scheme, rest = ''] = /^([a-z][a-z0-9+.-]*):(.*)$/s.exec(url) ?? []
  switch (scheme) {
    case 'sql':
      return { kind: 'sql', name: boardName(rest === '' ? 'main' : rest) }
    case 'zookeeper':
      throw new UsageError('a board in ZooKeeper is not supported in this version', {
        hint: 'use sql: (the board in the persistence database)',
      })
    default:
      throw new UsageError(`"${url}" is not the URL of a board; expected sql: or sql:NAME`)
  }
}

function boardName(name: string): string {
  if (!/^[A-Za-z0-9_.-]{1,100}$/.test(name)) {
    throw new UsageError(
      `"${name}" cannot be the name of a board; expected 1 to 100 of A-Z, a-z, 0-9, _, . and -`,
    )
  }
  if (name === RUN_BOARD) {
    throw new UsageError(`the board "${RUN_BOARD}" is kept for run(), which needs no conductor`, {
      hint: 'choose another name',
    })
  }
  return name
}
