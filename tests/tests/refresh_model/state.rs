//! What is stored, who is where with it, and what of that two states must share to be one.
//!
//! The names are those of `model/grant` and `store/grants`. Time is abstract: a lease holds or has lapsed, an
//! access token is fresh or due, a pause is on or over.

use crate::{
    provider::{Answer, Provider, Token},
    rules::{Bounds, Model, Rule},
};

pub(crate) const PROCESSES: usize = 3;

/// The incarnations there can be: of the grant at first, of the sign-in, of the tombstone.
const FIRST: u8 = 0;
pub(crate) const SIGN_IN: u8 = 1;
pub(crate) const TOMBSTONE: u8 = 2;

/// Who took a lease: new with every attempt, as the UUID is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Owner {
    pub(crate) process: u8,
    pub(crate) attempt: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Lease {
    pub(crate) owner: Owner,
    /// Counts the renewals that came after a lapse; those before one change nothing that anybody acts on.
    pub(crate) until: u8,
    pub(crate) lapsed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Status {
    Active,
    Failing,
    Reauthorize,
    Disconnected,
}

/// The grant as it is stored, or as somebody saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Grant {
    pub(crate) incarnation: u8,
    pub(crate) generation: u8,
    pub(crate) status: Status,
    pub(crate) refresh_token: Option<Token>,
    /// The access token, told by whose exchange brought it; None for a sign-in's.
    pub(crate) access_token: Option<Owner>,
    /// The access token is not due yet.
    pub(crate) fresh: bool,
    /// `retry_at` is still to come.
    pub(crate) pausing: bool,
    pub(crate) maybe_spent: bool,
    pub(crate) failures: u8,
    pub(crate) lease: Option<Lease>,
}

/// Who writes about which exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Holder {
    pub(crate) owner: Owner,
    pub(crate) incarnation: u8,
    pub(crate) spending: u8,
    pub(crate) token: Token,
    /// Goes into the text if the provider refuses the token for good.
    pub(crate) maybe_spent: bool,
    /// The lease was taken over from a lapsed one.
    pub(crate) took_over: bool,
    /// Another may have presented this very token, and may do so yet.
    pub(crate) contested: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Failure {
    Terminal,
    /// Concerns the client: the grant is not at fault, and waits for its connection's breaker.
    Client,
    Ambiguous,
    Transient,
}

