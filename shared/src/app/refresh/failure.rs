//! What a failed exchange means: for the grant, for the next attempt, and in words for whoever asked.

use std::time::Duration;

use super::{Attempt, Failed, Pass, tokens::jitter};
use crate::{
    app::{Bifrost, lookup::Reached},
    model::{
        Code, Problem, Timestamp,
        breaker::Verdict,
        connection::{Flow, LastError},
        dialect::RefreshTokenRules,
        failure::FailureClass,
        grant::{Grant, GrantStatus, Refusal, Warning, backoff},
    },
    store::grants::{FailedExchange, Holder, NextAttempt, Written},
};

/// A provider that asks for a longer pause than this gets no more than this.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(24 * 3600);

impl Bifrost {
    /// Step 6.
    pub(super) async fn note_failure(
        &self,
        reached: &Reached,
        holder: &Holder,
        pass: Pass,
        failed: Failed,
    ) -> Result<Attempt, Problem> {
        let (connection, now) = (&reached.connection, Timestamp::now());
        let flow = reached.flow();
        let error = LastError::of(&failed.failure, now);
        tracing::warn!(
            grant = %holder.grant, connection = %connection.id, code = failed.failure.code, detail = error.detail,
            "a refresh failed"
        );
        let verdict = match failed.failure.class {
            FailureClass::Client => Verdict::Refused(&error),
            FailureClass::Terminal if flow == Flow::AuthorizationCode => Verdict::Accepted,
            _ => Verdict::Unknown,
        };
        let concerns_client = matches!(verdict, Verdict::Refused(_));
        let paused = self.note_verdict(connection, pass, verdict).await.filter(|_| concerns_client);
        let rules = &connection.settings.dialect.refresh_token;
        let noted = failed_exchange(flow, rules, &failed, paused.is_some(), now);
        let grant = match self.store.write_failure(&reached.grant_key, holder, &noted, now).await? {
            Written::Done(grant) => Some(grant),
            Written::Forestalled(grant) => {
                self.give_back_lease(reached, holder, grant.as_deref()).await;
                grant
            }
        };
        Ok(match paused {
            Some(paused) => Attempt::Paused(grant, paused),
            None => Attempt::Moved(grant),
        })
    }

    /// What could not even begin is a failure too: noted, so that people see it and the sweep does not try every minute.
    /// Nothing was spent, so no lease was taken. What passes by itself (DynamoDB, KMS) is not the grant's trouble.
    pub(super) async fn note_unprepared(
        &self,
        reached: &Reached,
        seen: Option<Grant>,
        problem: Problem,
    ) -> Result<Attempt, Problem> {
        let lasting = matches!(problem.code, Code::SecretUnavailable | Code::PlaceholderUnresolved);
        let Some(grant) = seen.filter(|_| lasting) else {
            return Err(problem);
        };
        let now = Timestamp::now();
        let failed = FailedExchange {
            status: GrantStatus::Failing,
            error: LastError {
                code: problem.code.to_string(),
                title: problem.code.title().to_owned(),
                detail: problem.detail.clone(),
                fix: problem.fix.clone(),
                at: now,
            },
            next: NextAttempt::At {
                time: now + backoff(grant.failures + 1, jitter()),
                swept: reached.flow() == Flow::AuthorizationCode,
            },
            maybe_spent: grant.maybe_spent,
        };
        if let Some(cause) = problem.cause_chain() {
            tracing::warn!(grant = %grant.id, code = %problem.code, cause, "a refresh could not begin");
        }
        match self.store.write_unbegun(&reached.grant_key, &grant, &failed, now).await? {
            Written::Done(grant) => Ok(Attempt::Moved(Some(grant))),
            Written::Forestalled(grant) => Ok(Attempt::Moved(grant)),
        }
    }
}

