import assert from 'node:assert/strict'
import test from 'node:test'
import type { RequestMessage } from '../../src/protocol/messages.ts'
import type { Call, Copy, Effect } from '../../src/worker/book-call.ts'
import { CallBook } from '../../src/worker/call-book.ts'

/** A delivery that remembers what was done to it. */
class Paper implements Copy {
  readonly redelivered: boolean
  isOpen = true
  settled = ''

  constructor(redelivered = false) {
    this.redelivered = redelivered
  }

  ack(): void {
    this.settled += 'ack'
  }

  requeue(): void {
    this.settled += 'requeue'
  }
}

const NOW = 1_000_000

function request(key: string, over: Partial<RequestMessage> = {}): RequestMessage {
  return {
    v: 1,
    type: 'request',
    jobId: 'job',
    flowId: 'flow',
    atom: key,
    direction: 'execute',
    call: 1,
    token: `token of ${key}`,
    task: 'act',
    topic: 'default',
    flow: 'order',
    attempt: 1,
    args: {},
    priority: 0,
    again: false,
    publishedAt: NOW,
    reportEveryMs: 10_000,
    askAfterMs: 60_000,
    ...over,
  }
}

/** A worker whose bodies end when the test says so. */
class Desk {
  readonly book: CallBook<Paper>
  readonly done: string[] = []
  readonly started = new Map<string, Call<Paper>>()
  now = NOW

  constructor(options: { concurrency?: number; maxAlone?: number; keepCharacters?: number } = {}) {
    this.book = new CallBook({
      concurrency: options.concurrency ?? 2,
      maxAlone: options.maxAlone ?? 1,
      keepMs: 600_000,
      keepCalls: 3,
      keepCharacters: options.keepCharacters ?? 1_000,
      askEveryMs: 5_000,
      firstReportMs: 200,
      canRunAlone: () => true,
    })
  }

  arrive(key: string, copy = new Paper(), over: Partial<RequestMessage> = {}): Paper {
    const arrival = { key, request: request(key, over), replyTo: 'replies', copy }
    this.perform(this.book.arrive(arrival, this.now))
    return copy
  }

  end(key: string): void {
    const call = this.started.get(key)
    assert.ok(call, `${key} was started`)
    this.perform(this.book.answered(call, { kind: 'succeeded', result: key, startedAt: this.now }))
  }

  confirm(key: string): void {
    const call = this.started.get(key)
    assert.ok(call, `${key} was started`)
    const reply = { replyTo: 'replies', type: 'result', body: `result of ${key}` }
    this.perform(this.book.confirmed(call, reply, this.now))
  }

  perform(effects: readonly Effect<Paper>[]): void {
    for (const effect of effects) {
      switch (effect.do) {
        case 'start':
          this.started.set(effect.call.key, effect.call)
          this.done.push(`start ${effect.call.key}${effect.call.isAlone ? ' alone' : ''}`)
          break
        case 'ask':
          this.done.push('ask')
          break
        case 'abort':
          this.done.push(`abort ${effect.call.key}: ${effect.reason}`)
          break
        case 'reply':
          this.started.set(effect.call.key, effect.call)
          this.done.push(`reply ${effect.call.key} ${shown(effect.answer)}`)
          break
        case 'repeat':
          this.done.push(`repeat ${effect.reply.body}`)
          effect.copy.ack()
          break
        case 'ack':
          for (const copy of effect.copies) copy.ack()
          break
        case 'requeue':
          for (const copy of effect.copies) copy.requeue()
          break
        case 'release':
          this.done.push(`release ${effect.call.key}${effect.call.held ? ' unstarted' : ''}`)
          for (const copy of effect.copies) copy.requeue()
          break
      }
    }
  }

  /** What was done since the last look. */
  news(): readonly string[] {
    return this.done.splice(0)
  }
}

function shown(answer: { readonly kind: string; readonly outcome?: string }): string {
  return answer.outcome ?? answer.kind
}

test('a fresh copy starts at once, and is acknowledged when its answer is confirmed', () => {
  const desk = new Desk()
  const copy = desk.arrive('a')
  assert.deepEqual(desk.news(), ['start a'])
  desk.end('a')
  assert.deepEqual(desk.news(), ['reply a succeeded'])
  assert.equal(copy.settled, '', 'the answer is not safe yet')
  assert.equal(desk.book.running, 1, 'it takes its place until then')
  desk.confirm('a')
  assert.equal(copy.settled, 'ack')
  assert.equal(desk.book.running, 0)
})

