//! What must be true of every step that anyone takes, and of every state.

use crate::{
    protocol::Step,
    provider::{Manners, Standing},
    rules::Model,
    state::{Phase, State, Status},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Property {
    /// While nothing crashes, lapses or is lost, a generation is exchanged once; and not by someone who saw an old one.
    OneExchangePerGeneration,
    /// A spent token is presented again only after such trouble.
    SpentTokensComeOnlyAfterTrouble,
    /// Whoever presents one knows that it may be spent, or has lost its lease meanwhile.
    HoldersKnowWhatMayBeSpent,
    /// Whoever must sign in anew because a spent token came again is told so.
    ReauthorizeSaysWhy,
    /// Tokens that arrived are stored while their incarnation stands, unless newer ones are.
    NoSuccessIsDiscarded,
    /// Tokens are written over the incarnation that they belong to, and over none that are newer.
    NothingNewerIsOverwritten,
    /// A failure marks nothing but the very generation that it is about.
    NoLoserMarksASuccess,
    GenerationNeverGoesBack,
    /// Tokens that arrived for an incarnation that is gone are revoked.
    NothingLivesOnUnseen,
    /// What a grant that stands lives on is never revoked by us.
    NothingStoredIsRevoked,
    /// Nobody who has just leased the grant waits for the holder.
    NobodyWaitsForItself,
    /// From every state there is a way, without further trouble, to everyone being served or told why not. Checked on
    /// the whole graph.
    EveryoneIsServedOrTold,
}

impl Property {
    pub(crate) const ALL: [Self; 12] = [
        Self::OneExchangePerGeneration,
        Self::SpentTokensComeOnlyAfterTrouble,
        Self::HoldersKnowWhatMayBeSpent,
        Self::ReauthorizeSaysWhy,
        Self::NoSuccessIsDiscarded,
        Self::NothingNewerIsOverwritten,
        Self::NoLoserMarksASuccess,
        Self::GenerationNeverGoesBack,
        Self::NothingLivesOnUnseen,
        Self::NothingStoredIsRevoked,
        Self::NobodyWaitsForItself,
        Self::EveryoneIsServedOrTold,
    ];

    fn holds(self, model: &Model, before: &State, step: Step, after: &State) -> bool {
        match self {
            Self::OneExchangePerGeneration => one_exchange(before, step),
            Self::SpentTokensComeOnlyAfterTrouble => spent_after_trouble(before, step),
            Self::HoldersKnowWhatMayBeSpent => holders_know(before, step),
            Self::ReauthorizeSaysWhy => reauthorize_says_why(before, after),
            Self::NoSuccessIsDiscarded => no_success_discarded(before, step, after),
            Self::NothingNewerIsOverwritten => nothing_newer_overwritten(model, before, step, after),
            Self::NoLoserMarksASuccess => no_loser_marks(before, step, after),
            Self::GenerationNeverGoesBack => after.grant.generation >= before.grant.generation,
            Self::NothingLivesOnUnseen => nothing_lives_on(model, before, step, after),
            Self::NothingStoredIsRevoked => nothing_stored_revoked(after),
            Self::NobodyWaitsForItself => nobody_waits_for_itself(step, after),
            Self::EveryoneIsServedOrTold => true,
        }
    }
}

/// The first of the properties that the step violates.
pub(crate) fn violated(
    properties: &[Property],
    model: &Model,
    before: &State,
    step: Step,
    after: &State,
) -> Option<Property> {
    properties.iter().copied().find(|property| !property.holds(model, before, step, after))
}

fn one_exchange(before: &State, step: Step) -> bool {
    let Step::Sends(process) = step else { return true };
    let Some(holder) = before.phase(process).holder() else {
        return true;
    };
    let stands = before.grant.incarnation == holder.incarnation;
    before.troubled || !stands || (before.grant.generation == holder.spending && !before.asked)
}

fn spent_after_trouble(before: &State, step: Step) -> bool {
    let token = match step {
        Step::ProviderLooks(process) | Step::GatewayFails(process) => {
            before.phase(process).holder().map(|holder| holder.token)
        }
        Step::ProviderLooksAtOrphan(token) => Some(token),
        _ => None,
    };
    before.troubled || token.is_none_or(|token| !before.provider.is_spent(token))
}

fn holders_know(before: &State, step: Step) -> bool {
    let (Step::ProviderLooks(process) | Step::GatewayFails(process)) = step else {
        return true;
    };
    let Some(holder) = before.phase(process).holder() else {
        return true;
    };
    let lease = before.grant.lease.filter(|lease| lease.owner == holder.owner && !lease.lapsed);
    !before.provider.is_spent(holder.token) || lease.is_none() || holder.maybe_spent
}

fn reauthorize_says_why(before: &State, after: &State) -> bool {
    let grant = after.grant;
    let Some(token) = grant.refresh_token else {
        return true;
    };
    let newly = grant.status == Status::Reauthorize && before.grant.status != Status::Reauthorize;
    let reused = after.provider.families[usize::from(token.family)].standing == Standing::EndedByReuse;
    !(newly && reused) || grant.maybe_spent
}

/// The process whose step this is has tokens before it, and is done with writing them after it.
fn ceases_to_store(before: &State, step: Step, after: &State) -> Option<(u8, bool)> {
    let (Step::Stores(process) | Step::StoresLate(process) | Step::FailsToStore(process)) = step else {
        return None;
    };
    let storing = matches!(after.phase(process), Phase::Store(..) | Phase::StoreLate(..));
    let owner = before.phase(process).holder()?.owner;
    let stored = [before, after].iter().any(|state| state.grant.access_token == Some(owner));
    (!storing).then_some((process, stored))
}

fn no_success_discarded(before: &State, step: Step, after: &State) -> bool {
    let Some((process, stored)) = ceases_to_store(before, step, after) else {
        return true;
    };
    let Some(holder) = before.phase(process).holder() else {
        return true;
    };
    let stands = before.grant.incarnation == holder.incarnation;
    stored || !stands || before.grant.generation > holder.spending
}

fn nothing_lives_on(model: &Model, before: &State, step: Step, after: &State) -> bool {
    if let Step::Revokes(process) = step
        && let Phase::Revoke(token, _) = before.phase(process)
    {
        return model.manners == Manners::Lasting || !after.provider.is_good(*token);
    }
    let Some((process, stored)) = ceases_to_store(before, step, after) else {
        return true;
    };
    let gone =
        before.phase(process).holder().is_some_and(|holder| holder.incarnation != before.grant.incarnation);
    stored || !gone || matches!(after.phase(process), Phase::Revoke(..))
}

fn nothing_newer_overwritten(model: &Model, before: &State, step: Step, after: &State) -> bool {
    let (Step::Stores(process)
    | Step::StoresUnawares(process)
    | Step::StoresLate(process)
    | Step::StoresLateUnawares(process)) = step
    else {
        return true;
    };
    let (Some(holder), old, new) = (before.phase(process).holder(), before.grant, after.grant) else {
        return true;
    };
    if old == new {
        return true;
    }
    let older = match model.manners {
        // One token is as good as the other.
        Manners::Lasting => false,
        Manners::Strict | Manners::Graceful => new.refresh_token < old.refresh_token,
    };
    old.incarnation == holder.incarnation && old.status != Status::Disconnected && !older
}

fn no_loser_marks(before: &State, step: Step, after: &State) -> bool {
    let (Step::Notes(process) | Step::NotesUnawares(process) | Step::NotesAndEnds(process)) = step else {
        return true;
    };
    let Some(holder) = before.phase(process).holder() else {
        return true;
    };
    let about = (before.grant.incarnation, before.grant.generation) == (holder.incarnation, holder.spending);
    before.grant == after.grant || about
}

fn nothing_stored_revoked(after: &State) -> bool {
    let Some(token) = after.grant.refresh_token else {
        return true;
    };
    after.provider.families[usize::from(token.family)].standing != Standing::Revoked
}

fn nobody_waits_for_itself(step: Step, after: &State) -> bool {
    let Step::TakesLease(process) = step else {
        return true;
    };
    let Phase::Wait(seen) = after.phase(process) else {
        return true;
    };
    seen.lease.is_none_or(|lease| lease.owner.process != process)
}
