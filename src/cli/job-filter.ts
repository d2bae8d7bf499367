/** The filters of `jobs list`, `cancel`, `suspend`, `resume` and `retry`. */
import { didYouMean } from '../base/did-you-mean.ts'
import { UsageError } from '../base/errors.ts'
import type { JsonObject } from '../base/json.ts'
import type { JobSearch } from '../client/find-jobs.ts'
import { compileWhere } from '../client/job-condition.ts'
import { FLOW_STATES, type FlowState } from '../machine/states.ts'
import { JOB_STATES, type JobState } from '../../persistence/store.ts'
import { durationOf } from './commands/database.ts'
import type { Context } from './context.ts'
import { readSet } from './input.ts'
import { readLabels } from './labels.ts'

export interface FilterFlags {
  readonly state: readonly string[]
  readonly flow?: string
  readonly label: readonly string[]
  readonly where: readonly string[]
  readonly owner?: string
  readonly key?: string
  readonly newerThan?: string
  readonly olderThan?: string
  readonly scan?: number
}

/** What is looked for, without the ages: these need the database's clock. */
export interface JobQuery {
  readonly search: JobSearch
  readonly newerMs: number | undefined
  readonly olderMs: number | undefined
}

/** Reads the filters; nothing is asked of the database. Throws {@link UsageError}. */
export function readFilter(context: Context, flags: FilterFlags): JobQuery {
  const { settings } = context
  const { states, flowStates } = readStates(flags.state)
  const { input, where } = readWhere(flags.where)
  if (where !== undefined) compileWhere(where)
  const age = (option: string, text: string | undefined): number | undefined =>
    text === undefined ? undefined : durationOf(option, text)
  return {
    search: {
      // Jobs of all boards, unless one is named: also those of `zagflow run`.
      board: settings.board === 'sql:' ? undefined : context.boardName,
      states,
      flowStates,
      flow: flags.flow,
      key: flags.key,
      owner: flags.owner,
      labels: flags.label.length === 0 ? undefined : readLabels(flags.label),
      input,
      where,
      scan: flags.scan,
    },
    newerMs: age('--newer-than', flags.newerThan),
    olderMs: age('--older-than', flags.olderThan),
  }
}

/** Whether any filter was given. The board is none: every command has it. */
export function hasFilter(flags: FilterFlags): boolean {
  const { state, label, where, flow, owner, key, newerThan, olderThan } = flags
  const given = [flow, owner, key, newerThan, olderThan].some((one) => one !== undefined)
  return given || state.length + label.length + where.length > 0
}

/** The search at a time of the database's clock. */
export function searchAt({ search, newerMs, olderMs }: JobQuery, now: number): JobSearch {
  return {
    ...search,
    createdAfter: newerMs === undefined ? undefined : now - newerMs,
    createdBefore: olderMs === undefined ? undefined : now - olderMs,
  }
}

function readStates(given: readonly string[]): {
  readonly states: readonly JobState[] | undefined
  readonly flowStates: readonly FlowState[] | undefined
} {
  const states: JobState[] = []
  const flowStates: FlowState[] = []
  for (const one of given.flatMap((text) => text.split(','))) {
    const name = one.trim().toUpperCase()
    const state = JOB_STATES.find((known) => known === name)
    const flowState = FLOW_STATES.find((known) => known === name)
    if (state !== undefined) states.push(state)
    else if (flowState !== undefined) flowStates.push(flowState)
    else {
      const known = [...JOB_STATES, ...FLOW_STATES]
      throw new UsageError(`--state: there is no state "${one}"`, {
        hint: didYouMean(name, known) ?? `states are ${known.join(', ')}`,
      })
    }
  }
  return {
    states: states.length === 0 ? undefined : states,
    flowStates: flowStates.length === 0 ? undefined : flowStates,
  }
}

/** `symbol=value` as `--set` has it; everything else is an expression. `==` without spaces is one too. */
const EQUALITY = /^[A-Za-z_][A-Za-z0-9_.]*=(?!=)/

function readWhere(given: readonly string[]): {
  readonly input: JsonObject | undefined
  readonly where: string | undefined
} {
  const input: { [symbol: string]: JsonObject[string] } = {}
  const conditions: string[] = []
  for (const one of given) {
    if (!EQUALITY.test(one)) {
      compileWhere(one)
      conditions.push(one)
      continue
    }
    const [path, value] = readSet(one, '--where')
    const [symbol = '', ...rest] = path
    if (rest.length > 0) {
      throw new UsageError(`--where ${one}: only whole values of the input can be searched so`, {
        hint: `write an expression: --where '${path.join('.')} == ${JSON.stringify(value)}'`,
      })
    }
    input[symbol] = value
  }
  const [first, ...others] = conditions
  const all = others.length === 0 ? first : conditions.map((text) => `(${text})`).join(' && ')
  return { input: Object.keys(input).length === 0 ? undefined : input, where: all }
}
