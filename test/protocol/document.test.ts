/** docs/protocol.md says what the code does: its examples are messages, its names are the names. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { namesOf } from '../../src/amqp/names.ts'
import {
  baseTopology,
  controlQueue,
  markerQueue,
  replyQueue,
  topicQueue,
} from '../../src/amqp/zagflow-topology.ts'
import { readAnnounce, readControl, readReply, readRequest } from '../../src/protocol/wire.ts'
import { blocksOf } from '../docs/documents.ts'
import { readFile } from '../support/repository.ts'
import { delivered, messages } from './messages.ts'

const DOCUMENT = 'docs/protocol.md'
const examples = blocksOf(DOCUMENT).filter(({ language }) => language === 'json')

describe('docs/protocol.md', () => {
  for (const { place, text } of examples) {
    it(`${place}: the example is a message as it stands there`, () => {
      const body: unknown = JSON.parse(text)
      const { type } = body as { readonly type: string }
      const reads = [readRequest, readReply, readControl, readAnnounce].map((read) =>
        read(delivered(text, { type })),
      )
      const taken = reads.find(({ ok }) => ok)
      assert.ok(taken?.ok === true, JSON.stringify(reads))
      assert.deepEqual(taken.message, body, 'every member of it is known')
    })
  }

  it('has an example of every message that a worker sends or gets', () => {
    const shown = examples.map(({ text }) => (JSON.parse(text) as { type: string }).type)
    const between = new Set(['barrier', 'wake'])
    assert.deepEqual(
      shown.toSorted(),
      Object.keys(messages)
        .filter((type) => !between.has(type))
        .toSorted(),
    )
  })

  it('names every queue with its arguments as they are declared', () => {
    const names = namesOf('zagflow')
    const rows = readFile(DOCUMENT).split('\n')
    const queues = [
      ...baseTopology(names).queues,
      topicQueue(names, '<topic>'),
      replyQueue(names, '<conductor>'),
      controlQueue(names, '<worker>'),
      markerQueue(names, '<uuid>'),
    ]
    for (const { name, kind, arguments: given = {} } of queues) {
      const row = rows.find((line) => line.startsWith(`| \`${name}\` |`))
      assert.ok(row !== undefined, `${name} is not in the table`)
      const told = (row.split('|')[3] ?? '').match(/`[^`]+`/g) ?? []
      const declared = Object.entries({ 'x-queue-type': kind, ...given })
      assert.deepEqual(
        told.toSorted(),
        declared.map(([key, value]) => `\`${key}: ${value}\``).toSorted(),
      )
    }
    for (const { name } of baseTopology(names).exchanges) {
      assert.ok(
        rows.some((line) => line.startsWith(`| \`${name}\` |`)),
        name,
      )
    }
  })
})
