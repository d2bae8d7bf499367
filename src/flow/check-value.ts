/** Whether a value fits a schema: the subset of JSON Schema that documents use. Unknown keywords are not looked at. */
import { canonicalJson, isList, isRecord } from '../base/codec.ts'
import { didYouMean } from '../base/did-you-mean.ts'
import type { Json } from '../base/json.ts'
import type { Problem } from './choice.ts'
import { describe } from './document.ts'

/** Told for each place that does not fit. */
export type Report = (path: readonly PropertyKey[], problem: Problem) => void

/**
 * Checks a value, and gives it with the defaults of absent members filled in. Linear in the value times the schema:
 * there are no references and no regular expressions.
 */
export function checkValue(
  schema: Json | undefined,
  value: Json,
  path: readonly PropertyKey[],
  report: Report,
): Json {
  if (schema === false) {
    report(path, { message: 'not allowed', got: describe(value) })
    return value
  }
  if (!isRecord(schema)) return value
  if (!checkType(schema['type'], value, path, report)) return value
  checkChoice(schema, value, path, report)
  let complete = value
  if (typeof value === 'string') checkText(schema, value, path, report)
  else if (typeof value === 'number') checkNumber(schema, value, path, report)
  else if (isList(value)) complete = checkList(schema, value, path, report)
  else if (isRecord(value)) complete = checkObject(schema, value, path, report)
  return checkCombined(schema, complete, path, report)
}

function checkType(
  type: Json | undefined,
  value: Json,
  path: readonly PropertyKey[],
  report: Report,
): boolean {
  const types = typeof type === 'string' ? [type] : isList(type) ? type : undefined
  if (types === undefined || types.some((wanted) => isOfType(wanted, value))) return true
  const names = types.map(typeWords)
  const hint =
    typeof value === 'string' && (names.includes('a number') || names.includes('a whole number'))
      ? 'a text is not converted to a number'
      : undefined
  report(path, { message: 'wrong type', expected: names.join(' or '), got: describe(value), hint })
  return false
}

function typeWords(type: Json): string {
  return typeof type === 'string' ? (TYPE_NAMES.get(type) ?? type) : 'anything'
}

const TYPE_NAMES = new Map([
  ['string', 'a text'],
  ['integer', 'a whole number'],
  ['number', 'a number'],
  ['boolean', 'true or false'],
  ['null', 'null'],
  ['array', 'a list'],
  ['object', 'an object'],
])

function isOfType(type: Json, value: Json): boolean {
  switch (type) {
    case 'null':
      return value === null
    case 'array':
      return isList(value)
    case 'object':
      return isRecord(value)
    case 'integer':
      return Number.isSafeInteger(value)
    default:
      return typeof value === type
  }
}

function checkChoice(
  schema: { readonly [keyword: string]: Json },
  value: Json,
  path: readonly PropertyKey[],
  report: Report,
): void {
  const allowed = schema['const'] === undefined ? schema['enum'] : [schema['const']]
  if (!isList(allowed) || allowed.some((other) => isSame(other, value))) return
  const texts = allowed.filter((other) => typeof other === 'string')
  report(path, {
    message: 'not one of the allowed values',
    expected: `one of ${allowed
      .slice(0, 20)
      .map((other) => canonicalJson(other))
      .join(', ')}`,
    got: describe(value),
    hint: typeof value === 'string' ? didYouMean(value, texts) : undefined,
  })
}

function isSame(a: Json, b: Json): boolean {
  if (a === b) return true
  return typeof a === 'object' && typeof b === 'object' && canonicalJson(a) === canonicalJson(b)
}