/// What a failure means for the grant, and when the next attempt is due. `with_client`: that is up to the breaker.
fn failed_exchange(
    flow: Flow,
    rules: &RefreshTokenRules,
    failed: &Failed,
    with_client: bool,
    now: Timestamp,
) -> FailedExchange {
    let Failed { failure, sent_at, maybe_spent, failures, good_until } = failed;
    let mut error = LastError::of(failure, now);
    // A client that speaks for itself has nothing that a person could renew by signing in.
    let terminal = failure.class == FailureClass::Terminal && flow == Flow::AuthorizationCode;
    if terminal && *maybe_spent {
        error.detail.push_str(
            " An earlier request with this refresh token got no answer: the provider may have taken the token for spent.",
        );
    }
    let pause = match failure.class {
        FailureClass::Throttled { retry_after: Some(asked) } => asked.min(LONGEST_RETRY_AFTER),
        _ => backoff(*failures, jitter()),
    };
    // It began no earlier than this request, unless one before it may have spent the token: then nobody knows when.
    let grace = rules.reuse_grace.filter(|_| !*maybe_spent).map(Duration::from_secs);
    let grace = grace.and_then(|grace| grace.checked_sub(now.since(*sent_at)));
    let maybe_spent = *maybe_spent || failure.may_have_spent_the_token();
    let pause = match (maybe_spent, grace, good_until) {
        // A used token works again, but not for long.
        (true, Some(left), _) => pause.min(left / 2),
        // A second use would end the access token that is still good.
        (true, None, Some(good_until)) if rules.reuse_revokes => pause.max(good_until.since(now)),
        _ => pause,
    };
    FailedExchange {
        status: if terminal { GrantStatus::Reauthorize } else { GrantStatus::Failing },
        error,
        next: match () {
            () if terminal => NextAttempt::Never,
            () if with_client => NextAttempt::WithTheClient,
            () => NextAttempt::At { time: now + pause, swept: flow == Flow::AuthorizationCode },
        },
        maybe_spent,
    }
}

pub(super) fn refusal_problem(grant: Option<&Grant>, flow: Flow, refusal: &Refusal) -> Problem {
    let last = grant.and_then(|grant| grant.last_error.as_ref());
    match (refusal, last) {
        (Refusal::NotConnected, _) => Problem::new(Code::NotConnected, Code::NotConnected.title()),
        (Refusal::Reauthorize, Some(error)) => error.problem(Code::Reauthorize),
        (Refusal::Reauthorize, None) => {
            let detail = "The token has expired, and the provider gave no refresh token to renew it with.";
            Problem::new(Code::Reauthorize, detail)
        }
        (Refusal::Failing { retry_after }, Some(error)) => {
            let class = FailureClass::of_code(&error.code);
            let client = class == Some(FailureClass::Client) || error.code == "unauthorized_client";
            // Ours have hyphens (see `Failure::code`); of the providers' some only ask for patience.
            let refused = match class {
                Some(class) => {
                    matches!(class, FailureClass::Terminal | FailureClass::Client | FailureClass::Setup)
                }
                None => !error.code.contains('-'),
            };
            let code = match (client, refused && flow == Flow::ClientCredentials) {
                (true, _) => Code::ClientRejected,
                (_, true) => Code::ProviderRefused,
                _ => Code::ProviderUnavailable,
            };
            error.problem(code).retry_after(*retry_after)
        }
        (Refusal::Failing { retry_after }, None) => {
            Problem::new(Code::ProviderUnavailable, "The last refresh failed.").retry_after(*retry_after)
        }
    }
}

pub(super) fn failing_text(error: &LastError) -> String {
    format!("Refreshing fails ({}: {}); this token is still good.", error.code, error.title)
}

pub(super) fn warning_text(warning: &Warning, grant: &Grant) -> String {
    match (warning, &grant.last_error) {
        (Warning::Failing, Some(error)) => failing_text(error),
        (Warning::Failing, None) => "Refreshing fails; this token is still good.".to_owned(),
        (Warning::NoRefreshToken, _) => {
            "There is no refresh token: reconnect before this token expires.".to_owned()
        }
        (Warning::ForcedRecently, _) => {
            "This token was refreshed less than 30 s ago and is the current one.".to_owned()
        }
    }
}
