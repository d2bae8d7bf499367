/** What conductors of `board.ts` do beside the flows that they hold, tried until it is done: giving back, abandoning, consuming. */
import {
  isOver,
  makeClaimable,
  nameOf,
  withChore,
  type BoardState,
  type BoardVariant,
  type Chore,
  type Conductor,
  type Name,
} from './board-state.ts'
import { fault, step, type Step } from './search.ts'

type Steps = Generator<Step<BoardState>>

export function* chores(
  state: BoardState,
  name: Name,
  own: Conductor,
  variant: BoardVariant,
  apart: boolean,
): Steps {
  for (const [at, chore] of own.chores.entries()) {
    const rest = own.chores.toSpliced(at, 1)
    const become = (draft: BoardState, next: Chore | null): void => {
      draft.conductors[name] = { ...own, chores: next === null ? rest : withChore(rest, next) }
    }
    if (chore.does === 'releases') yield* givingBack(state, name, chore, variant, become)
    else if (own.session !== 'stands') continue
    else if (chore.does === 'abandons') yield* abandoning(state, name, chore, variant, become)
    else yield* consuming(state, name, chore, variant, become, apart)
  }
}

type Become = (draft: BoardState, next: Chore | null) => void

/** G6. A store that gave it back and was not heard is asked again: then it is not his any more, and is over. */
function* givingBack(
  state: BoardState,
  name: Name,
  chore: Chore,
  variant: BoardVariant,
  become: Become,
): Steps {
  const { sql } = state
  const { posting, id, epoch } = chore
  const fits = sql.state === 'CLAIMED' && sql.epoch === epoch && sql.id === id
  const over = fits || isOver(state, posting)
  const told = fits ? 'makes it claimable' : over ? 'says that it is over' : "says it is another's"
  yield step(`${name} gives posting ${posting} back: SQL ${told}`, state, (draft) => {
    if (fits) makeClaimable(draft, variant)
    const consumes = over || variant === 'given back, then consumed'
    become(draft, { ...chore, does: consumes ? 'consumes' : 'abandons', epoch: 0 })
  })
}

/** G7. */
function* abandoning(
  state: BoardState,
  name: Name,
  chore: Chore,
  variant: BoardVariant,
  become: Become,
): Steps {
  const place = nameOf(chore.posting, variant)
  const claim = state.claims[place]
  const node = state.nodes[place]
  const isMine = claim?.by === name && claim.id === chore.id && !claim.old
  const deletes = claim !== undefined && (isMine || variant === 'abandoned by name')
  const isRefused = deletes && !node && variant === 'abandoned with its node only'
  if (isRefused) return
  const raises = deletes && node && chore.epoch > node.epoch
  const raised = raises ? `, epoch ${chore.epoch}` : ''
  const told = deletes
    ? `deletes the claim of ${place}${raised}`
    : `has no claim of ${place} any more`
  const apply = (draft: BoardState): void => {
    if (!deletes) return
    if (!isMine) draft.damage = `${name} deleted the claim of ${claim.by}`
    delete draft.claims[place]
    if (raises && node) draft.nodes[place] = { ...node, epoch: chore.epoch }
  }
  yield step(`${name} ${told}`, state, (draft) => {
    apply(draft)
    become(draft, null)
  })
  if (deletes && state.left.lostReplies > 0) {
    yield fault(`${name} ${told}, hears nothing`, state, (draft) => {
      draft.left.lostReplies -= 1
      apply(draft)
    })
  }
}

/** G5. */
function* consuming(
  state: BoardState,
  name: Name,
  chore: Chore,
  variant: BoardVariant,
  become: Become,
  apart: boolean,
): Steps {
  const place = nameOf(chore.posting, variant)
  const whole = chore.does === 'consumes'
  const parts = [
    ...(whole && !apart ? (['node and claim'] as const) : []),
    ...((whole && apart) || chore.does === 'deletes node' ? (['node'] as const) : []),
    ...((whole && apart) || chore.does === 'deletes claim' ? (['claim'] as const) : []),
  ]
  for (const part of parts) {
    const node = part === 'claim' ? undefined : state.nodes[place]
    const claim = part === 'node' ? undefined : state.claims[place]
    const there = node ?? claim
    const told = `${name} deletes ${part} ${place}${there ? '' : ': gone already'}`
    const isWrong = there !== undefined && !isOver(state, there.posting)
    const apply = (draft: BoardState): void => {
      if (isWrong) draft.damage = `${name} took ${place} off the board, which is not over`
      if (node) delete draft.nodes[place]
      if (claim) delete draft.claims[place]
    }
    const other = part === 'node' ? ('deletes claim' as const) : ('deletes node' as const)
    yield step(told, state, (draft) => {
      apply(draft)
      become(draft, whole && apart ? { ...chore, does: other } : null)
    })
    if (there && state.left.lostReplies > 0) {
      yield fault(`${told}, hears nothing`, state, (draft) => {
        draft.left.lostReplies -= 1
        apply(draft)
      })
    }
  }
}
