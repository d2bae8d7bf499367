import type { Committer, Committing } from '../../engines/committer.ts'
import type {
  Claim,
  CommitOutcome,
  FlowCommit,
  LoadedFlow,
  Store,
} from '../../persistence/store.ts'
import type { Repeater } from './repeat.ts'

/** Trashes the job of a flow that cannot be driven, by a commit under its fence. Resolves to how that ended. */
export function trashUndriven(
  tools: {
    readonly committer: Committer
    readonly store: Pick<Store, 'mailOf'>
    readonly repeater: Repeater
  },
  claim: Claim,
  loaded: LoadedFlow,
  reason: string,
): Promise<'trashed' | 'fenced' | 'stopped'> {
  return new Promise((resolve) => {
    let mailRead = loaded.job.mail
    let isTaken = false
    const flow: Committing = {
      take(): FlowCommit | null {
        if (isTaken) return null
        isTaken = true
        return {
          jobId: claim.jobId,
          flowId: loaded.detail.id,
          epoch: claim.epoch,
          claimId: claim.claimId,
          revision: loaded.job.revision,
          historySeq: loaded.job.historySeq,
          mailRead,
          job: { state: 'TRASHED', reason },
          atoms: [],
          scopes: [],
          calls: [],
          results: [],
          history: [],
        }
      },
      settled(_commit: FlowCommit, outcome: CommitOutcome): void {
        if (outcome.kind === 'mail')
          void readMail() // never throws
        else resolve(outcome.kind === 'fenced' ? 'fenced' : 'trashed')
      },
    }
    /** No mail changes what is wrong; it has to be seen all the same. */
    async function readMail(): Promise<void> {
      const mail = await tools.repeater.untilDone('reading mail', () =>
        tools.store.mailOf(claim.jobId),
      )
      if (mail === undefined) return resolve('stopped')
      mailRead = mail.count
      isTaken = false
      tools.committer.enqueue(flow)
    }
    tools.committer.enqueue(flow)
  })
}
