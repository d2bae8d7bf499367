/** The functions that expressions may call; there are no others. */
import { isList, isRecord } from '../base/codec.ts'
import type { Json } from '../base/json.ts'

/** A function: checked arguments in, JSON out. */
export interface Callable {
  /** Arguments that must be there, a method's receiver included. */
  readonly arity: number
  /** Arguments that may follow. */
  readonly optional?: number
  readonly usage: string
  /** What it gives, for type checks. */
  readonly gives: 'number' | 'string' | 'boolean' | 'any' | 'list of texts'
  /** What its first argument (a method's receiver) may be. */
  readonly takes: readonly ('number' | 'string' | 'boolean' | 'null' | 'list' | 'map')[]
  /** Steps that a call is charged. */
  cost(args: readonly Json[]): number
  call(args: readonly Json[], context: CallContext): Json
}

/** What a call may use. */
export interface CallContext {
  /** The error to throw. */
  fail(reason: string): Error
}

const MAX_JOINED = 2 * 1024 * 1024

/** Scanning 64 characters is one step. */
function scan(args: readonly Json[]): number {
  const [text] = args
  return 1 + (typeof text === 'string' ? text.length >> 6 : 0)
}

/** A step per character: for what looks at each of them, or makes as many pieces. */
function each(args: readonly Json[]): number {
  const [value] = args
  return 1 + (typeof value === 'string' || isList(value) ? value.length : 0)
}

function constant(): number {
  return 1
}

/** Functions `f(x)`. */
export const FUNCTIONS: ReadonlyMap<string, Callable> = new Map<string, Callable>([
  [
    'size',
    {
      arity: 1,
      usage: 'size(x)',
      gives: 'number',
      takes: ['string', 'list', 'map'],
      cost: each,
      call: size,
    },
  ],
  [
    'string',
    {
      arity: 1,
      usage: 'string(x)',
      gives: 'string',
      takes: ['number', 'string', 'boolean'],
      cost: constant,
      call: toText,
    },
  ],
  [
    'int',
    {
      arity: 1,
      usage: 'int(x)',
      gives: 'number',
      takes: ['number', 'string'],
      cost: constant,
      call: toWhole,
    },
  ],
  [
    'double',
    {
      arity: 1,
      usage: 'double(x)',
      gives: 'number',
      takes: ['number', 'string'],
      cost: constant,
      call: toNumber,
    },
  ],
  [
    'bool',
    {
      arity: 1,
      usage: 'bool(x)',
      gives: 'boolean',
      takes: ['boolean', 'string'],
      cost: constant,
      call: toBool,
    },
  ],
  [
    'dyn',
    {
      arity: 1,
      usage: 'dyn(x)',
      gives: 'any',
      takes: ['number', 'string', 'boolean', 'null', 'list', 'map'],
      cost: constant,
      call: ([value]) => value ?? null,
    },
  ],
])

/** Methods `x.f(…)`. */
export const METHODS: ReadonlyMap<string, Callable> = new Map<string, Callable>([
  [
    'size',
    {
      arity: 1,
      usage: 'x.size()',
      gives: 'number',
      takes: ['string', 'list', 'map'],
      cost: each,
      call: size,
    },
  ],
  textMethod('contains', 'boolean', (text, part) => text.includes(part)),
  textMethod('startsWith', 'boolean', (text, part) => text.startsWith(part)),
  textMethod('endsWith', 'boolean', (text, part) => text.endsWith(part)),
  ['indexOf', search('indexOf')],
  ['lastIndexOf', search('lastIndexOf')],
  [
    'substring',
    {
      arity: 2,
      optional: 1,
      usage: 'text.substring(from, to)',
      gives: 'string',
      takes: ['string'],
      cost: scan,
      call: substring,
    },
  ],
  [
    'split',
    {
      arity: 2,
      optional: 1,
      usage: 'text.split(separator)',
      gives: 'list of texts',
      takes: ['string'],
      cost: each,
      call: split,
    },
  ],
  [
    'join',
    {
      arity: 1,
      optional: 1,
      usage: 'list.join(separator)',
      gives: 'string',
      takes: ['list'],
      cost: each,
      call: join,
    },
  ],
  ['trim', plain('trim', (text) => text.trim())],
  [
    'lowerAscii',
    plain('lowerAscii', (text) => text.replace(/[A-Z]+/g, (part) => part.toLowerCase())),
  ],
  [
    'upperAscii',
    plain('upperAscii', (text) => text.replace(/[a-z]+/g, (part) => part.toUpperCase())),
  ],
])

