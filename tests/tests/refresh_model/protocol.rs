//! Our side: every step that a refresher, a person who signs in anew, one who disconnects, or chance can take next.
//!
//! The names and the conditions are those of `app/refresh`, `store/grants` and `app/connect`; a step is what
//! happens between two moments at which somebody else can act, so at most one request to the table or the provider.
//! Time is abstract: that a lease lapses, a token expires or a pause is over is an event of its own. Reading is
//! followed by a step of its own before anything is written, so whatever is read may be stale by then.

use crate::{
    provider::{Answer, Token},
    rules::{Model, Rule},
    state::{
        Disconnect, Failure, Grant, Holder, Lease, Owner, PROCESSES, Phase, SIGN_IN, SignIn, State, Status,
        TOMBSTONE,
    },
};

/// What somebody does, or what befalls them. Processes are numbered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Starts(u8),
    TakesLease(u8),
    TakesLeaseUnawares(u8),
    LeasesAndEnds(u8),
    ExchangesUnleased(u8),
    LooksAgain(u8),
    FailsToPrepare(u8),
    Sends(u8),
    IsTooLate(u8),
    GivesBack(u8),
    FailsToGiveBack(u8),
    Renews(u8),
    Listens(u8),
    Stores(u8),
    FailsToStore(u8),
    StoresUnawares(u8),
    StoresLate(u8),
    StoresLateUnawares(u8),
    FailsToStoreLate(u8),
    Revokes(u8),
    Notes(u8),
    NotesUnawares(u8),
    FailsToNote(u8),
    NotesAndEnds(u8),
    Crashes(u8),
    GivesUpListening(u8),
    ProviderLooks(u8),
    ProviderRefusesClient(u8),
    TriesNewerSecret(u8),
    ProviderFails(u8),
    GatewayFails(u8),
    ProviderLooksAtOrphan(Token),
    LeaseLapses,
    AbandonedLeaseLapses,
    TokenExpires,
    PauseEnds,
    PersonSignsIn,
    SignInReads,
    SignInWrites,
    SignInWritesUnawares,
    SignInEndsUnawares,
    SignInRevokes,
    DisconnectReads,
    DisconnectWrites,
    DisconnectRevokes,
}

impl Step {
    /// Whether this is trouble rather than work: what a run needs to come to its end is never trouble.
    pub(crate) fn is_trouble(self) -> bool {
        use Step::*;
        matches!(
            self,
            TakesLeaseUnawares(_)
                | LeasesAndEnds(_)
                | FailsToPrepare(_)
                | IsTooLate(_)
                | FailsToGiveBack(_)
                | FailsToStore(_)
                | StoresUnawares(_)
                | StoresLateUnawares(_)
                | FailsToStoreLate(_)
                | NotesUnawares(_)
                | FailsToNote(_)
                | NotesAndEnds(_)
                | Crashes(_)
                | GivesUpListening(_)
                | ProviderRefusesClient(_)
                | ProviderFails(_)
                | GatewayFails(_)
                | ProviderLooksAtOrphan(_)
                | LeaseLapses
                | TokenExpires
                | SignInWritesUnawares
                | SignInEndsUnawares
        )
    }
}

impl Step {
    /// Whether it counts as one of the troubles of the run.
    fn is_counted(self) -> bool {
        self.is_trouble() && !matches!(self, Self::ProviderLooksAtOrphan(_) | Self::TokenExpires)
    }
}

/// What a process does about the grant as it sees it: `decide`, and the loop of `usable_token` around it.
fn decide(seen: Grant, model: &Model) -> Phase {
    match seen.status {
        Status::Disconnected | Status::Reauthorize => return Phase::Ended,
        Status::Active if seen.fresh => return Phase::Ended,
        Status::Active | Status::Failing => {}
    }
    if seen.pausing {
        Phase::Ended
    } else if seen.is_leased() || (seen.lease.is_some() && !model.has(Rule::LapsedLeaseIsTaken)) {
        Phase::Wait(seen.for_waiting())
    } else {
        Phase::Lease(seen.for_lease())
    }
}

