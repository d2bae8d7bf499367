import type { BoardFleet, JobBoard } from '../../jobboard/jobboard.ts'

/** The fleet of a board outside the store that has none of its own: every conductor leads, which costs work and does no harm. */
export function loneFleet(board: Pick<JobBoard, 'list'>): BoardFleet {
  return {
    join: async () => undefined,
    leave: async () => undefined,
    members: async () => [],
    onMembers: () => () => undefined,
    lead: async () => true,
    leader: async () => null,
    resign: async () => undefined,
    async postings() {
      const names = new Set<string>()
      for await (const { jobId, posting } of board.list()) names.add(`${jobId}.${posting}`)
      return names
    },
    room: async () => Infinity,
  }
}
