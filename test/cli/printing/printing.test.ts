import assert from 'node:assert/strict'
import test from 'node:test'
import { EventLines } from '../../../src/cli/printing/event-lines.ts'
import { findingText } from '../../../src/cli/printing/findings.ts'
import { FlowProgress } from '../../../src/cli/printing/flow-progress.ts'
import { drawLive, frameText, summary } from '../../../src/cli/printing/live.ts'
import { logLine } from '../../../src/cli/printing/log-line.ts'
import { shortest } from '../../../src/cli/printing/jobs.ts'
import { createPaint, noPaint, wantsColour } from '../../../src/cli/printing/paint.ts'
import { table } from '../../../src/cli/printing/table.ts'
import { age, cut, elapsed, pad, plainText, widthOf } from '../../../src/cli/printing/text.ts'
import { drawTree } from '../../../src/cli/printing/tree.ts'
import { prepare, sourceOf, type PreparedFlow } from '../../../src/posting/prepare.ts'
import { linear, unordered } from '../../../src/flow/composition.ts'
import { task } from '../../../src/flow/task.ts'
import { TaskRegistry } from '../../../src/worker/registry.ts'

const one = task('one', { execute() {} })
const two = task('two', { retry: { attempts: 3, delay: '1s' }, execute() {} })

function flowOf(...nodes: Parameters<typeof linear>[1]): PreparedFlow['document'] {
  const flow = linear('flow', nodes)
  return prepare(sourceOf(flow), TaskRegistry.of(flow).signatures()).document
}

const document = flowOf(one, unordered('both', [two, one.as('again')]))

const screen = { now: 10_000, columns: 100, rows: 24, frame: 0, paint: noPaint }

test('the live view shows each atom with its state, its time and what it says', () => {
  const progress = new FlowProgress(document)
  const take = (name: string, state: string, at: number, more = {}) =>
    progress.take({ kind: 'task', name, state, at, ...more })
  progress.take({ kind: 'flow', name: 'flow', state: 'RUNNING', at: 1_000 })
  take('flow/one', 'RUNNING', 1_000)
  take('flow/one', 'SUCCESS', 2_500)
  take('flow/both/two', 'RUNNING', 2_500, { attempt: 1 })
  take('flow/both/two', 'RETRYING', 3_000, { attempt: 1, failure: { message: 'away\u001b[2J' } })
  take('flow/both/two', 'RUNNING', 4_000, { attempt: 2 })
  progress.progress('flow/both/two', 0.5, { rows: 70 })
  const text = frameText(drawLive(progress, screen), screen).replaceAll('\u001b[K', '')
  assert.equal(
    text,
    [
      'flow  running  1/3  9.00s',
      '  ✔ one            1.50s',
      '  both unordered',
      '    ⠋ two          6.00s  ━━━━━━━━━━──────────  50%  attempt 2 of 3  rows 70  away',
      '    ○ again',
      '',
    ].join('\n'),
  )
})

test('a flow that is too long for the terminal is shown by what matters, and a summary', () => {
  const many = flowOf(
    unordered(
      'all',
      Array.from({ length: 500 }, (_, at) => one.as(`n${at}`)),
    ),
  )
  const progress = new FlowProgress(many)
  progress.take({ kind: 'flow', name: 'flow', state: 'RUNNING', at: 0 })
  for (let at = 0; at < 100; at++) {
    progress.take({ kind: 'task', name: `flow/all/n${at}`, state: 'RUNNING', at: 0 })
    const state = at === 50 ? 'FAILURE' : 'SUCCESS'
    progress.take({
      kind: 'task',
      name: `flow/all/n${at}`,
      state,
      at: 5,
      ...(at === 50 ? { failure: { message: 'bad' } } : {}),
    })
  }
  progress.take({ kind: 'task', name: 'flow/all/n200', state: 'RUNNING', at: 5 })
  const lines = drawLive(progress, { ...screen, rows: 12 })
  assert.ok(lines.length <= 12, `${lines.length} lines`)
  const text = lines.join('\n')
  assert.match(text, /all\/n200/)
  assert.match(text, /all\/n50 .*bad/)
  assert.equal(summary(progress), '399 waiting, 1 running, 99 done, 1 failed')
})

test('no line of the live view is wider than the terminal, for a broken line could not be taken away', () => {
  const progress = new FlowProgress(flowOf(one.as('x'.repeat(150))))
  const failure = { message: '漢字'.repeat(100) }
  progress.take({ kind: 'task', name: `flow/${'x'.repeat(150)}`, state: 'FAILURE', at: 0, failure })
  for (const columns of [21, 40, 80]) {
    for (const line of drawLive(progress, { ...screen, columns, paint: createPaint(true) })) {
      assert.ok(widthOf(line) < columns, `${widthOf(line)} of ${columns}`)
    }
  }
})

