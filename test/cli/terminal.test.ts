import assert from 'node:assert/strict'
import test from 'node:test'
import { Terminal, type Region } from '../../src/cli/terminal.ts'

/** A terminal whose writes to stderr are kept. */
function kept(t: { after(done: () => void): void }): { terminal: Terminal; text(): string } {
  const { write } = process.stderr
  let text = ''
  process.stderr.write = (chunk: string | Uint8Array) => {
    text += String(chunk)
    return true
  }
  t.after(() => void (process.stderr.write = write))
  return { terminal: new Terminal(), text: () => text }
}

/** Draws as many lines as it is told, and takes away as many as it drew. */
function region(): Region & { lines: number } {
  let drawn = 0
  const self = {
    lines: 2,
    erase: () => `<-${drawn}>`,
    draw: () => {
      drawn = self.lines
      return `<+${drawn}>`
    },
  }
  return self
}

test('what is printed comes above the live view, which is taken away first and drawn again below', (t) => {
  const { terminal, text } = kept(t)
  const view = region()
  const { redraw, detach } = terminal.attach(view)
  redraw()
  terminal.say('news')
  view.lines = 1
  detach(() => view.draw())
  terminal.say('end')
  const shown = text().replaceAll(/\u001b\[\?25[lh]/g, '')
  assert.equal(shown, '<-0><+2><-2>news\n<+2><-2><+1>end\n')
})

test('what anybody prints while a flow runs goes to stderr, whole lines at a time', (t) => {
  const { terminal, text } = kept(t)
  const undo = terminal.redirect()
  process.stdout.write('a')
  process.stdout.write(Buffer.from('b\nc'))
  assert.equal(text(), 'ab\n')
  undo()
  assert.equal(text(), 'ab\nc\n', 'what has no end of line is not lost')
})