function checkText(
  schema: { readonly [keyword: string]: Json },
  value: string,
  path: readonly PropertyKey[],
  report: Report,
): void {
  const { minLength, maxLength, format } = schema
  if (typeof minLength === 'number' || typeof maxLength === 'number') {
    let length = 0
    for (const _ of value) length += 1
    checkBounds(length, minLength, maxLength, 'characters', path, report)
  }
  const check = typeof format === 'string' ? FORMAT_CHECKS.get(format) : undefined
  if (check !== undefined && !check.fits(value)) {
    report(path, {
      message: 'not of this format',
      expected: `such as ${check.example}`,
      got: describe(value),
    })
  }
}

const DATE = /^\d{4}-\d{2}-\d{2}$/
const TIME = /^\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?$/
const DATE_TIME = /^\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?([Zz]|[+-]\d{2}:\d{2})$/

const FORMAT_CHECKS: ReadonlyMap<
  string,
  { readonly example: string; fits(text: string): boolean }
> = new Map([
  [
    'date-time',
    {
      example: '2026-01-31T12:00:00Z',
      fits: (text) =>
        DATE_TIME.test(text) && isDay(text.slice(0, 10)) && isTime(text.slice(11, 16)),
    },
  ],
  ['date', { example: '2026-01-31', fits: (text) => DATE.test(text) && isDay(text) }],
  ['time', { example: '12:00:00', fits: (text) => TIME.test(text) && isTime(text.slice(0, 5)) }],
  [
    'uuid',
    {
      example: '2ed6657d-e927-568b-95e1-2665a8aea6a2',
      fits: (text) => /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text),
    },
  ],
  ['email', { example: 'name@example.com', fits: isEmail }],
  [
    'uri',
    {
      example: 'https://example.com',
      fits: (text) => /^[a-z][a-z0-9+.-]*:/i.test(text) && URL.canParse(text),
    },
  ],
])

function isDay(text: string): boolean {
  const day = new Date(`${text}T00:00:00Z`)
  return !Number.isNaN(day.getTime()) && day.toISOString().startsWith(text)
}

function isTime(text: string): boolean {
  return Number(text.slice(0, 2)) < 24 && Number(text.slice(3, 5)) < 60
}

