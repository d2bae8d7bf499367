/** Three branches side by side, one for each file; then one load, and one report. The order follows from the symbols. */
import { cel, flow, from, graph, linear, z } from 'zagflow'
import { aggregate, check, load, read, report } from './tasks.ts'

export const pipeline = flow(
  'pipeline',
  {
    version: 1,
    description:
      'Reads, checks and aggregates three data sets, loads them into a database and reports.',
    input: {
      work: z.string(),
      warehouse: z.string(),
      reportFile: z.string(),
      failReport: z.boolean().default(false),
      stepMs: z.int().default(40),
    },
    output: { report: from('report'), rows: from('loaded.rows') },
  },
  [
    graph('branches', [
      linear('weather', [
        read.as('read').with({ file: 'seattle-weather.csv' }).provides({ weatherRaw: 'raw' }),
        check
          .as('check')
          .with({
            raw: from('weatherRaw'),
            numbers: ['temp_max', 'precipitation'],
            texts: ['date', 'weather'],
          })
          .provides({ weatherChecked: 'checked' }),
        aggregate
          .as('aggregate')
          .with({
            checked: from('weatherChecked'),
            title: 'Seattle: warmest hour of the day',
            unit: '°C, mean of the month',
            by: 'date',
            of: 'temp_max',
            prefix: 7,
          })
          .provides({ weather: 'means' }),
      ]),
      linear('movies', [
        read.as('read').with({ file: 'movies.json' }).provides({ moviesRaw: 'raw' }),
        check
          .as('check')
          .with({
            raw: from('moviesRaw'),
            numbers: ['IMDB Rating'],
            texts: ['Title', 'Major Genre'],
          })
          .provides({ moviesChecked: 'checked' }),
        aggregate
          .as('aggregate')
          .with({
            checked: from('moviesChecked'),
            title: 'Movies: rating by genre',
            unit: 'IMDB, 1 to 10',
            by: 'Major Genre',
            of: 'IMDB Rating',
          })
          .provides({ movies: 'means' }),
      ]),
      linear('stocks', [
        read.as('read').with({ file: 'stocks.csv' }).provides({ stocksRaw: 'raw' }),
        check
          .as('check')
          .with({ raw: from('stocksRaw'), numbers: ['price'], texts: ['symbol', 'date'] })
          .provides({ stocksChecked: 'checked' }),
        aggregate
          .as('aggregate')
          .with({
            checked: from('stocksChecked'),
            title: 'Stocks: mean price 2000 to 2010',
            unit: 'US dollars',
            by: 'symbol',
            of: 'price',
          })
          .provides({ stocks: 'means' }),
      ]),
    ]),
    load,
    report.with({ sources: cel('[weatherChecked, moviesChecked, stocksChecked]') }),
  ],
)