impl State {
    /// Everything that can happen next.
    pub(crate) fn next(&self, model: &Model, found: &mut Vec<(Step, Self)>) {
        found.clear();
        for process in 0..PROCESSES as u8 {
            self.next_of(process, model, found);
        }
        self.next_of_persons(model, found);
        self.next_of_chance(model, found);
        let left = self.left.troubles;
        found.retain(|(step, _)| left > 0 || !step.is_counted());
        for (step, next) in found {
            next.left.troubles -= u8::from(step.is_counted());
            let moved = (next.grant.incarnation, next.grant.generation)
                != (self.grant.incarnation, self.grant.generation);
            // Refused and noted: the same token may be tried again.
            let noted = next.grant.failures > self.grant.failures;
            next.asked &= !(moved || noted || next.troubled);
        }
    }

    fn next_of(&self, process: u8, model: &Model, found: &mut Vec<(Step, Self)>) {
        let mut add = |step, change: &dyn Fn(&mut Self)| {
            let mut next = *self;
            change(&mut next);
            found.push((step, next));
        };
        let left = &self.left;
        match *self.phase(process) {
            Phase::Idle => add(Step::Starts(process), &|s| s.go(process, decide(s.grant, model))),
            Phase::Ended if left.restarts > 0 => add(Step::Starts(process), &|s| {
                s.left.restarts -= 1;
                s.go(process, decide(s.grant, model));
            }),
            Phase::Ended | Phase::Crashed => {}
            Phase::Lease(seen) => {
                add(Step::TakesLease(process), &|s| {
                    let (next, holder) = s.try_lease(process, seen, model);
                    s.processes[usize::from(process)].attempts += 1;
                    s.go(process, holder.map_or_else(|| decide(next, model), Phase::Send));
                });
                if left.unprepared > 0 {
                    add(Step::FailsToPrepare(process), &|s| {
                        s.left.unprepared -= 1;
                        s.try_note_unbegun(&seen, model);
                        s.go(process, decide(s.grant, model));
                    });
                }
                if left.failing_writes > 0 {
                    add(Step::TakesLeaseUnawares(process), &|s| {
                        s.left.failing_writes -= 1;
                        s.try_lease(process, seen, model);
                    });
                    add(Step::LeasesAndEnds(process), &|s| {
                        s.left.failing_writes -= 1;
                        s.try_lease(process, seen, model);
                        s.go(process, Phase::Ended);
                    });
                }
            }
            Phase::Wait(seen) => {
                if self.grant.differs_from(&seen) {
                    add(Step::LooksAgain(process), &|s| s.go(process, decide(s.grant, model)));
                }
                if !model.has(Rule::LosersWait)
                    && let Some(token) = self.grant.refresh_token
                {
                    add(Step::ExchangesUnleased(process), &|s| {
                        let attempt = s.processes[usize::from(process)].attempts;
                        s.processes[usize::from(process)].attempts += 1;
                        let holder = Holder {
                            owner: Owner { process, attempt },
                            incarnation: s.grant.incarnation,
                            spending: s.grant.generation,
                            token,
                            maybe_spent: s.grant.maybe_spent,
                            took_over: false,
                            contested: true,
                        };
                        s.go(process, Phase::Send(holder));
                    });
                }
            }
            Phase::Send(holder) => {
                add(Step::Sends(process), &|s| {
                    let (now, spends) = (s.grant, (holder.incarnation, holder.spending));
                    s.asked |= (now.incarnation, now.generation) == spends;
                    s.go(process, Phase::Listen(holder, None));
                });
                if left.late_leases > 0 {
                    add(Step::IsTooLate(process), &|s| {
                        s.left.late_leases -= 1;
                        let journal = holder.took_over && model.has(Rule::ReleaseKeepsJournal);
                        s.release(holder.owner, journal);
                        s.go(process, Phase::Ended);
                    });
                }
            }
            Phase::Listen(holder, answer) => {
                let lost = self.grant.lease.filter(|lease| lease.lapsed);
                if lost.is_some() && self.is_mine(&holder, model) && self.grant.generation == holder.spending
                {
                    add(Step::Renews(process), &|s| {
                        s.grant.lease = s.grant.lease.map(|lease| Lease {
                            until: lease.until + 1,
                            lapsed: false,
                            ..lease
                        });
                    });
                }
                match answer {
                    None => {
                        add(Step::ProviderLooks(process), &|s| {
                            let answer = s.provider.exchange(model.manners, holder.token);
                            s.go(process, Phase::Listen(holder, Some(answer)));
                        });
                        if left.refused_clients > 0 {
                            add(Step::ProviderRefusesClient(process), &|s| {
                                s.left.refused_clients -= 1;
                                s.go(process, Phase::Listen(holder, Some(Answer::InvalidClient)));
                            });
                        }
                        if left.server_errors > 0 {
                            add(Step::ProviderFails(process), &|s| {
                                s.left.server_errors -= 1;
                                s.go(process, Phase::Listen(holder, Some(Answer::ServerError)));
                            });
                        }
                        if left.gateway_errors > 0 {
                            add(Step::GatewayFails(process), &|s| {
                                s.left.gateway_errors -= 1;
                                s.troubled = true;
                                s.provider.exchange(model.manners, holder.token);
                                s.go(process, Phase::Listen(holder, Some(Answer::ServerError)));
                            });
                        }
                    }
                    // Secrets Manager may have another secret by now, and then the same holder sends the same token.
                    Some(Answer::InvalidClient) => {
                        add(Step::TriesNewerSecret(process), &|s| {
                            s.go(process, Phase::Listen(holder, None));
                        });
                        add(Step::Listens(process), &|s| s.go(process, Phase::Note(holder, Failure::Client)));
                    }
                    Some(answer) => add(Step::Listens(process), &|s| {
                        let next = match answer {
                            Answer::Tokens(token) => Phase::Store(holder, token),
                            Answer::InvalidGrant => Phase::Note(holder, Failure::Terminal),
                            Answer::InvalidClient => Phase::Note(holder, Failure::Client),
                            Answer::ServerError => Phase::Note(holder, Failure::Transient),
                        };
                        s.go(process, next);
                    }),
                }
                if left.lost_answers > 0 {
                    add(Step::GivesUpListening(process), &|s| {
                        s.left.lost_answers -= 1;
                        s.troubled = true;
                        if answer.is_none() {
                            s.orphan(holder.token);
                        }
                        s.go(process, Phase::Note(holder, Failure::Ambiguous));
                    });
                }
            }
            Phase::Store(holder, token) => {
                add(Step::Stores(process), &|s| {
                    let next = match s.try_store(&holder, token, model) {
                        true => Phase::Ended,
                        false => Phase::StoreLate(holder, token),
                    };
                    s.go(process, next);
                });
                if left.failing_writes > 0 {
                    // Where it is tried again, a failure without effect changes nothing.
                    if !model.has(Rule::WriteBackIsRetried) {
                        add(Step::FailsToStore(process), &|s| {
                            s.left.failing_writes -= 1;
                            s.go(process, Phase::Ended);
                        });
                    }
                    add(Step::StoresUnawares(process), &|s| {
                        s.left.failing_writes -= 1;
                        s.try_store(&holder, token, model);
                    });
                }
            }
            Phase::StoreLate(holder, token) => {
                add(Step::StoresLate(process), &|s| {
                    let found = s.grant;
                    let stored = s.try_store_late(&holder, token, model);
                    let stands =
                        !model.has(Rule::IncarnationIsMine) || found.incarnation == holder.incarnation;
                    let next = match () {
                        () if stored || found.access_token == Some(holder.owner) => Phase::Ended,
                        () if stands || !model.has(Rule::LateTokensAreRevoked) => decide(found, model),
                        () => Phase::Revoke(token, found),
                    };
                    s.go(process, next);
                });
                if left.failing_writes > 0 {
                    add(Step::FailsToStoreLate(process), &|s| {
                        s.left.failing_writes -= 1;
                        s.go(process, Phase::Store(holder, token));
                    });
                    add(Step::StoresLateUnawares(process), &|s| {
                        s.left.failing_writes -= 1;
                        s.try_store_late(&holder, token, model);
                        s.go(process, Phase::Store(holder, token));
                    });
                }
            }
            Phase::Revoke(token, found) => add(Step::Revokes(process), &|s| {
                s.provider.revoke(token);
                s.go(process, decide(found, model));
            }),
            Phase::GiveBack(owner, found) => {
                add(Step::GivesBack(process), &|s| {
                    s.release(owner, false);
                    s.go(process, decide(found, model));
                });
                if left.failing_writes > 0 {
                    add(Step::FailsToGiveBack(process), &|s| {
                        s.left.failing_writes -= 1;
                        s.go(process, decide(found, model));
                    });
                }
            }
            Phase::Note(holder, failure) => {
                add(Step::Notes(process), &|s| {
                    let noted = s.try_note(&holder, failure, model);
                    let next = match !noted && s.grant.is_owned_by(holder.owner) {
                        true => Phase::GiveBack(holder.owner, s.grant),
                        // What the breaker says is the answer, whatever the grant has become.
                        false if failure == Failure::Client => Phase::Ended,
                        false => decide(s.grant, model),
                    };
                    s.go(process, next);
                });
                if left.failing_writes > 0 {
                    add(Step::FailsToNote(process), &|s| {
                        s.left.failing_writes -= 1;
                        s.go(process, Phase::Ended);
                    });
                    add(Step::NotesUnawares(process), &|s| {
                        s.left.failing_writes -= 1;
                        s.try_note(&holder, failure, model);
                    });
                    add(Step::NotesAndEnds(process), &|s| {
                        s.left.failing_writes -= 1;
                        s.try_note(&holder, failure, model);
                        s.go(process, Phase::Ended);
                    });
                }
            }
        }
        if left.crashes > 0 && !self.phase(process).is_over() {
            add(Step::Crashes(process), &|s| {
                s.left.crashes -= 1;
                s.troubled = true;
                if let Phase::Listen(holder, None) = *s.phase(process) {
                    s.orphan(holder.token);
                }
                s.go(process, Phase::Crashed);
            });
        }
    }

