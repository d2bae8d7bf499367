import assert from 'node:assert/strict'
import { test } from 'node:test'
import { drawDot, drawMermaid } from '../../src/flow/draw.ts'
import { loadFlow } from '../../src/flow/load.ts'
import { parseDocument } from '../../src/flow/parse.ts'
import { resolve } from '../../src/flow/resolve.ts'

const { document } = loadFlow(`flow: checkout
linear:
  - { task: reserve, provides: [reservation], retry: { attempts: 5, delay: 1s, factor: 2 }, timeout: 30s }
  - id: settle
    retry: { attempts: 3, delay: 5s }
    unordered:
      - { task: charge, provides: [] }
      - { task: notify, provides: [], when: "quantity > 10" }
  - id: analyse
    graph:
      - { task: load, provides: [rows] }
      - { task: clean, with: { r: "\${{ rows }}" }, provides: [cleaned] }
      - { task: alarm, label: 'Ring "all" <bells> | #1', provides: [] }
    links: [{ from: clean, to: alarm, when: "input.loud" }]
  - { task: ship, when: "total > 10", provides: [], onFailure: continue }
`)
const flow = resolve(document, { signatures: [] })
const states = new Map([
  ['checkout/reserve', 'SUCCESS'],
  ['checkout/settle/charge', 'FAILURE'],
  ['checkout/settle:retry', 'RETRYING'],
])

test('a Mermaid drawing has nested flows, retries, conditions on edges, and symbols', () => {
  assert.equal(
    drawMermaid(flow),
    `flowchart TD
  subgraph n1["checkout (linear)"]
    n2["reserve<br/>5 attempts after 1s ×2, at most 30s"]
    subgraph n3["settle (unordered)<br/>retry: 3 attempts after 5s"]
      n4["charge"]
      n5["notify<br/>if quantity #62; 10"]
    end
    subgraph n6["analyse (graph)"]
      n7["load"]
      n8["clean"]
      n9["Ring #34;all#34; #60;bells#62; #124; #35;1<br/>alarm"]
      n8 -.->|"if input.loud"| n9
      n7 -->|"rows"| n8
    end
    n10["ship<br/>may fail"]
    n2 --> n3
    n3 --> n6
    n6 -.->|"if total #62; 10"| n10
  end
`,
  )
})

test('states are text and colour', () => {
  const mermaid = drawMermaid(flow, { states })
  assert.match(mermaid, /n2\["reserve<br\/>.*<br\/>SUCCESS"\]/)
  assert.match(mermaid, /retry: 3 attempts after 5s – RETRYING/)
  assert.match(mermaid, /classDef FAILURE fill:#f8d7da/)
  assert.match(mermaid, /class n4 FAILURE/)
  assert.match(drawDot(flow, { states }), /n4 \[label="charge\\nFAILURE", fillcolor="#f8d7da"/)
})

test('a DOT drawing has clusters, and its edges begin and end at them', () => {
  const dot = drawDot(flow)
  assert.match(dot, /^digraph "checkout" \{/)
  assert.match(dot, /subgraph cluster_n3 \{/)
  assert.match(dot, /n2 -> n4 \[lhead=cluster_n3\]/)
  assert.match(dot, /-> n10 \[ltail=cluster_n6, label="if total > 10", style=dashed\]/)
  assert.match(dot, /label="Ring \\"all\\" <bells> \| #1\\nalarm"/)
  assert.equal(dot.split('{').length, dot.split('}').length)
})

test('labels cannot break out of the drawing', () => {
  const label = 'x"]; evil["\\" -> } \n%% </script> `${1}` \u202E'
  const nasty = resolve(
    parseDocument({ flow: 'f', linear: [{ task: 'a', label, provides: [] }] }),
    { signatures: [] },
  )
  const line = drawMermaid(nasty)
    .split('\n')
    .find((text) => text.includes('evil'))
  assert.match(line ?? '', /^ {4}n2\["[^"[\]{}<>`\\]*<br\/>a"\]$/)
  const dot = drawDot(nasty)
    .split('\n')
    .find((text) => text.includes('evil'))
  assert.match(dot ?? '', /^ {4}n2 \[label="(\\.|[^"\\])*"\]$/)
})

test('a wide flow is drawn in part and says how much is missing', () => {
  const nodes = Array.from({ length: 5_000 }, (_, index) => ({
    id: `t${index}`,
    task: 'a',
    provides: [],
  }))
  const wide = resolve(parseDocument({ flow: 'f', linear: nodes }), { signatures: [] })
  const lines = drawMermaid(wide, { maxChildren: 10 }).split('\n')
  assert.ok(lines.length < 30)
  assert.ok(lines.some((line) => line.includes('… 4990 more')))
  assert.match(drawDot(wide), /… 4800 more/)
})

test('an empty flow is drawn', () => {
  const empty = resolve(parseDocument({ flow: 'f', unordered: [{ graph: [] }, { linear: [] }] }), {
    signatures: [],
  })
  assert.match(drawMermaid(empty), /\(empty\)/)
  assert.match(drawDot(empty), /\(empty\)/)
})
