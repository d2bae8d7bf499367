/** What the command's exit code says. Documented in docs/command-line.md; scripts rely on it. */
export const EXIT = {
  /** Done. */
  done: 0,
  /** A flow was reverted, or failed; `doctor` found something wrong. */
  failed: 1,
  /** Bad input, usage, settings or document: mend it and try again. */
  usage: 2,
  /** A server cannot be reached. */
  unavailable: 3,
  /** Suspended, or not ended yet. */
  notEnded: 4,
  /** A fault of Zagflow itself. */
  fault: 70,
  /** Interrupted twice. */
  interrupted: 130,
} as const

export type ExitCode = (typeof EXIT)[keyof typeof EXIT]