function isEmail(text: string): boolean {
  const at = text.lastIndexOf('@')
  return (
    at > 0 &&
    text.length <= 320 &&
    /^[^\s@]+$/.test(text.slice(0, at)) &&
    /^[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+$/.test(text.slice(at + 1))
  )
}

function checkNumber(
  schema: { readonly [keyword: string]: Json },
  value: number,
  path: readonly PropertyKey[],
  report: Report,
): void {
  const { minimum, maximum, exclusiveMinimum, exclusiveMaximum, multipleOf } = schema
  const got = describe(value)
  if (typeof minimum === 'number' && value < minimum)
    report(path, { message: 'too small', expected: `at least ${minimum}`, got })
  if (typeof maximum === 'number' && value > maximum)
    report(path, { message: 'too big', expected: `at most ${maximum}`, got })
  if (typeof exclusiveMinimum === 'number' && value <= exclusiveMinimum) {
    report(path, { message: 'too small', expected: `more than ${exclusiveMinimum}`, got })
  }
  if (typeof exclusiveMaximum === 'number' && value >= exclusiveMaximum) {
    report(path, { message: 'too big', expected: `less than ${exclusiveMaximum}`, got })
  }
  if (typeof multipleOf === 'number' && multipleOf > 0) {
    const times = value / multipleOf
    if (Math.abs(times - Math.round(times)) > 1e-9 * Math.max(1, Math.abs(times))) {
      report(path, { message: 'no multiple', expected: `a multiple of ${multipleOf}`, got })
    }
  }
}

function checkList(
  schema: { readonly [keyword: string]: Json },
  value: readonly Json[],
  path: readonly PropertyKey[],
  report: Report,
): Json {
  checkBounds(value.length, schema['minItems'], schema['maxItems'], 'items', path, report)
  const first = isList(schema['prefixItems']) ? schema['prefixItems'] : []
  const rest = schema['items']
  if (first.length === 0 && rest === undefined) return value
  return value.map((item, index) =>
    checkValue(first[index] ?? rest, item, [...path, index], report),
  )
}

function checkObject(
  schema: { readonly [keyword: string]: Json },
  value: { readonly [key: string]: Json },
  path: readonly PropertyKey[],
  report: Report,
): Json {
  const properties = isRecord(schema['properties']) ? schema['properties'] : {}
  const rest = schema['additionalProperties']
  const names = schema['propertyNames']
  const complete: { [key: string]: Json } = {}
  for (const [key, member] of Object.entries(value)) {
    const inner = Object.hasOwn(properties, key) ? properties[key] : undefined
    if (inner === undefined && rest === false) {
      report([...path, key], {
        message: 'unknown key',
        hint: didYouMean(key, Object.keys(properties)),
      })
      continue
    }
    if (names !== undefined) checkValue(names, key, [...path, key], report)
    complete[key] = checkValue(inner ?? rest, member, [...path, key], report)
  }
  for (const [key, inner] of Object.entries(properties)) {
    if (Object.hasOwn(value, key)) continue
    if (isRecord(inner) && inner['default'] !== undefined) complete[key] = inner['default']
    else if (isList(schema['required']) && schema['required'].includes(key)) {
      report([...path, key], { message: 'missing', expected: expectation(inner) })
    }
  }
  return complete
}

function checkCombined(
  schema: { readonly [keyword: string]: Json },
  value: Json,
  path: readonly PropertyKey[],
  report: Report,
): Json {
  let complete = value
  if (isList(schema['allOf'])) {
    for (const inner of schema['allOf']) complete = checkValue(inner, complete, path, report)
  }
  const forms = isList(schema['anyOf']) ? schema['anyOf'] : schema['oneOf']
  if (!isList(forms)) return complete
  let nearest: (readonly [readonly PropertyKey[], Problem])[] | undefined
  for (const form of forms) {
    const found: (readonly [readonly PropertyKey[], Problem])[] = []
    const formed = checkValue(form, complete, path, (at, problem) => found.push([at, problem]))
    if (found.length === 0) return formed
    // The form that failed deepest, or in the fewest places, is what was probably meant.
    if (
      nearest === undefined ||
      depthOf(found) > depthOf(nearest) ||
      (depthOf(found) === depthOf(nearest) && found.length < nearest.length)
    ) {
      nearest = found
    }
  }
  if (nearest !== undefined && depthOf(nearest) > path.length)
    for (const [at, problem] of nearest) report(at, problem)
  else
    report(path, {
      message: 'fits none of the allowed forms',
      expected: forms.slice(0, 8).map(expectation).join(' or '),
      got: describe(value),
    })
  return complete
}

function depthOf(found: readonly (readonly [readonly PropertyKey[], Problem])[]): number {
  return Math.min(...found.slice(0, 100).map(([path]) => path.length))
}

/** What a schema asks for, in few words. */
export function expectation(schema: Json | undefined): string {
  if (!isRecord(schema)) return 'anything'
  if (schema['const'] !== undefined) return canonicalJson(schema['const'])
  if (isList(schema['enum']))
    return schema['enum']
      .slice(0, 8)
      .map((value) => canonicalJson(value))
      .join(' or ')
  if (typeof schema['format'] === 'string') return schema['format']
  const type = schema['type']
  if (typeof type === 'string') return TYPE_NAMES.get(type) ?? type
  if (isList(type)) return type.map(typeWords).join(' or ')
  return 'anything'
}

function checkBounds(
  count: number,
  least: Json | undefined,
  most: Json | undefined,
  unit: string,
  path: readonly PropertyKey[],
  report: Report,
): void {
  const got = `${count} ${unit}`
  if (typeof least === 'number' && count < least)
    report(path, { message: 'too small', expected: `at least ${least} ${unit}`, got })
  if (typeof most === 'number' && count > most)
    report(path, { message: 'too big', expected: `at most ${most} ${unit}`, got })
}
