//! A run in words, for whoever has to understand what the checker found.

use crate::{
    protocol::Step,
    provider::{Answer, Standing},
    state::{Failure, Grant, Owner, PROCESSES, Phase, State, Status},
};

pub(crate) type Names = [char; PROCESSES];

/// One step of a run: what happened, and what the grant is like afterwards.
pub(crate) fn sentence(step: Step, before: &State, after: &State, names: &Names) -> String {
    format!("{:<78} | {}", deed(step, before, after, names), item(&after.grant, names))
}

fn deed(step: Step, before: &State, after: &State, names: &Names) -> String {
    use Step::*;
    let name = |process: u8| names[usize::from(process)];
    let then = |process: u8| intention(after.phase(process));
    match step {
        Starts(p) => format!("{} reads the grant, and {}", name(p), then(p)),
        TakesLease(p) => format!("{} writes its lease, and {}", name(p), then(p)),
        TakesLeaseUnawares(p) => format!("{} writes its lease, but the answer to the write is lost", name(p)),
        LeasesAndEnds(p) => {
            format!("{} writes its lease, gets no answer to the write, and ends with 503", name(p))
        }
        ExchangesUnleased(p) => format!("{} has waited long enough, and goes on without the lease", name(p)),
        LooksAgain(p) => format!("{} sees a change, reads the grant, and {}", name(p), then(p)),
        Sends(p) => {
            let token = before.phase(p).holder().map(|holder| holder.token.to_string());
            format!("{} sends refresh token {}", name(p), token.unwrap_or_default())
        }
        FailsToPrepare(p) => format!(
            "{} can't read the client's secret: notes that, if nothing moved, and {}",
            name(p),
            then(p)
        ),
        IsTooLate(p) => format!("{} has too little time left, and gives its lease back", name(p)),
        GivesBack(p) => format!("{} gives its lease back, and {}", name(p), then(p)),
        FailsToGiveBack(p) => format!("{} fails to give its lease back, and {}", name(p), then(p)),
        Renews(p) => format!("{} renews its lease, late", name(p)),
        ProviderLooks(p) => match after.phase(p) {
            Phase::Listen(_, Some(Answer::Tokens(token))) => {
                format!("the provider takes {}'s token and gives {token}", name(p))
            }
            _ => {
                let ended = after.provider.families.iter().zip(before.provider.families);
                let reuse = ended.into_iter().any(|(now, before)| now.standing != before.standing);
                let why = if reuse { ", spent before: it ends the family" } else { "" };
                format!("the provider refuses {}'s token{why}", name(p))
            }
        },
        ProviderRefusesClient(p) => format!("the provider turns {}'s client away", name(p)),
        TriesNewerSecret(p) => format!("{} finds a newer secret, and sends the same token again", name(p)),
        ProviderFails(p) => format!("the provider answers {} with a 5xx, and has done nothing", name(p)),
        GatewayFails(p) => format!("the provider takes {}'s token; its gateway answers with a 5xx", name(p)),
        ProviderLooksAtOrphan(token) => {
            let ended = before.provider.is_spent(token) && !after.provider.is_good(token);
            let reuse = ended
                && after.provider.families[usize::from(token.family)].standing == Standing::EndedByReuse;
            let how = if reuse { ", spent before: it ends the family" } else { "" };
            format!("the provider comes to a request that nobody listens for, with {token}{how}")
        }
        Listens(p) => format!("{} gets the answer, and {}", name(p), then(p)),
        GivesUpListening(p) => format!("{} gets no answer, and {}", name(p), then(p)),
        Stores(p) => format!("{} writes its tokens under its lease, and {}", name(p), then(p)),
        FailsToStore(p) => format!("{} fails to write its tokens, and gives up", name(p)),
        StoresUnawares(p) | StoresLateUnawares(p) => {
            format!("{} writes its tokens, but the answer to the write is lost", name(p))
        }
        StoresLate(p) => {
            format!("{} writes its tokens for want of a newer generation, and {}", name(p), then(p))
        }
        FailsToStoreLate(p) => format!("{} fails to write its tokens, and tries again", name(p)),
        Revokes(p) => format!("{} revokes what it got, and {}", name(p), then(p)),
        Notes(p) => format!("{} notes the failure, if nothing moved, and {}", name(p), then(p)),
        NotesUnawares(p) => format!("{} notes the failure, but the answer to the write is lost", name(p)),
        FailsToNote(p) => format!("{} fails to note the failure, and ends with 503", name(p)),
        NotesAndEnds(p) => {
            format!("{} notes the failure, gets no answer to the write, and ends with 503", name(p))
        }
        Crashes(p) => format!("{} crashes", name(p)),
        LeaseLapses => "the lease lapses while its holder is at work".to_owned(),
        AbandonedLeaseLapses => "the lease lapses; nobody holds it any more".to_owned(),
        TokenExpires => "the access token expires".to_owned(),
        PauseEnds => "the pause after the failure is over".to_owned(),
        PersonSignsIn => "a person signs in anew at the provider".to_owned(),
        SignInReads => "the sign-in reads the grant".to_owned(),
        SignInWrites => "the sign-in writes the grant, if nothing moved".to_owned(),
        SignInWritesUnawares => {
            "the sign-in writes the grant, but the answer to the write is lost".to_owned()
        }
        SignInEndsUnawares => "the sign-in writes the grant, gets no answer, and is out of time".to_owned(),
        SignInRevokes => "the sign-in revokes its tokens".to_owned(),
        DisconnectReads => "a person disconnects: the grant is read".to_owned(),
        DisconnectWrites => "the disconnect leaves a tombstone".to_owned(),
        DisconnectRevokes => "the disconnect revokes the token that was stored".to_owned(),
    }
}

fn intention(phase: &Phase) -> &'static str {
    match phase {
        Phase::Idle | Phase::Ended | Phase::Crashed => "is done",
        Phase::Lease(seen) if seen.lease.is_some() => "wants the lease, which has lapsed",
        Phase::Lease(_) => "wants the lease",
        Phase::Wait(_) => "waits",
        Phase::Send(holder) if holder.maybe_spent => "has it; the token may be spent",
        Phase::Send(_) => "has it",
        Phase::Listen(..) => "listens",
        Phase::Store(..) => "has tokens to write",
        Phase::StoreLate(..) => "finds that it is not its own any more",
        Phase::Revoke(..) => "finds the grant gone",
        Phase::Note(_, Failure::Terminal) => "has a refusal to note",
        Phase::Note(..) => "has a failure to note",
        Phase::GiveBack(..) => "has a lease to give back",
    }
}

fn item(grant: &Grant, names: &Names) -> String {
    let name = |owner: Owner| names[usize::from(owner.process)];
    let mut text = format!("incarnation {} generation {}", grant.incarnation, grant.generation);
    let status = match grant.status {
        Status::Active => " active",
        Status::Failing => " failing",
        Status::Reauthorize => " reauthorize",
        Status::Disconnected => " disconnected",
    };
    text.push_str(status);
    if let Some(token) = grant.refresh_token {
        text.push_str(&format!(" {token}"));
    }
    if grant.maybe_spent {
        text.push_str(" maybe-spent");
    }
    if let Some(lease) = grant.lease {
        let lapsed = if lease.lapsed { "lapsed " } else { "" };
        text.push_str(&format!(" {lapsed}lease {}{}", name(lease.owner), lease.owner.attempt + 1));
    }
    text
}
