//! The scheduled sweep: refreshes grants before requests have to wait for it.
//!
//! It reads what is due, shard by shard, and sends it as [`board`] says, with a bound for all and one for each
//! provider's host. What is wrong with one grant, connection, host or shard is nobody else's trouble. It begins nothing
//! that it could not finish, and says what it leaves: the next minute's sweep finds it where it was.
//!
//! By the way it counts the client secrets that are about to expire, which one query of the same index tells.

mod board;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};
use tokio::task::{Id as TaskId, JoinError, JoinSet};

use super::{Bifrost, Deadline, lookup::Reached, overview, refresh::Mishap};
use crate::{
    model::{
        Code, Problem, Scope, Timestamp,
        breaker::{Breaker, Gate},
        connection::{Connection, EXPIRY_WARNINGS, days_long},
        failure::FailureClass,
        grant::{Grant, GrantStatus, Want},
    },
    store::{
        Batch, ItemKey,
        breakers::BreakerItem,
        grants::{DuePage, DuePosition},
        keys::SHARDS,
    },
};
use board::{Added, Board, Job, Lesson};

/// How many grants are under way at once; each waits for its provider most of the time.
const CONCURRENCY: usize = 96;
/// A refresh may not begin with less than 55 s left; so the sweep stops looking for work a little before.
const STOP_BEFORE: Duration = Duration::from_secs(56);
/// What is left is counted for as long as there is no risk in it.
const STOP_COUNTING_BEFORE: Duration = Duration::from_secs(10);
/// How long the table may take to add a sweep up, and what must be left for that.
const PATIENCE_TO_ADD: Duration = Duration::from_secs(2);
const STOP_ADDING_BEFORE: Duration = Duration::from_secs(4);
/// How many keys of due grants are read at a time: 100 kB.
const PAGE: i32 = 500;
/// How many of those that expire are named in the log.
const SOONEST: usize = 20;
/// How often the board is looked at while nothing happens.
const LOOK: Duration = Duration::from_millis(500);

/// What EventBridge sends: which shards to sweep, first and last included.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SweepOrder {
    pub shards: Shards,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shards {
    pub first: u16,
    pub last: u16,
}

/// What a sweep did. `due` is the sum of the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SweepReport {
    /// Found due.
    pub due: u64,
    pub refreshed: u64,
    pub failed: u64,
    /// Refreshed by someone else meanwhile, of a connection that is gone, or of one whose client the provider does not
    /// accept.
    pub skipped: u64,
    /// Left for the next sweep, for want of time or because the provider asked for a pause.
    pub remaining: u64,
}

/// A sweep's report, and what it is made of.
#[derive(Debug, Default)]
pub struct Sweep {
    pub report: SweepReport,
    /// By [`label`].
    pub providers: BTreeMap<String, Tally>,
    /// A shard that could not be read or counted: the report says less than there is.
    pub trouble: Option<Problem>,
    /// Told by the sweep that has the first shard, so that it is told once a minute.
    pub expiring: Option<Expiring>,
}

/// How many connections' clients have nothing to prove themselves with soon.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Expiring {
    /// Within so many days, each of [`EXPIRY_WARNINGS`]; those within fewer days are among those within more.
    pub within: [u64; EXPIRY_WARNINGS.len()],
    /// Since 30 days at most: an older one is nobody's any more.
    pub expired: u64,
    /// The keys of those that are next, or over, for whoever looks for them.
    pub soonest: Vec<String>,
}

impl Sweep {
    /// The report, unless it says less than there is: then the run counts as failed, so that it is noticed.
    pub fn into_report(self) -> Result<SweepReport, Problem> {
        self.trouble.map_or(Ok(self.report), Err)
    }
}

/// How the grants of one provider fared.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub refreshed: u64,
    /// By class of error, as [`FailureClass::as_str`] has it; `unprepared` where no request was made.
    pub failed: BTreeMap<&'static str, u64>,
}

impl Tally {
    fn note(&mut self, swept: Swept) {
        match swept {
            Swept::Refreshed => self.refreshed += 1,
            Swept::Failed(class, _) => *self.failed.entry(class).or_default() += 1,
            Swept::HeldBack | Swept::Skipped | Swept::OutOfTime => {}
        }
    }
}

