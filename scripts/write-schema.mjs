/** Writes the JSON Schemas of documents to `schema/`, for editors, from what was built: `node scripts/write-schema.mjs`. */
import fs from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { flowJsonSchema } from '../dist/src/flow/json-schema.js'
import { scheduleJsonSchema } from '../dist/src/schedule/json-schema.js'

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)))

write('flow.schema.json', flowJsonSchema())
write('schedules.schema.json', scheduleJsonSchema())

function write(name, schema) {
  const file = path.join(root, 'schema', name)
  const text = `${JSON.stringify(schema, null, 2)}\n`
  fs.mkdirSync(path.dirname(file), { recursive: true })
  // A file that is not changed keeps its date: nothing that watches it wakes up.
  if (!fs.existsSync(file) || fs.readFileSync(file, 'utf8') !== text) fs.writeFileSync(file, text)
}
