// What is wrong with one step, one task, one option.
import { cel, flow, from, linear, task, z } from '../../../src/flow/builders.ts'
import type { InputOf, OutputOf } from '../../../src/flow/builders.ts'
import { charge, hear, noop, reserve, say } from './tasks.ts'

// ✗ Object literal may only specify known properties, but 'amont' does not exist in type 'Bindings<{ amount: number; currency: "EUR" | "USD"; note?: string; }> & NothingElse'. Did you mean to write 'amount'?
charge.with({ amont: 3 })

// ✗ Object literal may only specify known properties, but 'curency' does not exist in type 'Bindings<{ amount: number; currency: "EUR" | "USD"; note?: string; }> & NothingElse'. Did you mean to write 'currency'?
charge.with({ amount: 3, curency: 'EUR' })

// ✗ Type 'string' is not assignable to type 'number | Cel | From<string>'.
charge.with({ amount: '3' })

// ✗ Type '"CHF"' is not assignable to type '"EUR" | "USD" | Cel | From<string>'.
charge.with({ currency: 'CHF' })

// ✗ Type '"reservationID"' is not assignable to type '"reservationId" | Cel'. Did you mean '"reservationId"'?
reserve.provides({ mine: 'reservationID' })

// ✗ Argument of type '"revert"' is not assignable to parameter of type '"continue"'.
noop.onFailure('revert')

// ✗ Argument of type '30' is not assignable to parameter of type 'Duration'.
noop.timeout(30)

task('delay without a unit', {
  // ✗ Type 'number' is not assignable to type 'Duration | undefined'.
  retry: { attempts: 3, delay: 5 },
  execute: () => undefined,
})

task('z.object instead of a shape', {
  // ✗ Type 'ZodObject<{ a: ZodString; }, $strip>' is not assignable to type 'Shape'.
  requires: z.object({ a: z.string() }),
  execute: () => undefined,
})

task('wrong result', {
  provides: { a: z.string() },
  // ✗ Type 'number' is not assignable to type 'string'.
  execute: () => ({ a: 1 }),
})

task('result without its symbol', {
  provides: { a: z.string() },
  // ✗ Type '{ b: number; }' is not assignable to type 'Promise<{ a: string; }> | { a: string; }'.
  execute: () => ({ b: 1 }),
})

task('unknown argument', {
  requires: { a: z.string() },
  // ✗ Property 'b' does not exist on type '{ a: string; }'.
  execute: ({ b }) => console.log(b),
})

task('revert takes an optional result', {
  provides: { a: z.string() },
  execute: () => ({ a: '' }),
  // ✗ 'undo.result' is possibly 'undefined'.
  revert: (undo) => console.log(undo.result.a),
})

task('unknown option', {
  // ✗ Object literal may only specify known properties, and 'retires' does not exist in type 'TaskOptions<{}, {}>'.
  retires: { attempts: 3 },
  execute: () => undefined,
})

linear('a root in a flow', [
  // ✗ Property ''~node'' is missing in type 'Flow<"inner", …>' but required in type 'Node<string, unknown, unknown, Guard>'.
  flow('inner', {}, [noop]),
])

// ✗ Type 'From<"n">' is not assignable to type 'From<"n"> & "the output 'out' is 'n', which nothing in this flow provides"'.
flow('output', { output: { out: from('n') } }, [hear])

const f = flow('f', { input: { m: z.string() }, output: { m: from('m'), n: cel('1') } }, [say])
// ✗ Property 'm' is missing in type '{}' but required in type '{ m: string; }'.
export const input: InputOf<typeof f> = {}
// ✗ Type 'number' is not assignable to type 'string'.
export const output: OutputOf<typeof f> = { m: 1, n: 1 }

const open = linear('open', [say.with({ m: from('customer.name') })])
export const asked: InputOf<typeof open> = {
  // ✗ Type 'number' is not assignable to type 'string'.
  customer: { name: 1 },
}

// ✗ Object literal may only specify known properties, and 'retries' does not exist in type 'CompositionOptions<RetryNever, undefined, undefined>'.
linear('unknown option of a flow', [noop], { retries: 3 })