/// What came of one grant.
#[derive(Clone, Copy, Debug)]
enum Swept {
    Refreshed,
    Failed(&'static str, Lesson),
    /// Its connection's breaker holds it back.
    HeldBack,
    Skipped,
    OutOfTime,
}

/// Where no request was made: something of ours is missing or broken.
const UNPREPARED: Swept = Swept::Failed("unprepared", Lesson::None);

impl Bifrost {
    /// Fails only for an order that makes no sense.
    pub async fn sweep(self: Arc<Self>, order: SweepOrder, deadline: Deadline) -> Result<Sweep, Problem> {
        let Shards { first, last } = order.shards;
        if first > last || last >= SHARDS {
            return Err(Problem::invalid("shards", format!("must lie between 0 and {}", SHARDS - 1)));
        }
        // Beginning anywhere: when there is more than a sweep can do, it is not always the same shards that go short.
        let count = last - first + 1;
        let start = (uuid::Uuid::new_v4().as_fields().0 % u32::from(count)) as u16;
        let shards = (0..count).map(|turn| first + (start + turn) % count).collect();
        let now = Timestamp::now();
        let run = Run {
            bifrost: Arc::clone(&self),
            deadline,
            now,
            unread: Unread { shards, after: None },
            board: Board::default(),
            labels: HashMap::new(),
            tasks: JoinSet::new(),
            under_way: HashMap::new(),
            done: Sweep::default(),
        };
        let expiring = if first == 0 { self.expiring(now).await } else { None };
        // In a box, because futures within futures are types within types, and the compiler's patience is finite.
        let sweep = Box::pin(run.finished()).await;
        self.add_up(sweep.report, deadline).await;
        Ok(Sweep { expiring, ..sweep })
    }

    /// Adds the sweep to its hour, for people to look at. It is over, and right, whether or not that works.
    async fn add_up(&self, report: SweepReport, deadline: Deadline) {
        let SweepReport { refreshed, failed, .. } = report;
        if refreshed + failed == 0 || deadline.remaining() < STOP_ADDING_BEFORE {
            return;
        }
        let hour = overview::hour_of(Timestamp::now());
        let adding = self.store.add_to_swept_hour(hour, refreshed, failed);
        match tokio::time::timeout(PATIENCE_TO_ADD, adding).await {
            Ok(Ok(())) => {}
            Ok(Err(problem)) => {
                tracing::warn!(cause = problem.cause_chain(), "the sweep is missing in its hour's sum");
            }
            Err(_) => tracing::warn!("the sweep is missing in its hour's sum: the table did not answer"),
        }
    }

    /// That it can't be told now is no reason to fail: the next minute's sweep tells it.
    async fn expiring(&self, now: Timestamp) -> Option<Expiring> {
        let [.., longest] = EXPIRY_WARNINGS.map(days_long);
        let found = self.store.expiries(now - longest, now + longest).await;
        let found = found.inspect_err(|problem| {
            tracing::warn!(cause = problem.cause_chain(), "which client secrets expire was not read");
        });
        let mut expiring = Expiring::default();
        for expiry in found.ok()? {
            if expiring.soonest.len() < SOONEST {
                expiring.soonest.push(expiry.key.to_string());
            }
            if expiry.at() <= now {
                expiring.expired += 1;
                continue;
            }
            for (count, days) in expiring.within.iter_mut().zip(EXPIRY_WARNINGS) {
                *count += u64::from(expiry.at() <= now + days_long(days));
            }
        }
        Some(expiring)
    }
}

/// A sweep under way.
struct Run {
    bifrost: Arc<Bifrost>,
    deadline: Deadline,
    /// What is due by then.
    now: Timestamp,
    unread: Unread,
    board: Board,
    /// Of the connections met so far.
    labels: HashMap<ItemKey, String>,
    tasks: JoinSet<Swept>,
    /// The connection that each task is about.
    under_way: HashMap<TaskId, ItemKey>,
    done: Sweep,
}

/// The part of the order that is still to be read.
struct Unread {
    /// The last is the next.
    shards: Vec<u16>,
    /// Where to go on in the next.
    after: Option<DuePosition>,
}

impl Run {
    async fn finished(mut self) -> Sweep {
        loop {
            self.send();
            if self.has_time() && self.board.has_room() && !self.unread.shards.is_empty() {
                self.read().await;
                while let Some(done) = self.tasks.try_join_next_with_id() {
                    self.finish(done);
                }
                continue;
            }
            if self.tasks.is_empty() {
                break;
            }
            if let Ok(Some(done)) = tokio::time::timeout(LOOK, self.tasks.join_next_with_id()).await {
                self.finish(done);
            }
        }
        let waiting = self.board.waiting() as u64;
        self.leave(waiting);
        self.count_unread().await;
        self.done
    }

    fn has_time(&self) -> bool {
        self.deadline.remaining() >= STOP_BEFORE
    }

    fn send(&mut self) {
        while self.tasks.len() < CONCURRENCY
            && self.has_time()
            && let Some(Job { grant, connection }) = self.board.next(Instant::now())
        {
            let (bifrost, deadline) = (Arc::clone(&self.bifrost), self.deadline);
            let task = self.tasks.spawn(async move { bifrost.sweep_one(&grant, deadline).await });
            self.under_way.insert(task.id(), connection);
        }
    }