for (const [why, copy, over] of [
  ['was redelivered', new Paper(true), {}],
  ['was published again', new Paper(), { again: true }],
  ['is old', new Paper(), { publishedAt: NOW - 60_001 }],
] as const) {
  test(`a copy that ${why} is held until its owner says go`, () => {
    const desk = new Desk()
    desk.arrive('a', copy, over)
    assert.deepEqual(desk.news(), ['ask'])
    assert.equal(desk.book.held, 1)
    assert.deepEqual(
      desk.book
        .toAsk(NOW)
        .map(({ key, isRedelivered, isAgain, hold }) => [key, isRedelivered, isAgain, hold]),
      [['a', copy.redelivered, 'again' in over, 1]],
    )
    assert.deepEqual(desk.book.toAsk(NOW + 4_999), [], 'not again at once')
    assert.equal(desk.book.toAsk(NOW + 5_000).length, 1, 'until there is a word')
    desk.perform(desk.book.go('a', NOW))
    assert.deepEqual(desk.news(), [copy.redelivered ? 'start a alone' : 'start a'])
    assert.deepEqual(desk.book.toAsk(NOW + 60_000), [])
  })
}

test('a second go changes nothing, and neither does one for what is not here', () => {
  const desk = new Desk()
  desk.arrive('a', new Paper(true))
  desk.perform(desk.book.go('a', NOW))
  desk.news()
  desk.perform(desk.book.go('a', NOW))
  desk.perform(desk.book.go('b', NOW))
  desk.end('a')
  desk.perform(desk.book.go('a', NOW))
  desk.confirm('a')
  desk.perform(desk.book.go('a', NOW))
  assert.deepEqual(desk.news(), ['reply a succeeded'])
})

test('a dropped copy is acknowledged, unanswered, and a go after that starts nothing', () => {
  const desk = new Desk()
  const copy = desk.arrive('a', new Paper(true))
  desk.perform(desk.book.drop('a'))
  assert.equal(copy.settled, 'ack')
  assert.equal(desk.book.held, 0)
  desk.perform(desk.book.go('a', NOW))
  assert.deepEqual(desk.news(), ['ask'])
})

test('a drop does not touch what runs: its answer still comes', () => {
  const desk = new Desk()
  const copy = desk.arrive('a')
  desk.perform(desk.book.drop('a'))
  assert.equal(copy.settled, '')
  desk.end('a')
  desk.confirm('a')
  assert.deepEqual(desk.news(), ['start a', 'reply a succeeded'])
})

test('another copy of what runs here is adopted: one body, both acknowledged after its answer', () => {
  const desk = new Desk()
  const first = desk.arrive('a')
  first.isOpen = false
  assert.equal(desk.book.uncounted, 1)
  const second = desk.arrive('a', new Paper(true))
  assert.equal(desk.book.uncounted, 0)
  desk.end('a')
  const third = desk.arrive('a', new Paper(true))
  assert.deepEqual([second.settled, third.settled], ['', ''])
  desk.confirm('a')
  assert.deepEqual([second.settled, third.settled], ['ack', 'ack'])
  assert.deepEqual(desk.news(), ['start a', 'reply a succeeded'])
})

test('a copy of what ended here lately is answered with the same answer, for a while', () => {
  const desk = new Desk()
  desk.arrive('a')
  desk.end('a')
  desk.confirm('a')
  desk.news()
  const copy = desk.arrive('a', new Paper(true))
  assert.deepEqual(desk.news(), ['repeat result of a'])
  assert.equal(copy.settled, 'ack')
  desk.now += 600_001
  desk.arrive('a', new Paper(true))
  assert.deepEqual(desk.news(), ['ask'], 'nothing is kept for ever')
})

test('kept answers are bounded in number and in size', () => {
  const desk = new Desk({ keepCharacters: 25 })
  for (const key of ['a', 'b', 'c']) {
    desk.arrive(key)
    desk.end(key)
    desk.confirm(key)
  }
  desk.news()
  for (const key of ['a', 'b', 'c']) desk.arrive(key, new Paper(true))
  assert.deepEqual(desk.news(), ['ask', 'repeat result of b', 'repeat result of c'])
})