    fn next_of_persons(&self, model: &Model, found: &mut Vec<(Step, Self)>) {
        let mut add = |step, change: &dyn Fn(&mut Self)| {
            let mut next = *self;
            change(&mut next);
            found.push((step, next));
        };
        match self.sign_in {
            SignIn::Away if self.left.sign_ins > 0 => add(Step::PersonSignsIn, &|s| {
                s.left.sign_ins -= 1;
                s.sign_in = SignIn::Read(s.provider.sign_in());
            }),
            SignIn::Away | SignIn::Done => {}
            // Once the ticket is used nothing can be written; so if the grant is another's by now, it stays that.
            SignIn::ReadAgain(token) => add(Step::SignInReads, &|s| {
                s.sign_in = match s.grant.incarnation {
                    SIGN_IN => SignIn::Done,
                    _ => SignIn::Revoke(token),
                };
            }),
            SignIn::Revoke(token) => add(Step::SignInRevokes, &|s| {
                s.provider.revoke(token);
                s.sign_in = SignIn::Done;
            }),
            SignIn::Read(token) => add(Step::SignInReads, &|s| {
                s.sign_in = match s.grant.incarnation {
                    SIGN_IN => SignIn::Done,
                    other => SignIn::Write(token, other, s.grant.generation),
                };
            }),
            SignIn::Write(token, incarnation, generation) => {
                let unchanged = (self.grant.incarnation, self.grant.generation) == (incarnation, generation);
                let connected = Grant {
                    incarnation: SIGN_IN,
                    generation: match model.has(Rule::SignInContinuesGeneration) {
                        true => generation + 1,
                        false => 1,
                    },
                    status: Status::Active,
                    refresh_token: Some(token),
                    access_token: None,
                    fresh: true,
                    pausing: false,
                    maybe_spent: false,
                    failures: 0,
                    lease: None,
                };
                let grant = if unchanged { connected } else { self.grant };
                add(Step::SignInWrites, &|s| {
                    s.grant = grant;
                    s.sign_in = if unchanged { SignIn::Done } else { SignIn::Read(token) };
                });
                if self.left.failing_writes > 0 {
                    add(Step::SignInWritesUnawares, &|s| {
                        s.left.failing_writes -= 1;
                        s.grant = grant;
                        s.sign_in = if unchanged { SignIn::ReadAgain(token) } else { SignIn::Read(token) };
                    });
                }
                if self.left.sign_in_deadlines > 0 {
                    add(Step::SignInEndsUnawares, &|s| {
                        s.left.sign_in_deadlines -= 1;
                        s.grant = grant;
                        s.sign_in = match model.has(Rule::SignInRevokesOnlyUnstored) {
                            true => SignIn::ReadAgain(token),
                            false => SignIn::Revoke(token),
                        };
                    });
                }
            }
        }
        let connected = self.grant.status != Status::Disconnected;
        let seen = (self.grant.incarnation, self.grant.generation);
        match self.disconnect {
            Disconnect::Away if self.left.disconnects > 0 && connected => {
                add(Step::DisconnectReads, &|s| {
                    s.left.disconnects -= 1;
                    s.disconnect = Disconnect::Write(s.grant.refresh_token, seen.0, seen.1);
                });
            }
            Disconnect::Away | Disconnect::Done => {}
            Disconnect::Write(token, incarnation, generation) if seen == (incarnation, generation) => {
                add(Step::DisconnectWrites, &|s| {
                    s.disconnect = Disconnect::Revoke(token);
                    s.grant = Grant {
                        incarnation: match model.has(Rule::TombstoneIsNew) {
                            true => TOMBSTONE,
                            false => incarnation,
                        },
                        generation,
                        status: Status::Disconnected,
                        refresh_token: None,
                        access_token: None,
                        fresh: false,
                        pausing: false,
                        maybe_spent: false,
                        failures: 0,
                        lease: None,
                    };
                });
            }
            Disconnect::Write(..) => add(Step::DisconnectReads, &|s| {
                s.disconnect = Disconnect::Write(s.grant.refresh_token, seen.0, seen.1);
            }),
            Disconnect::Revoke(token) => add(Step::DisconnectRevokes, &|s| {
                if let Some(token) = token {
                    s.provider.revoke(token);
                }
                s.disconnect = Disconnect::Done;
            }),
        }
    }

