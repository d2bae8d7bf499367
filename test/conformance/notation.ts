/**
 * The notation of the scenarios: fixture tasks in one letter, flows in one letter, events as `atom EVENT`.
 *
 * RUN RUNNING, OK SUCCESS, FAIL FAILURE, RVT REVERTING, RVD REVERTED, RVF REVERT_FAILURE, PEND PENDING, IGN IGNORE, RTY RETRYING.
 * A retry is written as the scenario names it (`r1`), with the value that it gave: `r1 OK(1)`. `FB(t)` is `t RUN, t FAIL, t RVT, t RVD`.
 */
import type { FlowEvent } from '../../engines/drive.ts'
import {
  cel,
  flow,
  graph,
  linear,
  task,
  unordered,
  z,
  type GraphOptions,
  type CompositionOptions,
  type Runnable,
  type Retry,
} from '../../src/index.ts'

/** Builders without their types: scenarios are data, and many are wrong on purpose. */
// oxlint-disable-next-line typescript/no-explicit-any -- see above
type Untyped = any

export interface FixtureOptions {
  readonly requires?: readonly string[]
  readonly provides?: readonly string[]
  readonly optional?: readonly string[]
  readonly priority?: number
  readonly retry?: object
  readonly execute?: (args: { readonly [name: string]: Untyped }, context: Untyped) => unknown
  readonly revert?: ((undo: Untyped, context: Untyped) => unknown) | null
}

/** A fixture task: gives 5 for whatever it provides, reverts to nothing. */
export function T(name: string, options: FixtureOptions = {}): Untyped {
  const { requires = [], provides = [], optional = [], priority, retry } = options
  const shape = {
    ...Object.fromEntries(requires.map((symbol) => [symbol, z.json()])),
    ...Object.fromEntries(optional.map((symbol) => [symbol, z.json().optional()])),
  }
  const execute =
    options.execute ?? (() => Object.fromEntries(provides.map((symbol) => [symbol, 5])))
  return task(name, {
    requires: shape,
    provides: Object.fromEntries(provides.map((symbol) => [symbol, z.json()])),
    priority,
    retry: retry as Untyped,
    execute: execute as Untyped,
    ...(options.revert === null
      ? {}
      : { revert: (options.revert ?? (() => undefined)) as Untyped }),
  })
}

/** Succeeds. */
export const P = (name: string, options: FixtureOptions = {}): Untyped => T(name, options)

/** Fails with "Woot!". */
export const F = (name: string, options: FixtureOptions = {}): Untyped =>
  T(name, {
    ...options,
    execute: () => {
      throw new Error('Woot!')
    },
  })

/** Needs x, fails with it. */
export const Fx = (name: string): Untyped =>
  T(name, {
    requires: ['x'],
    execute: ({ x }) => {
      throw new Error(`Woot with ${String(x)}`)
    },
  })

/** Needs x and y, fails unless they are equal. */
export const C = (name: string): Untyped =>
  T(name, {
    requires: ['x', 'y'],
    execute: ({ x, y }) => {
      if (x !== y) throw new Error('Woot!')
    },
  })

const gotcha = (): never => {
  throw new Error('Gotcha!')
}

/** Succeeds; its revert fails. */
export const Nasty = (name: string, options: FixtureOptions = {}): Untyped =>
  T(name, { ...options, revert: gotcha })

/** Fails; its revert fails too. */
export const NastyF = (name: string): Untyped =>
  T(name, {
    revert: gotcha,
    execute: () => {
      throw new Error('Woot!')
    },
  })

interface Options {
  readonly retry?: object | undefined
  readonly links?: readonly object[] | undefined
  readonly onFailure?: 'continue' | undefined
  readonly onChildFailure?: 'wait' | 'abort' | 'finish' | undefined
}

export const L = (id: string, nodes: readonly Untyped[], options: Options = {}): Untyped =>
  linear(id, nodes as Untyped, options as CompositionOptions as Untyped)
export const U = (id: string, nodes: readonly Untyped[], options: Options = {}): Untyped =>
  unordered(id, nodes as Untyped, options as CompositionOptions as Untyped)
export const G = (id: string, nodes: readonly Untyped[], options: Options = {}): Untyped =>
  graph(id, nodes as Untyped, options as GraphOptions as Untyped)

/** A closed root with open input: every symbol of `input` may be given. */
export function root(
  kind: 'linear' | 'unordered' | 'graph',
  nodes: readonly Untyped[],
  options: Options & { readonly input?: readonly string[] } = {},
): Runnable<Untyped, Untyped> {
  const { input = [], ...rest } = options
  const shape = Object.fromEntries(input.map((symbol) => [symbol, z.json()]))
  return (flow as Untyped)('flow', { kind, input: shape, ...rest }, nodes)
}

export { cel }
export type { Retry, Untyped }

const SHORT: { readonly [state: string]: string } = {
  RUNNING: 'RUN',
  SUCCESS: 'OK',
  FAILURE: 'FAIL',
  REVERTING: 'RVT',
  REVERTED: 'RVD',
  REVERT_FAILURE: 'RVF',
  PENDING: 'PEND',
  IGNORE: 'IGN',
  RETRYING: 'RTY',
}

/** Events as scenarios write them. `names`: what a flow's retry is called; others are called after their flow. */
export function written(
  events: readonly FlowEvent[],
  names: { readonly [retryPath: string]: string } = {},
): readonly string[] {
  return events
    .filter((event) => event.kind !== 'flow' || event.state !== 'REVERTING')
    .map((event) => {
      const state = SHORT[event.state] ?? event.state
      if (event.kind === 'flow') return `flow ${state}`
      if (event.kind === 'task')
        return `${event.name.slice(event.name.lastIndexOf('/') + 1)} ${state}`
      const name = names[event.name] ?? event.name.slice(event.name.lastIndexOf('/') + 1)
      const isGiving = event.state === 'SUCCESS' && event.result != null
      return isGiving ? `${name} ${state}(${JSON.stringify(event.result)})` : `${name} ${state}`
    })
}

/** `a RUN, FB(b), c RVT` as a list, one event each. */
export function sequence(text: string): readonly string[] {
  const list: string[] = []
  for (const part of text.split(/,\s*(?![^()]*\))/)) {
    const trimmed = part.trim()
    const failing = /^FB\((.*)\)$/.exec(trimmed)
    if (failing === null) list.push(trimmed)
    else list.push(...['RUN', 'FAIL', 'RVT', 'RVD'].map((state) => `${failing[1]} ${state}`))
  }
  return list.filter((event) => event !== '')
}
