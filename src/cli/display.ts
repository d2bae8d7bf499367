/** Shows how a flow goes on: a live view in a terminal, else plain lines. All of it is talk (stderr). */
import type { ResolvedDocument } from '../flow/resolved.ts'
import { EventLines } from './printing/event-lines.ts'
import { FlowProgress, type Happened } from './printing/flow-progress.ts'
import { drawLive, frameText, type LiveOptions } from './printing/live.ts'
import type { Region, Terminal } from './terminal.ts'

/** What is told of a flow that goes on. */
export interface Display {
  /** What stands already, when it goes on from there: drawn, not told. */
  begin(happened: readonly Happened[]): void
  event(event: Happened): void
  progress(atom: string, progress: number, details: unknown): void
  /** What the user may do now. */
  footer(text: string | undefined): void
  /** Leaves what was drawn as it stands. Twice is fine. */
  end(): void
}

export type DisplayKind = 'live' | 'lines' | 'none'

export function createDisplay(
  terminal: Terminal,
  document: ResolvedDocument,
  kind: DisplayKind = terminal.isLive ? 'live' : 'lines',
): Display {
  switch (kind) {
    case 'live':
      return new LiveDisplay(terminal, document)
    case 'lines':
      return lineDisplay(terminal, document)
    case 'none':
      return { begin() {}, event() {}, progress() {}, footer() {}, end() {} }
  }
}

/** Calm enough to read, quick enough to see that it lives. */
const FRAME_MS = 120

class LiveDisplay implements Display, Region {
  readonly #terminal: Terminal
  readonly #progress: FlowProgress
  readonly #region: ReturnType<Terminal['attach']>
  readonly #timer: NodeJS.Timeout
  #frame = 0
  #drawn = 0
  #footer: string | undefined
  #ended = false

  constructor(terminal: Terminal, document: ResolvedDocument) {
    this.#terminal = terminal
    this.#progress = new FlowProgress(document)
    this.#region = terminal.attach(this)
    this.#timer = setInterval(() => {
      this.#frame += 1
      this.#region.redraw()
    }, FRAME_MS)
  }

  begin(happened: readonly Happened[]): void {
    for (const event of happened) this.#progress.take(event)
  }

  event(event: Happened): void {
    this.#progress.take(event)
  }

  progress(atom: string, progress: number, details: unknown): void {
    this.#progress.progress(atom, progress, details)
  }

  footer(text: string | undefined): void {
    this.#footer = text
    if (!this.#ended) this.#region.redraw()
  }

  end(): void {
    if (this.#ended) return
    this.#ended = true
    clearInterval(this.#timer)
    this.#footer = undefined
    this.#region.detach(() => this.#text())
  }

  erase(): string {
    const lines = this.#drawn
    this.#drawn = 0
    return lines === 0 ? '' : `\u001b[${lines}A\r\u001b[J`
  }

  draw(): string {
    return this.#text()
  }

  #text(): string {
    const { columns, rows } = process.stderr
    const options: LiveOptions = {
      now: Date.now(),
      columns: columns || 80,
      rows: rows || 24,
      frame: this.#frame,
      paint: this.#terminal.talk,
      footer: this.#footer,
    }
    const lines = drawLive(this.#progress, options)
    this.#drawn = lines.length
    return frameText(lines, options)
  }
}

/** Progress of one task is told this often. */
const PROGRESS_MS = 5_000

function lineDisplay(terminal: Terminal, document: ResolvedDocument): Display {
  const lines = new EventLines(document.flow, terminal.talk)
  const told = new Map<string, number>()
  return {
    begin() {},
    event(event) {
      terminal.say(lines.line(event))
      told.set(event.name, event.at)
    },
    progress(atom, progress) {
      const now = Date.now()
      if (now - (told.get(atom) ?? 0) < PROGRESS_MS) return
      told.set(atom, now)
      terminal.say(lines.progress(atom, progress, now))
    },
    footer(text) {
      if (text !== undefined) terminal.say(text)
    },
    end() {},
  }
}
