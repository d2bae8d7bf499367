/** Files of schedules: what `zagflow schedule sync` makes true. Pure: the text is given. */
import { z } from 'zod'
import { InvalidInputError, type Issue } from '../base/errors.ts'
import { problem } from '../flow/choice.ts'
import { nameSchema, strict } from '../flow/grammar.ts'
import { nameProblem } from '../flow/names.ts'
import { readPlaced } from '../flow/read-value.ts'
import { schemaIssues } from './issues.ts'
import { checkTogether, SPEC_HINTS, specShape, type ScheduleSpec } from './spec.ts'

const entrySchema = strict(
  {
    flow: z.string().min(1).meta({
      description: 'A registered name or name@version, or the path of a flow file from this file.',
    }),
    ...specShape,
  },
  SPEC_HINTS,
)

/** The schema of a file, without what several keys together have to be: for editors. */
export const scheduleFileSchema = strict({
  group: nameSchema.meta({
    description: 'Names this set: schedules of the group that are not in the file are removed.',
  }),
  schedules: z
    .record(z.string(), entrySchema.superRefine(checkTogether))
    .superRefine((schedules, context) => {
      for (const name of Object.keys(schedules)) {
        const found = nameProblem(name)
        if (found !== undefined) problem(context, [name], { message: found })
      }
    })
    .meta({ description: 'Schedules by name, which is unique on the board.' }),
})

/** One schedule of a file. */
export interface FileSchedule {
  readonly name: string
  readonly flow: string
  readonly spec: ScheduleSpec
  /** Line of its name. */
  readonly line: number | undefined
}

export interface ScheduleFile {
  readonly group: string
  readonly schedules: readonly FileSchedule[]
}

/** Reads the text of a file, YAML or JSON by its name. Throws {@link InvalidInputError} with line and column of every problem. */
export function readScheduleFile(text: string, name: string): ScheduleFile {
  const format = /\.json$/i.test(name) ? 'json' : 'yaml'
  const { value, locate } = readPlaced(text, { format, subject: name })
  const parsed = scheduleFileSchema.safeParse(value)
  if (!parsed.success) {
    const issues: readonly Issue[] = schemaIssues(parsed.error, value, locate)
    throw new InvalidInputError(issues, { subject: name })
  }
  const { group, schedules } = parsed.data
  return {
    group,
    schedules: Object.entries(schedules).map(([own, { flow, ...spec }]) => {
      return { name: own, flow, spec, line: locate(['schedules', own])?.line }
    }),
  }
}