test('no more run than there are places; the others start in order', () => {
  const desk = new Desk()
  for (const key of ['a', 'b', 'c', 'd']) desk.arrive(key)
  assert.deepEqual(desk.news(), ['start a', 'start b'])
  desk.end('a')
  assert.deepEqual(desk.news(), ['reply a succeeded'], 'a place is free when the answer is safe')
  desk.confirm('a')
  assert.deepEqual(desk.news(), ['start c'])
})

test('few run in processes of their own, and nobody waits behind them', () => {
  const desk = new Desk({ concurrency: 3, maxAlone: 1 })
  for (const key of ['a', 'b']) {
    desk.arrive(key, new Paper(true))
    desk.perform(desk.book.go(key, NOW))
  }
  desk.arrive('c')
  assert.deepEqual(desk.news(), ['ask', 'start a alone', 'ask', 'start c'])
  assert.deepEqual(
    desk.book.toReport(NOW + 200).map(({ key }) => key),
    ['a', 'b', 'c'],
    'its owner said go: it is told that it is here, although it waits',
  )
  desk.end('a')
  desk.confirm('a')
  assert.deepEqual(desk.news(), ['reply a succeeded', 'start b alone'])
})

test('what never began is forgotten when its copies are gone: who gets them asks', () => {
  const desk = new Desk({ concurrency: 1 })
  desk.arrive('a')
  const held = desk.arrive('b', new Paper(true))
  const waiting = desk.arrive('c')
  held.isOpen = false
  waiting.isOpen = false
  assert.equal(desk.book.toAsk(NOW).length, 0)
  assert.equal(desk.book.held, 0)
  desk.perform(desk.book.go('b', NOW))
  desk.end('a')
  desk.confirm('a')
  assert.deepEqual(desk.news(), ['start a', 'ask', 'reply a succeeded'])
  desk.arrive('b', new Paper(true))
  assert.deepEqual(
    desk.book.toAsk(NOW).map(({ hold }) => hold),
    [2],
    'it came back: another holding',
  )
})

test('what was told go is started even if its copy is gone by then, for its owner believes it here', () => {
  const desk = new Desk({ concurrency: 1 })
  desk.arrive('a')
  const copy = desk.arrive('b', new Paper(true))
  desk.perform(desk.book.go('b', NOW))
  copy.isOpen = false
  desk.book.forgetLost()
  desk.end('a')
  desk.confirm('a')
  assert.deepEqual(desk.news(), ['start a', 'ask', 'reply a succeeded', 'start b alone'])
})

test('a copy that waits for a place is asked about when a doubtful one of it comes', () => {
  const desk = new Desk({ concurrency: 1 })
  desk.arrive('a')
  desk.arrive('b')
  desk.arrive('b', new Paper(), { again: true })
  assert.deepEqual(desk.news(), ['start a', 'ask'])
  assert.deepEqual(
    desk.book.toAsk(NOW).map(({ key, isAgain }) => [key, isAgain]),
    [['b', true]],
  )
})

test('a cancel aborts what runs, once or often; the answer is its own', () => {
  const desk = new Desk()
  desk.arrive('a')
  desk.perform(desk.book.cancel('a', 'not wanted', NOW))
  assert.deepEqual(desk.news(), ['start a', 'abort a: not wanted'])
  assert.equal(desk.started.get('a')?.isCancelled, true)
  desk.end('a')
  desk.perform(desk.book.cancel('a', 'not wanted', NOW))
  desk.perform(desk.book.cancel('elsewhere', 'not wanted', NOW))
  assert.deepEqual(desk.news(), ['reply a succeeded'])
})

test('a cancel of what did not begin is answered for it, and says what is known', () => {
  const desk = new Desk({ concurrency: 1 })
  desk.arrive('a')
  const waiting = desk.arrive('fresh')
  const held = desk.arrive('doubtful', new Paper(true))
  desk.news()
  desk.perform(desk.book.cancel('fresh', 'not wanted', NOW))
  desk.perform(desk.book.cancel('doubtful', 'not wanted', NOW))
  assert.deepEqual(desk.news(), ['reply fresh failure', 'reply doubtful unknown'])
  desk.confirm('fresh')
  desk.confirm('doubtful')
  assert.deepEqual([waiting.settled, held.settled], ['ack', 'ack'])
})