    /// A page of due grants, onto the board.
    async fn read(&mut self) {
        let Some(shard) = self.unread.shards.last().copied() else { return };
        let after = self.unread.after.take();
        let DuePage { keys, next } = match self.bifrost.store.due_grants(shard, self.now, after, PAGE).await {
            Ok(page) => page,
            Err(problem) => return self.give_up_shard(problem),
        };
        self.unread.after = next;
        if self.unread.after.is_none() {
            self.unread.shards.pop();
        }
        self.done.report.due += keys.len() as u64;
        let jobs: Vec<Job> = keys.into_iter().filter_map(|key| self.job(key)).collect();
        let strangers: BTreeSet<_> = jobs.iter().map(|job| &job.connection).collect();
        let strangers = strangers.into_iter().filter(|connection| !self.board.knows(connection)).cloned();
        self.introduce(strangers.collect()).await;
        for job in jobs {
            match self.board.add(job) {
                Added::Waiting => {}
                Added::HeldBack => self.done.report.skipped += 1,
                Added::NoRoom => self.done.report.remaining += 1,
            }
        }
    }

    fn job(&mut self, key: Result<ItemKey, Problem>) -> Option<Job> {
        let job = key.and_then(|grant| {
            let parts = grant.grant_parts();
            let (_, connection) =
                parts.ok_or_else(|| Problem::internal(format!("{grant} is no key of a grant")))?;
            Ok(Job { grant, connection })
        });
        job.inspect_err(|problem| {
            tracing::error!(cause = problem.cause_chain(), "something due is no grant");
            self.done.report.failed += 1;
        })
        .ok()
    }

    /// Looks at connections that the board has not met. One that can't be read is met all the same: its grants say what
    /// is wrong with it.
    async fn introduce(&mut self, connections: Vec<ItemKey>) {
        let mut batch = Batch::default();
        for key in &connections {
            batch.data(key.clone());
            key.breaker_of_connection().map(|breaker| batch.data(breaker));
        }
        let mut found = self.bifrost.store.read(batch).await.unwrap_or_else(|problem| {
            tracing::warn!(cause = problem.cause_chain(), "connections are not looked at together");
            Default::default()
        });
        for key in connections {
            let connection: Option<Connection> = found.take(&key).ok().flatten();
            let breaker = key.breaker_of_connection().and_then(|key| found.take::<BreakerItem>(&key).ok()?);
            let Some(connection) = connection else {
                self.board.introduce(key, "", false);
                continue;
            };
            let gate = Breaker::gate(breaker.map(|item| item.breaker).as_ref(), &connection, self.now);
            let held_back = matches!(gate, Gate::Closed(_));
            self.board.introduce(key.clone(), host(&connection), held_back);
            self.labels.insert(key, label(&connection));
        }
    }

    fn finish(&mut self, done: Result<(TaskId, Swept), JoinError>) {
        // Where panics unwind, one concerns its grant alone. What is deployed aborts (see the release profile): Lambda
        // starts anew, and the leases that lapse say which tokens may have been spent.
        let (task, swept) = done.unwrap_or_else(|panicked| (panicked.id(), UNPREPARED));
        let Some(connection) = self.under_way.remove(&task) else { return };
        let report = &mut self.done.report;
        if let (Some(label), Swept::Refreshed | Swept::Failed(..)) = (self.labels.get(&connection), swept) {
            self.done.providers.entry(label.clone()).or_default().note(swept);
        }
        let lesson = match swept {
            Swept::Refreshed => {
                report.refreshed += 1;
                Lesson::Accepted
            }
            Swept::Failed(_, lesson) => {
                report.failed += 1;
                lesson
            }
            Swept::HeldBack => {
                report.skipped += 1;
                Lesson::HeldBack
            }
            Swept::Skipped => {
                report.skipped += 1;
                Lesson::None
            }
            Swept::OutOfTime => {
                report.remaining += 1;
                Lesson::None
            }
        };
        report.skipped += self.board.finish(&connection, lesson, Instant::now());
    }

    fn leave(&mut self, count: u64) {
        self.done.report.remaining += count;
    }

    /// What there was no time or room to read is counted, so that whoever sizes the schedules knows it.
    async fn count_unread(&mut self) {
        while let Some(shard) = self.unread.shards.last().copied() {
            if self.deadline.remaining() < STOP_COUNTING_BEFORE {
                let shards = self.unread.shards.len();
                return tracing::warn!(
                    shards,
                    "more remains than is reported: there was no time to count it"
                );
            }
            let after = self.unread.after.take();
            match self.bifrost.store.count_due_grants(shard, self.now, after).await {
                Ok((count, next)) => {
                    self.done.report.due += count;
                    self.leave(count);
                    self.unread.after = next;
                    if self.unread.after.is_none() {
                        self.unread.shards.pop();
                    }
                }
                Err(problem) => self.give_up_shard(problem),
            }
        }
    }