/// Where a process is. Each name says what it does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Phase {
    Idle,
    /// Served, or told clearly why not.
    Ended,
    Crashed,
    Lease(Grant),
    Wait(Grant),
    Send(Holder),
    /// The request is out; None: the provider has not looked at it yet.
    Listen(Holder, Option<Answer>),
    /// The critical write, first while the lease is ours,
    Store(Holder, Token),
    /// then, if it is not, while the generation stands.
    StoreLate(Holder, Token),
    /// What arrived for a grant that is gone; then goes on with the grant as it was found instead.
    Revoke(Token, Grant),
    Note(Holder, Failure),
    /// A lease that is still there after a failure that was not to be noted; then goes on with the grant as found.
    GiveBack(Owner, Grant),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Process {
    pub(crate) phase: Phase,
    /// How many leases it has tried to take.
    pub(crate) attempts: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum SignIn {
    Away,
    Read(Token),
    /// What was read: incarnation and generation.
    Write(Token, u8, u8),
    /// Written once, which used up the ticket, but nobody said so.
    ReadAgain(Token),
    Revoke(Token),
    Done,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Disconnect {
    Away,
    /// What was read: the token, incarnation and generation.
    Write(Option<Token>, u8, u8),
    Revoke(Option<Token>),
    Done,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct State {
    pub(crate) grant: Grant,
    pub(crate) processes: [Process; PROCESSES],
    pub(crate) provider: Provider,
    /// Requests whose sender no longer listens, and which the provider may still look at, or never.
    pub(crate) orphans: [Option<Token>; 4],
    pub(crate) sign_in: SignIn,
    pub(crate) disconnect: Disconnect,
    pub(crate) left: Bounds,
    /// A process crashed, a lease lapsed, or an answer was lost.
    pub(crate) troubled: bool,
    /// Without such trouble: the current generation is being exchanged, or was.
    pub(crate) asked: bool,
}

impl Grant {
    /// What was seen and will never be so again.
    const PAST: Self = Self {
        incarnation: u8::MAX,
        generation: 0,
        status: Status::Active,
        refresh_token: None,
        access_token: None,
        fresh: false,
        pausing: false,
        maybe_spent: false,
        failures: 0,
        lease: None,
    };

    /// Generations, failures, owners and renewals never come back; that there is no lease may.
    fn has_left(&self, seen: &Self, model: &Model) -> bool {
        let lease = |grant: &Self| grant.lease.map(|lease| (lease.owner, lease.until));
        self.has_moved_on(seen, model) || (seen.lease.is_some() && lease(self) != lease(seen))
    }

    /// The same where the lease is not asked about.
    fn has_moved_on(&self, seen: &Self, model: &Model) -> bool {
        let failures_count =
            [Rule::LeaseOnFailuresSeen, Rule::UnbegunOnFailuresSeen].map(|rule| model.has(rule));
        self.incarnation != seen.incarnation
            || self.generation != seen.generation
            || (failures_count == [true; 2] && self.failures != seen.failures)
    }

    fn is_owned_by_process(&self, process: usize) -> bool {
        self.lease.is_some_and(|lease| usize::from(lease.owner.process) == process)
    }

    pub(crate) fn is_leased(&self) -> bool {
        self.lease.is_some_and(|lease| !lease.lapsed)
    }

    pub(crate) fn is_owned_by(&self, owner: Owner) -> bool {
        self.lease.is_some_and(|lease| lease.owner == owner)
    }

    /// The grant without what nobody looks at any more once it was decided to take the lease.
    pub(crate) fn for_lease(self) -> Self {
        Self { status: Status::Active, access_token: None, ..self }
    }

    /// The grant without what nobody looks at while waiting.
    pub(crate) fn for_waiting(self) -> Self {
        Self { refresh_token: None, maybe_spent: false, ..self.for_lease() }
    }

    /// `differs`.
    pub(crate) fn differs_from(&self, seen: &Self) -> bool {
        let owner = |grant: &Self| grant.lease.map(|lease| lease.owner);
        self.generation != seen.generation
            || self.incarnation != seen.incarnation
            || owner(self) != owner(seen)
            || !self.is_leased()
    }
}

impl Phase {
    pub(crate) fn holder(&self) -> Option<&Holder> {
        match self {
            Self::Send(holder)
            | Self::Listen(holder, _)
            | Self::Store(holder, _)
            | Self::StoreLate(holder, _)
            | Self::Note(holder, _) => Some(holder),
            Self::Idle
            | Self::Ended
            | Self::Crashed
            | Self::Lease(_)
            | Self::Wait(_)
            | Self::Revoke(..)
            | Self::GiveBack(..) => None,
        }
    }

    fn owner_mut(&mut self) -> Option<&mut Owner> {
        match self {
            Self::Send(holder)
            | Self::Listen(holder, _)
            | Self::Store(holder, _)
            | Self::StoreLate(holder, _)
            | Self::Note(holder, _) => Some(&mut holder.owner),
            Self::GiveBack(owner, _) => Some(owner),
            _ => None,
        }
    }

    fn seen_mut(&mut self) -> Option<&mut Grant> {
        match self {
            Self::Lease(seen) | Self::Wait(seen) | Self::Revoke(_, seen) | Self::GiveBack(_, seen) => {
                Some(seen)
            }
            _ => None,
        }
    }

    pub(crate) fn is_over(&self) -> bool {
        matches!(self, Self::Idle | Self::Ended | Self::Crashed)
    }
}

impl State {
    /// A connected grant whose token is due, and nobody at it yet.
    pub(crate) fn first(model: &Model) -> Self {
        let idle = Process { phase: Phase::Idle, attempts: 0 };
        Self {
            grant: Grant {
                incarnation: FIRST,
                generation: 0,
                status: Status::Active,
                refresh_token: Some(Token { family: 0, index: 0 }),
                access_token: None,
                fresh: false,
                pausing: false,
                maybe_spent: false,
                failures: 0,
                lease: None,
            },
            processes: [idle; PROCESSES],
            provider: Provider::new(),
            orphans: [None; 4],
            sign_in: SignIn::Away,
            disconnect: Disconnect::Away,
            left: model.bounds,
            troubled: false,
            asked: false,
        }
    }

    /// Nobody waits, nobody works.
    pub(crate) fn is_over(&self) -> bool {
        self.processes.iter().all(|process| process.phase.is_over())
            && matches!(self.sign_in, SignIn::Away | SignIn::Done)
            && matches!(self.disconnect, Disconnect::Away | Disconnect::Done)
    }

    pub(crate) fn phase(&self, process: u8) -> &Phase {
        &self.processes[usize::from(process)].phase
    }

    pub(crate) fn go(&mut self, process: u8, phase: Phase) {
        self.processes[usize::from(process)].phase = phase;
    }

    /// Someone holds the lease and is still about it.
    pub(crate) fn holder_lives(&self, lease: &Lease) -> bool {
        let phase = self.phase(lease.owner.process);
        phase.holder().is_some_and(|holder| holder.owner == lease.owner)
    }

    /// The same state without what makes no difference any more, and with the processes, which are all alike, in order;
    /// and which was which before.
    pub(crate) fn ordered(mut self, model: &Model) -> (Self, [u8; PROCESSES]) {
        self.forget(model);
        let mut order: [u8; PROCESSES] = std::array::from_fn(|index| index as u8);
        order.sort_by_key(|index| self.processes[usize::from(*index)]);
        if order.is_sorted() {
            return (self, order);
        }
        let old = self.processes;
        let mut place = [0; PROCESSES];
        for (new, old_index) in order.iter().enumerate() {
            self.processes[new] = old[usize::from(*old_index)];
            place[usize::from(*old_index)] = new as u8;
        }
        let rename = |owner: &mut Owner| owner.process = place[usize::from(owner.process)];
        let rename_in = |grant: &mut Grant| {
            if let Some(lease) = &mut grant.lease {
                rename(&mut lease.owner);
            }
            if let Some(owner) = &mut grant.access_token {
                rename(owner);
            }
        };
        rename_in(&mut self.grant);
        for process in &mut self.processes {
            if let Some(owner) = process.phase.owner_mut() {
                rename(owner);
            }
            if let Some(seen) = process.phase.seen_mut() {
                rename_in(seen);
            }
        }
        (self, order)
    }

    /// Drops what can make no difference any more, so that states which differ only in it are one.
    fn forget(&mut self, model: &Model) {
        if self.left.troubles == 0 {
            let Bounds { expiries, sign_ins, disconnects, restarts, .. } = self.left;
            self.left = Bounds { expiries, sign_ins, disconnects, restarts, ..Bounds::default() };
        }
        for orphan in &mut self.orphans {
            // The provider says no, and does nothing.
            if orphan.is_some_and(|token| !self.provider.is_good(token) && !self.provider.is_spent(token)) {
                *orphan = None;
            }
        }
        self.orphans.sort();
        if !model.writes_as_designed() {
            return;
        }
        let now = self.grant;
        for index in 0..PROCESSES {
            let process = &mut self.processes[index];
            match &mut process.phase {
                // What was seen never comes back: the lease will be refused, or the wait is over, whatever it was.
                Phase::Lease(_) if now.is_owned_by_process(index) => {}
                Phase::Lease(seen) if self.left.unprepared > 0 && !now.has_moved_on(seen, model) => {}
                Phase::Lease(seen) if now.has_left(seen, model) => *seen = Grant::PAST,
                Phase::Wait(seen) if now.has_left(seen, model) => *seen = Grant::PAST,
                // Failures count only for the one with the lease.
                Phase::Send(holder)
                | Phase::Listen(holder, _)
                | Phase::Store(holder, _)
                | Phase::StoreLate(holder, _)
                | Phase::Note(holder, _)
                    if !now.is_owned_by(holder.owner) =>
                {
                    holder.maybe_spent = false;
                    holder.took_over = false;
                    holder.contested = false;
                }
                Phase::Crashed if self.left.restarts == 0 => process.phase = Phase::Ended,
                _ => {}
            }
            let storing = matches!(process.phase, Phase::Store(..) | Phase::StoreLate(..));
            let wrote = now.access_token.is_some_and(|owner| usize::from(owner.process) == index);
            if wrote && !storing {
                self.grant.access_token = None;
            }
            let stored_meanwhile = wrote && storing;
            if !(now.is_owned_by_process(index) || stored_meanwhile) {
                process.attempts = 0;
                if let Some(owner) = process.phase.owner_mut() {
                    owner.attempt = 0;
                    process.attempts = 1;
                }
            }
        }
    }
}
