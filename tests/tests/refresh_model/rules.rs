//! The rules of the protocol, each of which can be left out, and the bounds that keep a search finite.

use crate::provider::Manners;

/// A rule of the protocol that can be left out, to see what it is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    /// `lease_grant`: the grant is as it was seen, in incarnation, generation and lease.
    LeaseOnWhatWasSeen,
    /// `lease_grant`: no failure was noted since the grant was seen.
    LeaseOnFailuresSeen,
    /// `write_unbegun`: nor here.
    UnbegunOnFailuresSeen,
    /// `attempt`: a lease taken over from a lapsed one, given back unused, still says so.
    ReleaseKeepsJournal,
    /// `lease`: a refused lease that turns out to be one's own is held.
    OwnLeaseIsKnown,
    /// `lease`: a lapsed lease means that the token may be spent.
    LapsedLeaseIsJournal,
    /// `usable_token`: nobody waits for a lease that has lapsed.
    LapsedLeaseIsTaken,
    /// `wait_for_winner`: without the lease nobody exchanges anything.
    LosersWait,
    /// `write_back`: a write that fails is tried again.
    WriteBackIsRetried,
    /// `write_back`: what arrives for an incarnation that is gone is revoked.
    LateTokensAreRevoked,
    /// `write_tokens`: any condition at all.
    WriteBackHasCondition,
    /// `write_tokens`: whoever lost the lease may write while the generation stands.
    LateHolderMayWrite,
    /// `write_tokens`: where another may have presented the same token, that stays noted with the new one.
    SuccessKeepsDoubt,
    /// Every write of a holder, and whether to revoke: the incarnation is the holder's.
    IncarnationIsMine,
    /// `write_failure`: the generation is the one that was spent.
    FailureOnGenerationSpent,
    /// `failed_exchange`: what may be spent stays noted, whatever the failure is.
    FailureKeepsDoubt,
    /// `failed_exchange`: a 5xx may have spent the token too.
    ServerErrorMaySpend,
    /// `disconnect_grant`: the tombstone is an incarnation of its own.
    TombstoneIsNew,
    /// `try_write_connected`: the generation goes on from the one there is.
    SignInContinuesGeneration,
    /// `redeem`: tokens are revoked only if they are known not to be stored.
    SignInRevokesOnlyUnstored,
}

/// How often each thing may happen in one run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Bounds {
    /// Of all that follow, but for expiries, sign-ins, disconnects and restarts, together.
    pub(crate) troubles: u8,
    pub(crate) crashes: u8,
    /// Of leases whose holder lives. Nobody's lease lapses as often as it likes.
    pub(crate) lapses: u8,
    /// The request went out, no answer came.
    pub(crate) lost_answers: u8,
    /// Writes that fail, or take effect and don't say so.
    pub(crate) failing_writes: u8,
    /// The client's secret can't be read, so that nothing can begin.
    pub(crate) unprepared: u8,
    /// Time is short when the lease is there at last.
    pub(crate) late_leases: u8,
    /// The provider turns the client away, having done nothing.
    pub(crate) refused_clients: u8,
    /// The provider answers 5xx, having done nothing.
    pub(crate) server_errors: u8,
    /// The provider answers 5xx, having taken the token.
    pub(crate) gateway_errors: u8,
    pub(crate) expiries: u8,
    pub(crate) sign_ins: u8,
    /// The sign-in's invocation ends while it does not know whether it has written.
    pub(crate) sign_in_deadlines: u8,
    pub(crate) disconnects: u8,
    /// Starts beyond the first of each process.
    pub(crate) restarts: u8,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Model<'a> {
    pub(crate) manners: Manners,
    pub(crate) bounds: Bounds,
    pub(crate) left_out: &'a [Rule],
}

impl Model<'_> {
    /// Nothing is left out that a condition of a write consists of; then what was once refused stays refused.
    pub(crate) fn writes_as_designed(&self) -> bool {
        [
            Rule::LeaseOnWhatWasSeen,
            Rule::LosersWait,
            Rule::WriteBackHasCondition,
            Rule::IncarnationIsMine,
            Rule::FailureOnGenerationSpent,
            Rule::TombstoneIsNew,
        ]
        .iter()
        .all(|rule| self.has(*rule))
    }

    pub(crate) fn has(&self, rule: Rule) -> bool {
        !self.left_out.contains(&rule)
    }
}