test('a cancel of a call that waits to run alone frees no place that others have', () => {
  const desk = new Desk({ concurrency: 4, maxAlone: 1 })
  for (const key of ['a', 'b', 'c']) {
    desk.arrive(key, new Paper(true))
    desk.perform(desk.book.go(key, NOW))
  }
  desk.perform(desk.book.cancel('b', 'not wanted', NOW))
  desk.confirm('b')
  assert.deepEqual(desk.news(), ['ask', 'start a alone', 'ask', 'ask', 'reply b unknown'])
  desk.end('a')
  desk.confirm('a')
  assert.deepEqual(desk.news(), ['reply a succeeded', 'start c alone'])
})

test('what ends without an answer goes back, and its place is free', () => {
  const desk = new Desk({ concurrency: 1 })
  const copy = desk.arrive('a', new Paper(true))
  desk.perform(desk.book.go('a', NOW))
  desk.arrive('b')
  const call = desk.started.get('a')
  assert.ok(call)
  desk.perform(desk.book.abandoned(call, NOW))
  assert.equal(copy.settled, 'requeue')
  assert.deepEqual(desk.news(), ['ask', 'start a alone', 'start b'])
  desk.perform(desk.book.answered(call, { kind: 'succeeded', result: 1, startedAt: NOW }))
  assert.deepEqual(desk.news(), [], 'nobody hears of it any more')
})

test('a drain releases what did not begin and whatever comes, and lets the rest end', () => {
  const desk = new Desk({ concurrency: 1 })
  const running = desk.arrive('a')
  const held = desk.arrive('b', new Paper(true))
  const waiting = desk.arrive('c')
  const told = desk.arrive('d', new Paper(true))
  desk.perform(desk.book.go('d', NOW))
  desk.news()
  desk.perform(desk.book.drain())
  const late = desk.arrive('e')
  const lateAndDoubtful = desk.arrive('f', new Paper(true))
  assert.deepEqual(
    [running, held, waiting, told, late, lateAndDoubtful].map(({ settled }) => settled),
    ['', 'requeue', 'requeue', 'requeue', 'requeue', 'requeue'],
  )
  assert.deepEqual(desk.news(), ['release b unstarted', 'release c', 'release d', 'release e'])
  desk.end('a')
  desk.confirm('a')
  assert.equal(running.settled, 'ack')
})

test('a body that the end of its worker ended is released, once', () => {
  const desk = new Desk()
  const copy = desk.arrive('a')
  const call = desk.started.get('a')
  assert.ok(call)
  desk.perform(desk.book.drain())
  desk.perform(desk.book.released(call))
  desk.perform(desk.book.released(call))
  assert.deepEqual(desk.news(), ['start a', 'release a'])
  assert.equal(copy.settled, 'requeue')
})

test('what runs is reported soon after its start, then as often as its request says, and all at once when asked', () => {
  const desk = new Desk()
  desk.arrive('a', new Paper(), { reportEveryMs: 1_000 })
  assert.deepEqual(desk.book.toReport(NOW + 199), [])
  assert.equal(desk.book.toReport(NOW + 200).length, 1)
  assert.deepEqual(desk.book.toReport(NOW + 1_199), [])
  desk.now += 50
  desk.arrive('b', new Paper(), { reportEveryMs: 1_000 })
  assert.deepEqual(
    desk.book.toReport(NOW + 1_200).map(({ key }) => key),
    ['a', 'b'],
  )
  assert.deepEqual(desk.book.toReport(NOW + 2_199), [], 'from now on they share a message')
  assert.equal(desk.book.toReport(NOW + 2_200).length, 2)
  assert.equal(desk.book.toReport(NOW + 2_201, { all: true }).length, 2)
})

test('who asks what runs is told of what runs or will, and only with the right token', () => {
  const desk = new Desk({ concurrency: 1 })
  desk.arrive('running')
  desk.arrive('held', new Paper(true))
  desk.arrive('waiting')
  const refs = ['running', 'held', 'waiting', 'elsewhere'].map((key) => ({ ...request(key), key }))
  assert.deepEqual(
    desk.book.reported(refs).map(({ key }) => key),
    ['running', 'waiting'],
  )
  const forged = refs.map((ref) => ({ ...ref, token: 'forged' }))
  assert.deepEqual(desk.book.reported(forged), [])
})