test('events are lines with the time since the first, and how long atoms took', () => {
  const lines = new EventLines('flow', noPaint)
  assert.equal(
    lines.line({ kind: 'task', name: 'flow/one', state: 'RUNNING', at: 1_000 }),
    '  0.00s  ● RUNNING         one',
  )
  assert.equal(
    lines.line({
      kind: 'task',
      name: 'flow/one',
      state: 'RETRYING',
      attempt: 2,
      failure: { message: 'no\nway' },
      at: 2_500,
    }),
    '  1.50s  ↻ RETRYING        one  attempt 2  1.50s  no way',
  )
})

test('a flow is drawn as a tree', () => {
  assert.equal(
    drawTree(document, noPaint),
    [
      'flow  linear',
      '├─ one',
      '└─ both  unordered',
      '   ├─ two  3 attempts 1s apart',
      '   └─ again  one',
    ].join('\n'),
  )
  assert.match(drawTree(document, noPaint, undefined, 2), /… 1 more/)
})

test('texts of others cannot move the cursor, ring or change colours', () => {
  assert.equal(plainText('a\u001b[2J\u0007\u202eb\r\nc'), 'a b c')
})

test('texts are cut and padded by the columns that they take', () => {
  assert.equal(cut('漢字漢字', 5), '漢字…')
  assert.equal(pad('漢', 4), '漢  ')
  assert.equal(widthOf(createPaint(true).red('ab')), 2)
  assert.equal(cut(createPaint(true).red('abcdef'), 3), '\u001b[31mab…\u001b[39m')
})

test('times are as exact as they are short', () => {
  const texts = [0, 310, 9_990, 12_430, 125_000, 11_520_000].map((ms) => elapsed(ms))
  assert.deepEqual(texts, ['0.00s', '0.31s', '9.99s', '12.4s', '2m5s', '3h12m'])
  assert.deepEqual(
    [400, 5_000, 200_000, 9e6, 9e8].map((ms) => age(ms)),
    ['now', '5s', '3m', '2h', '10d'],
  )
})

test('a table leaves out empty columns, and cuts the wide one to fit', () => {
  const rows = [
    { a: 'x', b: '', c: 'a long reason to be cut' },
    { a: 'yy', b: '', c: '' },
  ]
  const columns = [
    { title: 'A', cell: (row: (typeof rows)[number]) => row.a },
    { title: 'B', cell: (row: (typeof rows)[number]) => row.b },
    { title: 'C', cell: (row: (typeof rows)[number]) => row.c, isWide: true },
  ]
  assert.equal(table(rows, columns, 16), 'A   C\nx   a long reas…\nyy')
})

test('ids are as short as tells those of a table apart', () => {
  assert.equal(
    shortest(['01a1fc23-8f88-73ca-a093-5bcf1367bd92', '01a1fc23-8f89-73ca-a093-5bcf1367bd92']),
    13,
  )
  assert.equal(
    shortest(['01a1fc23-8f88-73ca-a093-5bcf1367bd92', '01a1fc23-8f88-73cb-a093-5bcf1367bd92']),
    18,
  )
})

test('colours: on a terminal, unless NO_COLOR is set or it is dumb; FORCE_COLOR anyway', () => {
  assert.equal(wantsColour(true, {}), true)
  assert.equal(wantsColour(false, {}), false)
  assert.equal(wantsColour(true, { NO_COLOR: '1' }), false)
  assert.equal(wantsColour(true, { NO_COLOR: '' }), true)
  assert.equal(wantsColour(true, { TERM: 'dumb' }), false)
  assert.equal(wantsColour(false, { FORCE_COLOR: '1' }), true)
})

test('lines of the log and findings are for a person', () => {
  const line = JSON.stringify({
    level: 'warn',
    time: '2026-11-21T12:30:05.1Z',
    message: 'away',
    error: { message: 'no' },
    board: 'main',
  })
  assert.equal(logLine(`${line}\n`, noPaint), '12:30:05 warn  away no board=main')
  assert.equal(logLine('no json\n', noPaint), 'no json')
  assert.equal(
    findingText({ what: 'jobs', is: 'wrong', says: '2 wait', mend: 'start one' }, noPaint),
    '✘ jobs        2 wait\n              → start one',
  )
})
