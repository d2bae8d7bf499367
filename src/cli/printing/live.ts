/** The live view of a flow that runs: rows → text. Pure. */
import type { FlowProgress, Row } from './flow-progress.ts'
import { lookOf } from './states.ts'
import type { Paint } from './paint.ts'
import { cut, elapsed, pad, plainText, widthOf } from './text.ts'

export interface LiveOptions {
  /** Epoch ms. */
  readonly now: number
  /** Of the terminal. */
  readonly columns: number
  readonly rows: number
  /** Grows with each drawing: what turns, turns. */
  readonly frame: number
  readonly paint: Paint
  /** What the user may do now, below all. */
  readonly footer?: string | undefined
}

const SPINNER = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏']
const BAR = 20
/** Rows that are left to what was printed before. */
const SPARE = 3

/** Lines of the view. A flow that is too long for the terminal is shown by what runs, what failed and what ended last. */
export function drawLive(progress: FlowProgress, options: LiveOptions): readonly string[] {
  const { columns, rows, paint, footer } = options
  const room = Math.max(4, rows - SPARE - (footer === undefined ? 0 : 1))
  const inside = progress.rows.slice(1)
  const isWhole = inside.length < room
  const shown = isWhole ? inside : progress.notable(room - 2)
  const names = shown.map((row) => nameOf(row, isWhole, progress.flow, paint))
  const widest = Math.min(
    Math.max(12, ...names.map((name) => widthOf(name))),
    Math.max(12, Math.floor(columns * 0.5)),
  )
  const lines = shown.map((row, at) => {
    const name = pad(cut(names[at] ?? '', widest), widest)
    return `  ${name}  ${detail(row, options)}`.trimEnd()
  })
  if (!isWhole) lines.push(`  ${paint.dim(summary(progress))}`)
  if (footer !== undefined) lines.push(paint.dim(footer))
  return [title(progress, options), ...lines].map((line) => cut(line, Math.max(20, columns - 1)))
}

function title(progress: FlowProgress, { now, paint }: LiveOptions): string {
  const { word, paint: colour } = lookOf(progress.state)
  const done = progress.count('SUCCESS', 'IGNORE')
  const time = (progress.endedAt ?? now) - (progress.startedAt ?? now)
  const state = colour(paint, word)
  return `${paint.bold(progress.flow)}  ${state}  ${done}/${progress.tasks}  ${paint.dim(elapsed(time))}`
}

function nameOf(row: Row, isWhole: boolean, flow: string, paint: Paint): string {
  const { sign, paint: colour } = lookOf(row.state)
  const indent = isWhole ? '  '.repeat(row.depth) : ''
  if (row.kind === 'flow') {
    return `${indent}${paint.bold(plainText(row.name))} ${paint.dim(row.about)}`
  }
  const name = isWhole ? row.name : row.path.slice(flow.length + 1)
  const isMoving = row.state === 'RUNNING' || row.state === 'REVERTING'
  // Its place is kept for the spinner, which is drawn with the details.
  return `${indent}${isMoving ? SPIN : colour(paint, sign)} ${plainText(name)}`
}

/** Stands for the spinner until the frame is known. */
const SPIN = '\ue000'

function detail(row: Row, { now, paint }: LiveOptions): string {
  if (row.kind === 'flow') {
    if (row.round < 2) return ''
    const of = row.attempts === undefined ? '' : ` of ${row.attempts}`
    return paint.yellow(`round ${row.round}${of}`)
  }
  const { word, paint: colour } = lookOf(row.state)
  const parts: string[] = []
  const isRunning = row.state === 'RUNNING' || row.state === 'REVERTING'
  if (row.startedAt !== undefined && row.state !== 'IGNORE') {
    const end = isRunning || row.state === 'RETRYING' ? now : (row.endedAt ?? now)
    parts.push(paint.dim(elapsed(end - row.startedAt).padStart(6)))
  }
  if (row.progress !== undefined && isRunning) parts.push(bar(row.progress, paint))
  const isPlain = row.state === 'SUCCESS' || row.state === 'RUNNING' || row.state === 'PENDING'
  if (!isPlain) parts.push(colour(paint, word))
  if (row.attempt > 1 && (isRunning || row.state === 'RETRYING')) {
    const of = row.attempts === undefined ? '' : ` of ${row.attempts}`
    parts.push(paint.yellow(`attempt ${row.attempt}${of}`))
  }
  if (row.note !== '' && isRunning) parts.push(paint.dim(plainText(row.note)))
  if (row.failure !== undefined) parts.push(paint.red(plainText(row.failure)))
  return parts.join('  ')
}

/** `━━━━━━━━────────────  42%` */
function bar(progress: number, paint: Paint): string {
  const share = Math.min(1, Math.max(0, progress))
  const full = Math.round(share * BAR)
  const percent = `${Math.floor(share * 100)}%`.padStart(4)
  return `${paint.cyan('━'.repeat(full))}${paint.dim('─'.repeat(BAR - full))} ${percent}`
}

/** How many atoms are in each state: `980 done, 15 waiting, 2 failed`. */
export function summary(progress: FlowProgress): string {
  return [...progress.counts]
    .filter(([, count]) => count > 0)
    .map(([state, count]) => `${count} ${lookOf(state).word}`)
    .join(', ')
}

/** The text that a frame writes: the lines, with what turns at this frame. */
export function frameText(lines: readonly string[], { frame, paint }: LiveOptions): string {
  const spin = paint.cyan(SPINNER[frame % SPINNER.length] ?? '●')
  return lines.map((line) => `${line.replaceAll(SPIN, spin)}\u001b[K\n`).join('')
}
