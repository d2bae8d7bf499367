import { didYouMean } from './did-you-mean.ts'
import type { Failure } from './failure.ts'
import { ZagflowError } from './zagflow-error.ts'

export { NotSerialisableError } from './not-serialisable-error.ts'
export { TaskError } from './task-error.ts'
export { ERROR_CODES, ZagflowError, type ErrorCode } from './zagflow-error.ts'

/** One thing that is wrong with a document or an input. */
export interface Issue {
  /** Where, such as `linear[1].unordered[0].task`; empty for the document itself. */
  readonly path: string
  /** What is wrong, without a full stop. */
  readonly message: string
  readonly expected?: string | undefined
  readonly got?: string | undefined
  /** From 1, where the document came from a text. */
  readonly line?: number | undefined
  /** From 1. */
  readonly column?: number | undefined
  /** How to mend it. */
  readonly hint?: string | undefined
}

/** Issues that a message shows; the error's `issues` has all that were found. */
const SHOWN_ISSUES = 50

/** A flow document that cannot be used. Mend what `issues` names; nothing was stored. */
export class InvalidFlowError extends ZagflowError {
  override readonly code = 'InvalidFlow'
  readonly issues: readonly Issue[]
  /** The file or other name that the document was given. */
  readonly source: string | undefined

  constructor(
    issues: readonly Issue[],
    options: {
      readonly flow?: string | undefined
      readonly source?: string | undefined
      readonly cause?: unknown
    } = {},
  ) {
    const subject = options.flow === undefined ? 'the flow' : `the flow "${options.flow}"`
    super(composeIssues(`${subject} cannot be used`, issues, options.source), options)
    this.issues = issues
    this.source = options.source
  }
}

/** An input (of a flow, or arguments of a task) that does not fit its schema. Give another one; nothing was stored. */
export class InvalidInputError extends ZagflowError {
  override readonly code = 'InvalidInput'
  readonly issues: readonly Issue[]

  constructor(
    issues: readonly Issue[],
    options: { readonly subject?: string | undefined; readonly cause?: unknown } = {},
  ) {
    super(composeIssues(`${options.subject ?? 'the input'} does not fit`, issues), options)
    this.issues = issues
  }
}

/** A failure and the atom it happened in. */
export interface AtomFailure extends Failure {
  /** Path of the atom, such as `checkout/settle/payment.charge`. */
  readonly atom: string
}

/** A flow that did not end in SUCCESS: what it did was reverted, as far as it could be. Look at `failures`. */
export class FlowFailedError extends ZagflowError {
  override readonly code = 'FlowFailed'
  /** `REVERTED`, `FAILURE` (a revert failed), `SUSPENDED`, … */
  readonly state: string
  readonly failures: readonly AtomFailure[]
  readonly flow: string | undefined
  readonly jobId: string | undefined

  constructor(details: {
    readonly state: string
    readonly failures: readonly AtomFailure[]
    readonly flow?: string | undefined
    readonly jobId?: string | undefined
    /** Why, when no atom failed: `cancelled by …`. */
    readonly reason?: string | undefined
  }) {
    const subject = details.flow === undefined ? 'the flow' : `the flow "${details.flow}"`
    const job = details.jobId === undefined ? '' : ` (job ${details.jobId})`
    const lines = details.failures.slice(0, SHOWN_ISSUES).map((failure) => {
      return `\n  ${failure.atom}: ${failure.message}`
    })
    const reason = details.reason === undefined ? '' : `: ${details.reason}`
    super(
      `${subject}${job} ended ${details.state}${reason}${lines.join('')}${more(details.failures)}`,
    )
    this.state = details.state
    this.failures = details.failures
    this.flow = details.flow
    this.jobId = details.jobId
  }
}

/** Something of that name or key exists already with other content, or was changed meanwhile. Read it again, or choose another name. */
export class ConflictError extends ZagflowError {
  override readonly code = 'Conflict'
  readonly subject: string

  constructor(
    subject: string,
    reason: string,
    options: { readonly hint?: string | undefined; readonly cause?: unknown } = {},
  ) {
    super(withHint(`${subject}: ${reason}`, options.hint), options)
    this.subject = subject
  }
}

/** Nothing of that kind has that name. Mend the name. */
export class NotFoundError extends ZagflowError {
  override readonly code = 'NotFound'
  /** What was looked for: `job`, `flow`, `atom`. */
  readonly kind: string
  readonly requested: string

  constructor(
    kind: string,
    requested: string,
    options: {
      readonly candidates?: Iterable<string> | undefined
      readonly hint?: string | undefined
      readonly cause?: unknown
    } = {},
  ) {
    const hint = options.hint ?? didYouMean(requested, options.candidates ?? [])
    super(withHint(`there is no ${kind} "${requested}"`, hint), options)
    this.kind = kind
    this.requested = requested
  }
}

/** A worker was asked for a task that its registry does not have. Load the module that has it, or mend the name. */
export class UnknownTaskError extends ZagflowError {
  override readonly code = 'UnknownTask'
  readonly task: string

  constructor(task: string, options: { readonly known?: Iterable<string> | undefined } = {}) {
    const known = [...(options.known ?? [])]
    const few = known.length > 0 && known.length <= 12 ? `; known are ${known.join(', ')}` : ''
    super(withHint(`the task "${task}" is not known here${few}`, didYouMean(task, known)))
    this.task = task
  }
}

