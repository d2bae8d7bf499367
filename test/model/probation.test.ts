import { describe, test } from 'node:test'
import { probation, type ProbationOptions, type ProbationState } from './probation.ts'
import { explore } from './search.ts'
import { assertBroken, assertHolds } from './verdicts.ts'

const EARLY: ProbationOptions = { poison: 'early', kills: 0, maxDeaths: 2 }
const LATE: ProbationOptions = { poison: 'late', kills: 0, maxDeaths: 2 }

describe('probation', () => {
  test('trashes the poison after N + 1 deaths of conductors, and no innocent flow beside it', () => {
    assertHolds(explore(probation('rule', { ...EARLY, kills: 1 })), [
      /P kills A before it has passed/,
      /claims P on probation/,
      /claims X on probation/,
      /X passes its probation/,
      /is killed from outside/,
      /the reaper releases P X Y/,
    ])
    assertHolds(explore(probation('rule', { ...EARLY, maxDeaths: 3 })), [/claims P on probation/])
  })

  test('convicts nobody else for a poison that kills later', () => {
    const verdict = explore(probation('rule', { ...LATE, kills: 1 }))
    assertHolds(verdict, [/P passes its probation/, /P kills A later/, /claims X on probation/])
  })

  test('counting every death trashes who only stood beside', () => {
    assertBroken(explore(probation('every death counts', EARLY)), {
      problem: /X was trashed/,
      trace: [/claims X/, /P kills/, /releases P X/, /P kills/, /releases P X/],
    })
  })

  test('two on probation at once: the innocent one is convicted with the poison', () => {
    assertBroken(explore(probation('not alone', EARLY)), {
      problem: /X was trashed/,
      trace: [/P on probation/, /X on probation/, /P kills/, /P on probation/, /X on/, /P kills/],
    })
  })

  test('held back only from loading, a poison that runs beside a probation convicts it', () => {
    assertHolds(explore(probation('loaded alone, beside running ones', EARLY)), [/P kills/])
    assertBroken(explore(probation('loaded alone, beside running ones', LATE)), {
      problem: /X was trashed/,
      trace: [/P passes its probation/, /X on probation/, /P kills A later/, /releases P X/],
    })
  })

  test('marked after the load, the poison is never convicted', () => {
    assertBroken(explore(probation('marked after the load', EARLY)), {
      problem: /the poison has killed 4 conductors/,
      trace: [/P kills/, /P kills/, /P kills/, /P kills/],
    })
  })

  test('in groups it is faster, and the poison still convicts itself alone', () => {
    const threeDeaths = { ...EARLY, maxDeaths: 3 }
    const tried = [/releases P X Y/, /X passes its probation/]
    assertHolds(explore(probation('in groups, the last time alone', threeDeaths)), tried)
    assertHolds(explore(probation('in groups, the last time alone', LATE)), [/P kills A later/])
  })
})

describe('what probation does not promise', () => {
  test('a poison that kills only after it has passed goes on killing: its starts must be counted elsewhere', () => {
    const model = probation('rule', LATE)
    assertBroken(explore({ ...model, goal: ({ jobs }) => jobs.P.state === 'TRASHED' }), {
      problem: /stuck/,
      trace: [],
    })
  })

  test('who kills conductors N times while an innocent flow is on probation has it trashed', () => {
    assertBroken(explore(probation('rule', { ...EARLY, kills: 2 })), {
      problem: /X was trashed/,
      trace: [/X on probation/, /killed from outside/, /X on probation/, /killed from outside/],
    })
  })

  test('in groups, fewer kills from outside are enough', () => {
    const options = { ...EARLY, kills: 1, maxDeaths: 3 }
    assertHolds(explore(probation('rule', options)), [/killed from outside/])
    assertBroken(explore(probation('in groups, the last time alone', options)), {
      problem: /X was trashed/,
      trace: [/P kills/, /P kills/, /P kills/, /X on probation/, /killed from outside/],
    })
  })

  test('these N need not come in a row, unless deaths are forgotten when a probation is passed', () => {
    const options = { ...EARLY, kills: 2 }
    const broken = ({ jobs: { X } }: ProbationState): string | null =>
      X.state === 'TRASHED' && X.passed ? 'X had passed a probation between its deaths' : null
    assertBroken(explore({ ...probation('rule', options), broken }), {
      problem: /X had passed a probation between/,
      trace: [/killed from outside/, /X passes its probation/, /killed from outside/],
    })
    const { goal: _, ...model } = probation('forgotten when passed', options)
    assertHolds(explore({ ...model, broken }), [/X passes its probation/, /killed from outside/])
  })
})
