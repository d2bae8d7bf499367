/** A flow that is being driven, as the parts of its driver share it. */
import type { MachineEvent } from '../../src/machine/events.ts'
import type { Run } from '../../src/machine/run.ts'
import type { Changes } from './changes.ts'
import type { DriveOptions } from './drive-types.ts'
import type { Values } from './values.ts'

export interface Driven {
  readonly jobId: string
  /** Flow detail of the present run. */
  readonly flowId: string
  /** The machine's state. Only `advance()` decides in it; who changes an atom himself touches it, so that it is committed. */
  readonly run: Run
  readonly values: Values
  /** What is not committed yet. */
  readonly changes: Changes
  /** What the machine is still to be told, in order. Whoever adds to it has the steps run. */
  readonly events: MachineEvent[]
  readonly options: DriveOptions
}
