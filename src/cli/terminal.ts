/**
 * Where commands print: data on stdout, talk on stderr.
 *
 * Owns: both streams of the process, for as long as a live view draws on them.
 *
 * Invariants
 * T1  With `--json`, stdout carries JSON alone. While a flow runs here, what its tasks print goes to stderr.
 * T2  A live view never stands between two lines: it is taken away before anything is printed, and drawn again below.
 */
import { createPaint, wantsColour, type Paint } from './printing/paint.ts'

type Write = (text: string) => unknown

/** What draws below everything that is printed. */
export interface Region {
  /** What is to be written to take away what was drawn. */
  erase(): string
  /** What is to be written to draw it again. */
  draw(): string
}

export class Terminal {
  /** Data is wanted as JSON. */
  json = false
  /** What is drawn live can be seen: stderr is a terminal. */
  readonly isLive: boolean
  /** For what goes to stdout, and for what goes to stderr. */
  paint: Paint
  talk: Paint
  readonly #out: Write = process.stdout.write.bind(process.stdout)
  readonly #err: Write = process.stderr.write.bind(process.stderr)
  #region: Region | undefined

  constructor() {
    const { env, stdout, stderr } = process
    this.isLive = stderr.isTTY && env['TERM'] !== 'dumb'
    this.paint = createPaint(wantsColour(stdout.isTTY, env))
    this.talk = createPaint(wantsColour(stderr.isTTY, env))
  }

  /** Leaves colours out. */
  withoutColour(): void {
    this.paint = this.talk = createPaint(false)
  }

  /** Columns of what is printed on stdout; Infinity where it is no terminal. */
  get columns(): number {
    return process.stdout.isTTY ? process.stdout.columns : Number.POSITIVE_INFINITY
  }

  /** Data for a person, a line or more, on stdout. */
  print(text: string): void {
    this.#show(() => this.#out(`${text}\n`))
  }

  /** Data for a program: one JSON value, on stdout. */
  data(value: unknown): void {
    this.print(JSON.stringify(value, null, 2))
  }

  /** One JSON value in a line of its own. */
  dataLine(value: unknown): void {
    this.print(JSON.stringify(value))
  }

  /** Talk: a line or more on stderr. */
  say(text: string): void {
    this.#show(() => this.#err(`${text}\n`))
  }

  /** Draws a region below everything else, again and again, until the function that is returned is called. */
  attach(region: Region): { redraw(): void; detach(last: () => string): void } {
    this.#region = region
    this.#err('\u001b[?25l')
    return {
      redraw: () => void this.#err(region.erase() + region.draw()),
      // It is taken away before the last drawing is made, which may have fewer lines.
      detach: (last) => {
        if (this.#region !== region) return
        this.#region = undefined
        const erased = region.erase()
        this.#err(`${erased}${last()}\u001b[?25h`)
      },
    }
  }

  /** T1: what anybody prints in this process goes to stderr, line by line, until the function that is returned is called. */
  redirect(): () => void {
    const { stdout, stderr } = process
    const before = [stdout.write, stderr.write] as const
    let rest = ''
    const flush = (text: string): void => this.#show(() => this.#err(text))
    const write = (
      chunk: string | Uint8Array,
      encoding?: BufferEncoding | ((error?: Error | null) => void),
      done?: (error?: Error | null) => void,
    ): boolean => {
      rest += typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString()
      const end = rest.lastIndexOf('\n') + 1
      if (end > 0) flush(rest.slice(0, end))
      rest = rest.slice(end)
      const callback = typeof encoding === 'function' ? encoding : done
      if (callback !== undefined) process.nextTick(callback)
      return true
    }
    stdout.write = write
    stderr.write = write
    return () => {
      if (rest !== '') flush(`${rest}\n`)
      rest = ''
      ;[stdout.write, stderr.write] = before
    }
  }

  /** Gives the cursor back, whatever is drawn: for an end in the middle. */
  restore(): void {
    if (this.#region !== undefined) this.#err('\n\u001b[?25h')
    this.#region = undefined
  }

  /** T2. */
  #show(write: () => unknown): void {
    if (this.#region === undefined) {
      write()
      return
    }
    this.#err(this.#region.erase())
    write()
    this.#err(this.#region.draw())
  }
}
