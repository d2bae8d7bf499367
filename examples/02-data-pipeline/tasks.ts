/**
 * The tasks of the pipeline: read, check, aggregate, load, report. Each hands on small values and the names of files that
 * it wrote; what it wrote or loaded, its `revert` takes back.
 */
import { createRequire } from 'node:module'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import knex, { type Knex } from 'knex'
import { task, TaskError, z } from 'zagflow'
import { page } from './page.ts'

const point = z.object({ label: z.string(), value: z.number() })
const series = z.object({ title: z.string(), unit: z.string(), points: z.array(point) })
const summary = z.object({ source: z.string(), rows: z.int(), rejected: z.int(), file: z.string() })

/** Where the package `vega-datasets` keeps its files. */
const folder = createRequire(import.meta.url)
  .resolve('vega-datasets')
  .replace(/(vega-datasets).*$/, '$1/data')
const data = (file: string) => path.join(folder, file)

/** Every step takes about this long, so that there is a middle in which to be killed. */
const pause = (ms: number, signal: AbortSignal) =>
  new Promise<void>((resolve, reject) => {
    const timer = setTimeout(resolve, ms)
    signal.addEventListener('abort', () => {
      clearTimeout(timer)
      reject(signal.reason instanceof Error ? signal.reason : new Error('aborted'))
    })
  })

/** Reads a CSV or JSON file of the package into rows, as JSON in the work folder. */
export const read = task('pipeline.read', {
  requires: { file: z.string(), work: z.string(), stepMs: z.int() },
  provides: { raw: z.string() },
  async execute({ file, work, stepMs }, { signal }) {
    await pause(stepMs, signal)
    const text = await readFile(data(file), 'utf8')
    const rows = file.endsWith('.csv') ? parseCsv(text) : (JSON.parse(text) as unknown[])
    await mkdir(work, { recursive: true })
    const raw = path.join(work, `${path.parse(file).name}.raw.json`)
    await writeFile(raw, JSON.stringify(rows))
    return { raw }
  },
  async revert({ result }) {
    if (result) await rm(result.raw, { force: true })
  },
})

/** Keeps the rows in which every named column is a usable value, and counts the others. */
export const check = task('pipeline.check', {
  requires: {
    raw: z.string(),
    numbers: z.array(z.string()),
    texts: z.array(z.string()),
    stepMs: z.int(),
  },
  provides: { checked: summary },
  retry: { attempts: 3, delay: '50ms', factor: 2 },
  async execute({ raw, numbers, texts, stepMs }, { signal }) {
    await pause(stepMs, signal)
    const rows = JSON.parse(await readFile(raw, 'utf8')) as { readonly [column: string]: unknown }[]
    const good = rows.flatMap((row) => {
      const values = numbers.map((column) => (row[column] === null ? NaN : Number(row[column])))
      const names = texts.map((column) => row[column])
      if (values.some(Number.isNaN) || names.some((name) => typeof name !== 'string')) return []
      const entries = [
        ...numbers.map((column, at) => [column, values[at]] as const),
        ...texts.map((column, at) => [column, names[at]] as const),
      ]
      return [Object.fromEntries(entries)]
    })
    if (good.length === 0) {
      throw new TaskError(`no usable row in ${path.basename(raw)}`, {
        code: 'NoRows',
        retryable: false,
      })
    }
    const file = raw.replace('.raw.', '.checked.')
    await writeFile(file, JSON.stringify(good))
    const source = path.basename(raw).replace('.raw.json', '')
    return { checked: { source, rows: good.length, rejected: rows.length - good.length, file } }
  },
  async revert({ result }) {
    if (result) await rm(result.checked.file, { force: true })
  },
})

