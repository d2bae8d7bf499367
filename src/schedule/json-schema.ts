/** JSON Schema of files of schedules, for editors: generated from the zod schemas, which are the single source. */
import { z } from 'zod'
import { isRecord } from '../base/codec.ts'
import type { Json, JsonObject } from '../base/json.ts'
import { scheduleFileSchema } from './file.ts'

/** The JSON Schema (draft 2020-12). It knows keys, types and choices; zones, expressions and dates are checked when a file is read. */
export function scheduleJsonSchema(): JsonObject {
  const made = z.toJSONSchema(scheduleFileSchema, {
    target: 'draft-2020-12',
    unrepresentable: 'any',
    io: 'input',
  }) as Json // that is what it makes
  if (!isRecord(made)) throw new Error('expected an object as JSON Schema')
  return { ...made, title: 'Zagflow schedules' }
}