    fn next_of_chance(&self, model: &Model, found: &mut Vec<(Step, Self)>) {
        let mut add = |step, change: &dyn Fn(&mut Self)| {
            let mut next = *self;
            change(&mut next);
            found.push((step, next));
        };
        if let Some(lease) = self.grant.lease.filter(|lease| !lease.lapsed) {
            let lives = self.holder_lives(&lease);
            let lapse = |s: &mut Self| {
                s.grant.lease = Some(Lease { lapsed: true, ..lease });
                s.troubled = true;
            };
            if !lives {
                add(Step::AbandonedLeaseLapses, &lapse);
            } else if self.left.lapses > 0 {
                add(Step::LeaseLapses, &|s| {
                    s.left.lapses -= 1;
                    lapse(s);
                });
            }
        }
        if self.grant.fresh && self.left.expiries > 0 {
            add(Step::TokenExpires, &|s| {
                s.left.expiries -= 1;
                s.grant.fresh = false;
            });
        }
        if self.grant.pausing {
            add(Step::PauseEnds, &|s| s.grant.pausing = false);
        }
        for (index, orphan) in self.orphans.iter().enumerate() {
            if let Some(token) = *orphan {
                add(Step::ProviderLooksAtOrphan(token), &|s| {
                    s.orphans[index] = None;
                    s.provider.exchange(model.manners, token);
                });
            }
        }
    }

