/**
 * What happened outside of Zagflow, in one file that survives every process.
 *
 * J1  Each record is one append, so the order of records is the order of what they tell, over all processes of the machine.
 * J2  A record brings the newline before it as well as the one behind it: SIGKILL may leave a part of one, and the next does not
 *     go on in its line.
 * J3  A part of a record is none: whoever wrote it died before it could act on it.
 */
import {
  appendFileSync,
  closeSync,
  fstatSync,
  openSync,
  readFileSync,
  readSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import type { CleanUp } from '../support/clean-up.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

/** `begin`, `end`: a body of a task. `aborted`: one that was asked to stop. */
export type LedgerLine =
  | {
      readonly what: 'begin' | 'end' | 'aborted'
      readonly pid: number
      readonly job: string
      readonly direction: 'execute' | 'revert'
      readonly atom: string
      readonly key: string
      /** The process that had started this one, and takes it along when it dies. */
      readonly parent?: number
    }
  /** A worker was told to forget a copy of a request: what was published once more was refused. */
  | {
      readonly what: 'refused'
      readonly pid: number
      readonly job: string
      readonly key: string
    }
  /** The broker has a request. */
  | {
      readonly what: 'confirmed'
      readonly pid: number
      /** Its flow, for that is what a request names. */
      readonly job: string
      readonly key: string
      /** Epoch ms. */
      readonly at: number
    }
  /** A conductor was told that this transition is committed. */
  | {
      readonly what: 'told'
      readonly pid: number
      readonly job: string
      /** Its number in the job's history. */
      readonly seq: number
      readonly name: string
      readonly from: string
      readonly state: string
    }
  | {
      readonly what: 'claimed'
      readonly pid: number
      readonly job: string
      readonly epoch: number
    }
  /** The conductor has no more to do with the job, and has noticed it. */
  | {
      readonly what: 'lost' | 'released' | 'parked' | 'completed' | 'trashed'
      readonly pid: number
      readonly job: string
    }
  /** It is sent SIGKILL now. */
  | { readonly what: 'killed'; readonly pid: number }
  /** The broker loses all it holds now. */
  | { readonly what: 'wiped'; readonly pid: number }

/** Adds one record. */
export function writeLine(ledger: string, line: LedgerLine): void {
  appendFileSync(ledger, `\n${JSON.stringify(line)}\n`) // J2
}

/**
 * All records so far.
 * @throws SyntaxError where something is no record, nor the beginning of one.
 */
export function readLedger(ledger: string): readonly LedgerLine[] {
  const lines = readFileSync(ledger, 'utf8').split('\n')
  lines.pop() // the last one may be just being written
  return parse(lines)
}

/** Reads a ledger that only grows again and again, each record once: gives all records so far. */
export function followLedger(ledger: string): () => readonly LedgerLine[] {
  const lines: LedgerLine[] = []
  let offset = 0
  return () => {
    const file = openSync(ledger, 'r')
    try {
      const bytes = Buffer.alloc(Math.max(fstatSync(file).size - offset, 0))
      const whole = bytes.subarray(0, readSync(file, bytes, 0, bytes.length, offset))
      const end = whole.lastIndexOf('\n') + 1 // the last record may be just being written
      offset += end
      lines.push(...parse(whole.subarray(0, end).toString('utf8').split('\n')))
    } finally {
      closeSync(file)
    }
    return lines
  }
}

function parse(lines: readonly string[]): readonly LedgerLine[] {
  return lines.filter((line) => !isPart(line)).map((line) => JSON.parse(line) as LedgerLine)
}

/** J3: records are objects, and no value within one is: only a whole one ends with a brace. */
function isPart(line: string): boolean {
  return line === '' || (`{"what":"`.startsWith(line.slice(0, 9)) && !line.endsWith('}'))
}

/** An empty ledger of one test. */
export async function newLedger(t: CleanUp): Promise<string> {
  const file = join(await temporaryFolder(t), 'ledger')
  writeFileSync(file, '')
  return file
}