/**
 * A server could not be reached, or refused for a reason that passes. Zagflow tries again by itself with growing
 * delays wherever it can; who gets this error tries again later.
 */
export class UnavailableError extends ZagflowError {
  override readonly code = 'Unavailable'
  /** What could not be reached, without its password: `postgres://db.example/zag`. */
  readonly server: string

  constructor(
    server: string,
    options: {
      readonly reason?: string | undefined
      readonly hint?: string | undefined
      readonly cause?: unknown
    } = {},
  ) {
    const reason = options.reason === undefined ? '' : `: ${options.reason}`
    super(withHint(`${server} cannot be reached${reason}`, options.hint), options)
    this.server = server
  }
}

/** Another conductor owns the job now. Stop work on it at once and write nothing. */
export class ClaimLostError extends ZagflowError {
  override readonly code = 'ClaimLost'
  readonly jobId: string

  constructor(
    jobId: string,
    options: { readonly reason?: string | undefined; readonly cause?: unknown } = {},
  ) {
    const reason = options.reason === undefined ? '' : `: ${options.reason}`
    super(`the claim of job ${jobId} was lost${reason}`, options)
    this.jobId = jobId
  }
}

/** Something took longer than it was given. Whether it happened is not known unless the message says so. */
export class TimeoutError extends ZagflowError {
  override readonly code = 'Timeout'
  readonly subject: string
  readonly timeoutMs: number

  constructor(subject: string, timeoutMs: number, options: { readonly cause?: unknown } = {}) {
    super(`${subject} took longer than ${timeoutMs} ms`, options)
    this.subject = subject
    this.timeoutMs = timeoutMs
  }
}

/** Used after its `stop()` or `close()`. Do not use it any more, or create a new one. */
export class ClosedError extends ZagflowError {
  override readonly code = 'Closed'
  readonly subject: string

  constructor(subject: string, options: { readonly cause?: unknown } = {}) {
    super(`${subject} is closed`, options)
    this.subject = subject
  }
}

/** The database's schema is not the one that this version of Zagflow needs. Run `zagflow db migrate`. */
export class MigrationNeededError extends ZagflowError {
  override readonly code = 'MigrationNeeded'
  readonly database: string
  readonly found: string | undefined
  readonly needed: string

  constructor(details: {
    /** Without its password. */
    readonly database: string
    /** Undefined: there is no schema at all. */
    readonly found: string | undefined
    readonly needed: string
    readonly cause?: unknown
  }) {
    const found = details.found === undefined ? 'has no schema yet' : `is at ${details.found}`
    super(
      `the database ${details.database} ${found}, expected ${details.needed}; run: zagflow db migrate`,
      details,
    )
    this.database = details.database
    this.found = details.found
    this.needed = details.needed
  }
}

/** A function, option or command was used wrongly. Mend the call. */
export class UsageError extends ZagflowError {
  override readonly code = 'Usage'
  readonly hint: string | undefined

  constructor(
    message: string,
    options: { readonly hint?: string | undefined; readonly cause?: unknown } = {},
  ) {
    super(withHint(message, options.hint), options)
    this.hint = options.hint
  }
}

/** An expression of a flow that cannot be compiled, or not be evaluated with the values it met. Mend the expression. */
export class ExpressionError extends ZagflowError {
  override readonly code = 'Expression'
  /** The expression, without `${{ }}`. */
  readonly expression: string
  /** What is wrong, without the expression. */
  readonly reason: string
  /** Where in the expression, from 0. */
  readonly at: number | undefined

  constructor(
    expression: string,
    reason: string,
    options: { readonly at?: number | undefined; readonly hint?: string | undefined } = {},
  ) {
    const shown = expression.length > 200 ? `${expression.slice(0, 200)}…` : expression
    const near =
      options.at === undefined || options.at === 0 || expression.length <= 40
        ? ''
        : ` near "${expression.slice(options.at, options.at + 20)}"`
    super(withHint(`\${{ ${shown.trim()} }}: ${reason}${near}`, options.hint))
    this.expression = expression
    this.reason = withHint(reason, options.hint)
    this.at = options.at
  }
}

/** One line about an issue: where, what, expected and got, how to mend it. */
export function composeIssue(issue: Issue, source?: string): string {
  let text = ''
  if (issue.line !== undefined) {
    text = `${source ?? 'line'}:${issue.line}${issue.column === undefined ? '' : `:${issue.column}`} `
  } else if (source !== undefined) {
    text = `${source} `
  }
  if (issue.path !== '') text += `${issue.path}: `
  text += issue.message
  if (issue.expected !== undefined) text += `; expected ${issue.expected}`
  if (issue.got !== undefined)
    text += `${issue.expected === undefined ? ';' : ','} got ${issue.got}`
  return withHint(text, issue.hint)
}

function composeIssues(subject: string, issues: readonly Issue[], source?: string): string {
  const lines = issues.slice(0, SHOWN_ISSUES).map((issue) => composeIssue(issue, source))
  if (lines.length === 1) return `${subject}: ${lines[0]}`
  return `${subject}, ${issues.length} problems:\n  ${lines.join('\n  ')}${more(issues)}`
}

function more(list: readonly unknown[]): string {
  return list.length > SHOWN_ISSUES ? `\n  … and ${list.length - SHOWN_ISSUES} more` : ''
}

function withHint(text: string, hint: string | undefined): string {
  return hint === undefined ? text : `${text}; ${hint}`
}