    fn orphan(&mut self, token: Token) {
        let free = self.orphans.iter_mut().find(|orphan| orphan.is_none());
        *free.expect("no more orphans than crashes and lost answers") = Some(token);
    }

    /// `lease` and `lease_grant`: the holder, or the grant as it is instead.
    fn try_lease(&mut self, process: u8, seen: Grant, model: &Model) -> (Grant, Option<Holder>) {
        let attempt = self.processes[usize::from(process)].attempts;
        let owner = Owner { process, attempt };
        let lapsed = seen.lease.is_some() && model.has(Rule::LapsedLeaseIsJournal);
        let Some(token) = seen.refresh_token else {
            return (self.grant, None);
        };
        let holder = Holder {
            owner,
            incarnation: seen.incarnation,
            spending: seen.generation,
            token,
            maybe_spent: seen.maybe_spent || lapsed,
            took_over: lapsed,
            contested: lapsed || (seen.maybe_spent && seen.failures > 0),
        };
        let now = &self.grant;
        let as_seen = match model.has(Rule::LeaseOnWhatWasSeen) {
            true => {
                let lease = |grant: &Grant| grant.lease.map(|lease| (lease.owner, lease.until));
                let mine = !model.has(Rule::IncarnationIsMine) || now.incarnation == seen.incarnation;
                mine && now.generation == seen.generation && lease(now) == lease(&seen)
            }
            false => !now.is_leased(),
        };
        let failures = !model.has(Rule::LeaseOnFailuresSeen) || now.failures == seen.failures;
        if as_seen && failures {
            self.grant.lease = Some(Lease { owner, until: 0, lapsed: false });
            return (self.grant, Some(holder));
        }
        let own = model.has(Rule::OwnLeaseIsKnown) && now.is_owned_by(owner);
        (self.grant, own.then_some(holder))
    }

