/** The report as one HTML page, charts drawn as SVG. */

export interface Series {
  readonly title: string
  readonly unit: string
  readonly points: readonly { readonly label: string; readonly value: number }[]
}

export interface Source {
  readonly source: string
  readonly rows: number
  readonly rejected: number
}

export function page(content: {
  readonly series: readonly Series[]
  readonly sources: readonly Source[]
}): string {
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>What the data says</title>
<style>
  body { font: 15px/1.5 system-ui, sans-serif; color: #1d2733; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
  h1 { font-weight: 600 } h2 { font-weight: 500; margin: 2rem 0 0.3rem }
  table { border-collapse: collapse } td, th { padding: 0.2rem 1rem 0.2rem 0; text-align: left }
  td:not(:first-child), th:not(:first-child) { text-align: right; font-variant-numeric: tabular-nums }
  th { border-bottom: 1px solid #c8d1dc; font-weight: 500 }
  svg text { font: 11px system-ui, sans-serif; fill: #5b6b7c } svg .bar { fill: #2f6f9f } svg .grid { stroke: #e3e8ee }
</style>
<h1>What the data says</h1>
<table>
  <tr><th>source</th><th>rows</th><th>rejected</th></tr>
${content.sources.map(({ source, rows, rejected }) => `  <tr><td>${escape(source)}</td><td>${rows}</td><td>${rejected}</td></tr>`).join('\n')}
</table>
${content.series.map(chart).join('\n')}
</html>
`
}

const WIDTH = 900
const HEIGHT = 240
const LEFT = 60
const BOTTOM = 34

function chart({ title, unit, points }: Series): string {
  const top = Math.max(...points.map(({ value }) => value), 0)
  const scale = niceCeiling(top)
  const step = (WIDTH - LEFT) / points.length
  const y = (value: number) => HEIGHT - BOTTOM - (value / scale) * (HEIGHT - BOTTOM - 10)
  const every = Math.ceil(points.length / 12)
  // Long names take turns on two lines.
  const isLong = points.some(({ label }) => label.length * 6.5 > step * every)
  const line = (at: number) => HEIGHT - BOTTOM + 15 + (isLong && at % 2 === 1 ? 13 : 0)
  const grid = [0, 0.5, 1].map((share) => {
    const at = y(share * scale).toFixed(1)
    return `  <line class="grid" x1="${LEFT}" x2="${WIDTH}" y1="${at}" y2="${at}"/><text x="${LEFT - 6}" y="${at}" text-anchor="end" dominant-baseline="middle">${share * scale}</text>`
  })
  const bars = points.map(({ label, value }, at) => {
    const x = (LEFT + at * step + step * 0.1).toFixed(1)
    const name =
      at % every === 0
        ? `<text x="${(LEFT + (at + 0.5) * step).toFixed(1)}" y="${line(at)}" text-anchor="middle">${escape(label)}</text>`
        : ''
    return `  <rect class="bar" x="${x}" y="${y(Math.max(value, 0)).toFixed(1)}" width="${(step * 0.8).toFixed(1)}" height="${Math.max(0, HEIGHT - BOTTOM - y(Math.max(value, 0))).toFixed(1)}"><title>${escape(label)}: ${value}</title></rect>${name}`
  })
  return `<h2>${escape(title)}</h2>
<p>${escape(unit)}</p>
<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${escape(title)}">
${[...grid, ...bars].join('\n')}
</svg>`
}

/** The next of 1, 2, 5, 10, 20, 50 … above a value. */
function niceCeiling(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value || 1))
  return ([1, 2, 5, 10].find((factor) => factor * power >= value) ?? 10) * power
}

function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;')
}
