import fs from 'node:fs'

/**
 * Whether all threads of a process are stopped (SIGSTOP), where the system tells (Linux); true elsewhere. On a busy machine some
 * run on for a while after the signal was sent.
 */
export function stands(pid: number): boolean {
  const tasks = `/proc/${pid}/task`
  if (!fs.existsSync(tasks)) return true
  return fs.readdirSync(tasks).every((thread) => {
    try {
      return /\) [Tt] /.test(fs.readFileSync(`${tasks}/${thread}/stat`, 'utf8'))
    } catch {
      return true // The thread has ended.
    }
  })
}