    fn is_mine(&self, holder: &Holder, model: &Model) -> bool {
        let stands = !model.has(Rule::IncarnationIsMine) || self.grant.incarnation == holder.incarnation;
        stands && self.grant.is_owned_by(holder.owner)
    }

    /// The first form of `write_tokens`.
    fn try_store(&mut self, holder: &Holder, token: Token, model: &Model) -> bool {
        let may = self.is_mine(holder, model) || !model.has(Rule::WriteBackHasCondition);
        if may {
            self.store(holder, token, holder.contested && model.has(Rule::SuccessKeepsDoubt));
            self.grant.lease = None;
        }
        may
    }

    /// The second form of `write_tokens`. Another has the lease, so another has the same token.
    fn try_store_late(&mut self, holder: &Holder, token: Token, model: &Model) -> bool {
        let stands = !model.has(Rule::IncarnationIsMine) || self.grant.incarnation == holder.incarnation;
        let may = model.has(Rule::LateHolderMayWrite) && stands && self.grant.generation == holder.spending;
        if may {
            self.store(holder, token, model.has(Rule::SuccessKeepsDoubt));
        }
        may
    }

    fn store(&mut self, holder: &Holder, token: Token, maybe_spent: bool) {
        self.grant = Grant {
            generation: self.grant.generation + 1,
            status: Status::Active,
            refresh_token: Some(token),
            access_token: Some(holder.owner),
            fresh: true,
            pausing: false,
            maybe_spent,
            failures: 0,
            ..self.grant
        };
    }

    /// `write_failure`.
    fn try_note(&mut self, holder: &Holder, failure: Failure, model: &Model) -> bool {
        let unmoved = self.grant.generation == holder.spending || !model.has(Rule::FailureOnGenerationSpent);
        if !(self.is_mine(holder, model) && unmoved) {
            return false;
        }
        let terminal = failure == Failure::Terminal;
        let may_have_spent = match failure {
            Failure::Terminal | Failure::Client => false,
            Failure::Ambiguous => true,
            Failure::Transient => model.has(Rule::ServerErrorMaySpend),
        };
        self.grant = Grant {
            status: if terminal { Status::Reauthorize } else { Status::Failing },
            pausing: !terminal,
            maybe_spent: (holder.maybe_spent && model.has(Rule::FailureKeepsDoubt)) || may_have_spent,
            failures: self.grant.failures + 1,
            lease: None,
            ..self.grant
        };
        true
    }

    /// `write_unbegun`.
    fn try_note_unbegun(&mut self, seen: &Grant, model: &Model) {
        let now = self.grant;
        let unchanged = (now.incarnation, now.generation) == (seen.incarnation, seen.generation);
        let failures = !model.has(Rule::UnbegunOnFailuresSeen) || now.failures == seen.failures;
        if unchanged && failures && !now.is_leased() {
            self.grant = Grant {
                status: Status::Failing,
                pausing: true,
                maybe_spent: seen.maybe_spent,
                failures: now.failures + 1,
                ..now
            };
        }
    }

    /// `release_lease`; with the journal it is made to lapse instead.
    fn release(&mut self, owner: Owner, journal: bool) {
        if let Some(lease) = self.grant.lease.filter(|lease| lease.owner == owner) {
            self.grant.lease = journal.then_some(Lease { until: lease.until + 1, lapsed: true, ..lease });
        }
    }
}