    fn give_up_shard(&mut self, problem: Problem) {
        let shard = self.unread.shards.pop();
        self.unread.after = None;
        tracing::error!(shard, cause = problem.cause_chain(), "a shard can't be read");
        self.done.trouble = Some(problem);
    }
}

impl Bifrost {
    /// One grant; whatever is wrong with it is nobody else's trouble.
    async fn sweep_one(&self, key: &ItemKey, deadline: Deadline) -> Swept {
        self.try_sweep_one(key, deadline).await.unwrap_or_else(|problem| {
            let cause = problem.cause_chain();
            tracing::warn!(grant = %key, code = %problem.code, detail = problem.detail, cause, "not refreshed");
            UNPREPARED
        })
    }

    async fn try_sweep_one(&self, key: &ItemKey, deadline: Deadline) -> Result<Swept, Problem> {
        let (scope, connection_key) =
            key.grant_parts().ok_or_else(|| Problem::internal("no key of a grant"))?;
        let breaker_key = connection_key.breaker_of_connection();
        let mut batch = Batch::default();
        batch.data(key.clone()).data(connection_key.clone());
        breaker_key.clone().map(|key| batch.data(key));
        let scopes = [scope, Scope::Global];
        let scopes = if scope == Scope::Global { &scopes[..1] } else { &scopes[..] };
        self.vault.want(scopes, &mut batch);
        let mut found = self.store.read(batch).await?;
        self.vault.learn(scopes, &mut found).await?;
        let Some(grant) = found.take::<Grant>(key)? else {
            return Ok(Swept::Skipped);
        };
        let connection = found.take::<Connection>(&connection_key)?;
        let Some(connection) = connection.filter(|connection| connection.id == grant.connection_id) else {
            self.store.forget_due_grant(key, &grant).await?;
            return Ok(Swept::Skipped);
        };
        // Whoever is at it is as good as we are.
        if grant.is_leased(Timestamp::now()) {
            return Ok(Swept::Skipped);
        }
        if deadline.remaining() < STOP_BEFORE {
            return Ok(Swept::OutOfTime);
        }
        let breaker: Option<BreakerItem> =
            breaker_key.and_then(|key| found.take(&key).transpose()).transpose()?;
        let reached = Reached {
            connection,
            grant_scope: scope,
            grant_key: key.clone(),
            grant: Some(grant),
            mint_at: None,
            breaker: Some(breaker.map(|item| item.breaker)),
            source: None,
        };
        let mut mishap = None;
        let usable = self.pursue(&reached, Want::Due, deadline, &mut mishap).await;
        Ok(match (mishap, usable) {
            (_, Ok(usable)) if usable.exchanged => Swept::Refreshed,
            (Some(Mishap::Paused), _) => Swept::HeldBack,
            (Some(Mishap::Failed(class)), _) => Swept::Failed(class.as_str(), lesson(class)),
            (None, Ok(usable)) => match usable.grant.status {
                GrantStatus::Failing | GrantStatus::Reauthorize => UNPREPARED,
                _ => Swept::Skipped,
            },
            (None, Err(problem)) if problem.code == Code::RefreshInProgress => Swept::OutOfTime,
            (None, Err(problem)) => return Err(problem),
        })
    }
}

fn lesson(class: FailureClass) -> Lesson {
    match class {
        // The grant is refused, so the client was not.
        FailureClass::Terminal => Lesson::Accepted,
        FailureClass::Throttled { retry_after } => Lesson::Throttled(retry_after),
        // Whether this holds the others back, the breaker knows; the next one asks it.
        FailureClass::Client => Lesson::None,
        FailureClass::Setup | FailureClass::Transient | FailureClass::Ambiguous | FailureClass::Malformed => {
            Lesson::None
        }
    }
}

/// Placeholders in a host tell tenants apart, not providers; so the template's text does.
fn host(connection: &Connection) -> &str {
    let url = connection.settings.token_url.as_str();
    url.split("://").nth(1).and_then(|rest| rest.split(['/', '?']).next()).unwrap_or(url)
}

/// What a provider is called in metrics, where every name costs money: its preset, or its host as the platform's own
/// connections have it. Organizations may connect whatever they like, so what is theirs has one name.
fn label(connection: &Connection) -> String {
    match (&connection.settings.provider, connection.scope) {
        (Some(preset), _) => preset.clone(),
        (None, Scope::Global) => host(connection).to_owned(),
        (None, Scope::Organization(_)) => "of organizations".to_owned(),
    }
}
