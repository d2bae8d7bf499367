// What is wrong with flows whose nodes run one after the other. Each expected message stands above its line.
import { flow, from, linear, unordered, z } from '../../../src/flow/builders.ts'
import { charge, hear, noop, num, reserve, say, ship } from './tasks.ts'

const input = { sku: z.string(), quantity: z.int() }

flow('missing', { input }, [
  reserve,
  // ✗ Type 'Step<"payment.charge", …>' is not assignable to type '"payment.charge requires 'amount', which nothing before it provides"'.
  charge.with({ currency: 'EUR' }),
  ship,
])

flow('two missing', { input }, [
  reserve,
  // ✗ Type 'Step<"payment.charge", …>' is not assignable to type '"payment.charge requires 'amount', which nothing before it provides" | "payment.charge requires 'currency', which nothing before it provides"'.
  charge,
])

flow('wrong type', {}, [
  num,
  // ✗ Type 'Step<"ship", …>' is not assignable to type 'WRONG_TYPE<"ship", "reservationId", number, string>'.
  ship,
])

flow('wrong type of the input', { input: { reservationId: z.boolean() } }, [
  // ✗ Type 'Step<"ship", …>' is not assignable to type 'WRONG_TYPE<"ship", "reservationId", boolean, string>'.
  ship,
])

flow('wrong order', { input }, [
  // ✗ Type 'Step<"ship", …>' is not assignable to type '"ship requires 'reservationId', which only 'inventory.reserve' after it provides"'.
  ship,
  reserve,
])

flow('skipped', {}, [
  hear.when('job.priority > 1'),
  // ✗ Type 'Step<"say", …>' is not assignable to type '"say requires 'm', whose provider may be skipped"'.
  say,
])

flow('passed over', {}, [
  hear.onFailure('continue'),
  // ✗ Type 'Step<"say", …>' is not assignable to type '"say requires 'm', whose provider may be skipped"'.
  say,
])

flow('skipped whole', {}, [
  linear('maybe', [hear], { when: 'job.priority > 1' }),
  // ✗ Type 'Step<"say", …>' is not assignable to type '"say requires 'm', whose provider may be skipped"'.
  say,
])

flow('failed whole', {}, [
  linear('saga', [hear], { onFailure: 'continue' }),
  // ✗ Type 'Step<"say", …>' is not assignable to type '"say requires 'm', whose provider may be skipped"'.
  say,
])

flow('optional input', { input: { m: z.string().optional() } }, [
  // ✗ Type 'Step<"say", …>' is not assignable to type '"say requires 'm', an input that may be absent"'.
  say,
])

flow('guarded, but missing', {}, [
  // ✗ Type 'Step<"say", …>' is not assignable to type '"say requires 'm', which nothing before it provides"'.
  say.when('job.priority > 1'),
])

linear('twice', [
  noop,
  // ✗ Type 'Step<"noop", …>' is not assignable to type '"the id 'noop' is used twice; give one of them another by .as()"'.
  noop,
])

flow('twice by as', {}, [
  noop.as('hear'),
  // ✗ Type 'Step<"hear", …>' is not assignable to type '"the id 'hear' is used twice; give one of them another by .as()"'.
  hear,
])

// An open flow asks outside for what nobody in it provides, but not for another type than somebody gives.
linear('open', [
  num,
  // ✗ Type 'Step<"ship", …>' is not assignable to type 'WRONG_TYPE<"ship", "reservationId", number, string>'.
  ship,
])

const settle = unordered('settle', [charge.with({ currency: 'EUR' }), noop])
flow('nested', { input }, [
  reserve,
  // ✗ Type 'Composition<"settle", …>' is not assignable to type '"settle requires 'amount', which nothing before it provides"'.
  settle,
])

flow('deep', { input }, [
  // ✗ Type 'Composition<"outer", …>' is not assignable to type '"outer requires 'amount', which nothing before it provides"'.
  linear('outer', [linear('inner', [reserve, settle])]),
])

flow('renamed', { input }, [
  reserve.provides({ mine: 'reservationId' }),
  // ✗ Type 'Step<"ship", …>' is not assignable to type '"ship requires 'reservationId', which nothing before it provides"'.
  ship,
])

flow('path', { input: { customer: z.object({ name: z.string() }) } }, [
  // ✗ Type 'Step<"say", …>' is not assignable to type 'WRONG_TYPE<"say", "customer", { name: string; }, { address: { city: string; }; }>'.
  say.with({ m: from('customer.address.city') }),
])

flow('path to another type', { input: { customer: z.object({ age: z.int() }) } }, [
  // ✗ Type 'Step<"say", …>' is not assignable to type 'WRONG_TYPE<"say", "customer", { age: number; }, { age: string; }>'.
  say.with({ m: from('customer.age') }),
])

flow('retry', { retry: { attempts: 3, provides: 'm' } }, [
  // ✗ Type 'Step<"say", …>' is not assignable to type 'WRONG_TYPE<"say", "m", number, string>'.
  say,
])

linear(
  'values of a retry',
  [
    // ✗ Type 'Step<"say", …>' is not assignable to type 'WRONG_TYPE<"say", "m", 1 | 2, string>'.
    say,
  ],
  { retry: { forEach: [1, 2], provides: 'm' } },
)