/** The mean of one column for each value of another. */
export const aggregate = task('pipeline.aggregate', {
  requires: {
    checked: summary,
    title: z.string(),
    unit: z.string(),
    by: z.string(),
    of: z.string(),
    /** Characters of the group that count: 7 makes months of dates. */
    prefix: z.int().optional(),
    stepMs: z.int(),
  },
  provides: { means: series },
  async execute({ checked, title, unit, by, of, prefix, stepMs }, { signal, progress }) {
    const rows = JSON.parse(await readFile(checked.file, 'utf8')) as {
      readonly [column: string]: unknown
    }[]
    const groups = new Map<string, { sum: number; count: number }>()
    for (const [at, row] of rows.entries()) {
      if (at % 500 === 0) progress(at / rows.length)
      const group = String(row[by]).slice(0, prefix)
      const known = groups.get(group) ?? { sum: 0, count: 0 }
      groups.set(group, { sum: known.sum + Number(row[of]), count: known.count + 1 })
    }
    await pause(stepMs, signal)
    const points = [...groups]
      .map(([label, { sum, count }]) => ({ label, value: Math.round((100 * sum) / count) / 100 }))
      .sort((a, b) => a.label.localeCompare(b.label))
    return { means: { title, unit, points } }
  },
})

const database = (file: string): Knex =>
  knex({ client: 'sqlite3', connection: { filename: file }, useNullAsDefault: true })

/** Loads what the branches found into a SQLite database; its revert takes the whole load back, by its key. */
export const load = task('pipeline.load', {
  requires: {
    warehouse: z.string(),
    weather: series,
    movies: series,
    stocks: series,
    stepMs: z.int(),
  },
  provides: { loaded: z.object({ batch: z.string(), rows: z.int() }) },
  retry: { attempts: 5, delay: '100ms', factor: 2 },
  async execute({ warehouse, weather, movies, stocks, stepMs }, { idempotencyKey, signal }) {
    const db = database(warehouse)
    try {
      await pause(stepMs, signal)
      const rows = [weather, movies, stocks].flatMap(({ title, points }) =>
        points.map(({ label, value }) => ({ batch: idempotencyKey, series: title, label, value })),
      )
      await db.transaction(async (trx) => {
        await trx.raw(
          'create table if not exists means (batch text, series text, label text, value real)',
        )
        // The same call again (after a crash) must not load twice: its key is the same.
        await trx('means').where({ batch: idempotencyKey }).delete()
        await trx.batchInsert('means', rows, 100)
      })
      return { loaded: { batch: idempotencyKey, rows: rows.length } }
    } finally {
      await db.destroy()
    }
  },
  async revert({ args, result }) {
    if (!result) return
    const db = database(args.warehouse)
    try {
      await db('means').where({ batch: result.loaded.batch }).delete()
    } finally {
      await db.destroy()
    }
  },
})

/** Writes the page with a chart for each series. */
export const report = task('pipeline.report', {
  requires: {
    reportFile: z.string(),
    weather: series,
    movies: series,
    stocks: series,
    sources: z.array(summary),
    loaded: z.object({ batch: z.string(), rows: z.int() }),
    failReport: z.boolean(),
    stepMs: z.int(),
  },
  provides: { report: z.object({ file: z.string(), bytes: z.int() }) },
  async execute({ reportFile, weather, movies, stocks, sources, failReport, stepMs }, { signal }) {
    await pause(stepMs, signal)
    if (failReport) throw new TaskError('the printer is out of paper', { code: 'NoPaper' })
    const html = page({ series: [weather, movies, stocks], sources })
    await writeFile(reportFile, html)
    return { report: { file: reportFile, bytes: Buffer.byteLength(html) } }
  },
  async revert({ args }) {
    await rm(args.reportFile, { force: true })
  },
})

/** The few rules of CSV that these files need: commas, and quotes around fields that hold one. */
function parseCsv(text: string): { readonly [column: string]: string }[] {
  const [header = '', ...lines] = text.trim().split(/\r?\n/)
  const split = (line: string) =>
    [...line.matchAll(/("(?:[^"]|"")*"|[^,]*)(?:,|$)/g)].map(([, field = '']) =>
      field.startsWith('"') ? field.slice(1, -1).replaceAll('""', '"') : field,
    )
  const columns = split(header)
  return lines.map((line) => {
    const fields = split(line)
    return Object.fromEntries(columns.map((column, at) => [column, fields[at] ?? '']))
  })
}
