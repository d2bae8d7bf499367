/** Mail, in a database. */
import { mailColumns, readRecord } from '../rows.ts'
import { checkTexts } from '../rules.ts'
import { sql } from '../sql.ts'
import type { MailStore } from '../store/mail.ts'
import type { Statements } from './statements.ts'

/** Takes and reads mail. */
export function mailIn(statements: Statements): MailStore {
  const { dialect } = statements
  return {
    async mail(jobId, mail) {
      checkTexts('the mail', { key: mail.key })
      const answer = await statements.attempt(() => dialect.mail(jobId, mail))
      if (answer === 'accepted') statements.hints.give({ kind: 'mail', jobId })
      return answer
    },

    async readMail(conductor) {
      const { mailbox, jobs } = dialect.tables
      return statements.select(
        mailColumns,
        sql`
        select m.* from ${jobs} as j join ${mailbox} as m on m.job_id = j.id
        where j.conductor = ${conductor} and j.state = 'CLAIMED' order by m.job_id, m.number`,
      )
    },

    async mailOf(jobId) {
      const { mailbox, jobs } = dialect.tables
      // One statement, so that the count and the pieces are of one moment.
      const rows = await statements.run(sql`
        select j.mail as mail, m.* from ${jobs} as j left join ${mailbox} as m on m.job_id = j.id
        where j.id = ${jobId} order by m.number`)
      return {
        count: Number(rows[0]?.['mail'] ?? 0),
        mail: rows.filter((row) => row['key'] !== null).map((row) => readRecord(mailColumns, row)),
      }
    },
  }
}