/** Why a function that people look for is not there. */
export const NOT_OFFERED: ReadonlyMap<string, string> = new Map([
  ['matches', 'regular expressions can take forever: use startsWith, contains, or a task'],
  ['timestamp', 'expressions have no dates: compare ISO texts, or use a task'],
  ['duration', 'expressions have no durations: use numbers, or a task'],
  ['now', 'expressions have no clock: give the time as input'],
  ['random', 'expressions have no randomness: they give the same again after a crash'],
  ['secret', 'secrets are reserved for a later version'],
  ['formatDate', 'dates are reserved for a later version'],
  ['flatten', 'flatten is reserved for a later version'],
  ['bytes', 'JSON has no bytes'],
  ['uint', 'there is one number type'],
  ['type', 'there are no types as values'],
])

function size([value]: readonly Json[], context: CallContext): Json {
  if (typeof value === 'string') {
    let characters = 0
    for (const _ of value) characters += 1
    return characters
  }
  if (isList(value)) return value.length
  if (isRecord(value)) return Object.keys(value).length
  throw context.fail('expected a text, a list or an object')
}

function toText([value]: readonly Json[], context: CallContext): Json {
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean')
    return String(value)
  throw context.fail('expected a text, a number, true or false')
}

function toWhole([value]: readonly Json[], context: CallContext): Json {
  const number =
    typeof value === 'number'
      ? Math.trunc(value)
      : typeof value === 'string' && /^[+-]?\d{1,20}$/.test(value)
        ? Number(value)
        : Number.NaN
  if (Number.isSafeInteger(number)) return number
  throw context.fail('expected a number, or a text of digits, up to 9007199254740991')
}

function toNumber([value]: readonly Json[], context: CallContext): Json {
  if (typeof value === 'number') return value
  if (
    typeof value === 'string' &&
    /^[+-]?(\d{1,400}(\.\d{0,400})?|\.\d{1,400})([eE][+-]?\d{1,4})?$/.test(value)
  ) {
    const number = Number(value)
    if (Number.isFinite(number)) return number
  }
  throw context.fail('expected a number, or a text such as 1.5e3')
}

function toBool([value]: readonly Json[], context: CallContext): Json {
  if (typeof value === 'boolean') return value
  if (value === 'true' || value === 'false') return value === 'true'
  throw context.fail('expected true or false, or a text of them')
}

function textMethod(
  name: string,
  gives: Callable['gives'],
  ask: (text: string, part: string) => Json,
): readonly [string, Callable] {
  const usage = `text.${name}(part)`
  return [
    name,
    {
      arity: 2,
      usage,
      gives,
      takes: ['string'],
      cost: scan,
      call: ([value, part], context) => ask(text(value, context), text(part, context)),
    },
  ]
}

function plain(name: string, make: (text: string) => string): Callable {
  return {
    arity: 1,
    usage: `text.${name}()`,
    gives: 'string',
    takes: ['string'],
    cost: scan,
    call: ([value], context) => make(text(value, context)),
  }
}

function search(name: 'indexOf' | 'lastIndexOf'): Callable {
  return {
    arity: 2,
    optional: 1,
    usage: `text.${name}(part, from)`,
    gives: 'number',
    takes: ['string'],
    cost: scan,
    call([value, part, from], context) {
      const within = text(value, context)
      if (from === undefined) return within[name](text(part, context))
      return within[name](text(part, context), position(from, within.length, context))
    },
  }
}

function substring([value, from, to]: readonly Json[], context: CallContext): Json {
  const within = text(value, context)
  const start = position(from, within.length, context)
  const end = to === undefined ? within.length : position(to, within.length, context)
  if (end < start) throw context.fail('the end is before the start')
  return within.slice(start, end)
}

function split([value, separator, most]: readonly Json[], context: CallContext): Json {
  const parts = text(value, context).split(text(separator, context))
  if (most === undefined) return parts
  if (typeof most !== 'number' || !Number.isInteger(most))
    throw context.fail('the limit is a whole number')
  if (most < 0 || parts.length <= most) return parts
  if (most === 0) return []
  return [...parts.slice(0, most - 1), parts.slice(most - 1).join(text(separator, context))]
}

function join([list, separator]: readonly Json[], context: CallContext): Json {
  if (!isList(list)) throw context.fail('expected a list of texts')
  const between = separator === undefined ? '' : text(separator, context)
  const texts: string[] = []
  let characters = 0
  for (const item of list) {
    if (typeof item !== 'string') throw context.fail('expected a list of texts')
    texts.push(item)
    characters += item.length + between.length
    if (characters > MAX_JOINED) throw context.fail('a text of more than 2 MB')
  }
  return texts.join(between)
}

function text(value: Json | undefined, context: CallContext): string {
  if (typeof value === 'string') return value
  throw context.fail('expected a text')
}

function position(value: Json | undefined, length: number, context: CallContext): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= length)
    return value
  throw context.fail(`expected a position from 0 to ${length}`)
}
