import { z } from 'zod'

/** What a check found: becomes an issue with its path. */
export interface Problem {
  readonly message: string
  readonly expected?: string | undefined
  readonly got?: string | undefined
  readonly hint?: string | undefined
}

/** The forms of each choice, for whoever publishes the grammar; by definition, which copies made by `meta()` share. */
const formsOf = new WeakMap<object, readonly z.ZodType[]>()

/**
 * One of several forms, found before it is parsed: `pick` looks at the value and names its form, or says what is wrong
 * (by {@link problem}) and gives undefined. Errors are those of the form alone, which a zod union cannot say.
 */
export function choice<Forms extends { readonly [form: string]: z.ZodType }>(
  forms: Forms,
  pick: (value: unknown, context: z.RefinementCtx) => keyof Forms | undefined,
): z.ZodType<z.infer<Forms[keyof Forms]>> {
  const schema = z.unknown().superRefine((value, context) => {
    const form = pick(value, context)
    const chosen = form === undefined ? undefined : forms[form]
    if (chosen === undefined) return
    const parsed = chosen.safeParse(value)
    if (parsed.success) return
    // Issues that were worded already keep their words; zod prefixes their paths.
    for (const issue of parsed.error.issues) context.issues.push(issue as z.core.$ZodRawIssue)
  })
  const typed = schema as z.ZodType<z.infer<Forms[keyof Forms]>> // what passes is of one of the forms
  formsOf.set(typed._zod.def, Object.values(forms))
  return typed
}

/** The forms of a {@link choice}; undefined for another schema. */
export function choiceForms(schema: z.core.$ZodType): readonly z.ZodType[] | undefined {
  return formsOf.get(schema._zod.def)
}

/** Says what is wrong at `path` below the value that is checked. */
export function problem(context: z.RefinementCtx, path: PropertyKey[], found: Problem): undefined {
  context.addIssue({ code: 'custom', path, message: found.message, params: { ...found } })
}
