//! The rules one by one, and then every order in which three exchanges, a person and chance can use them.

use std::{collections::HashSet, rc::Rc};

use serde_json::json;

use super::*;
use crate::model::{Scope, connection::NewConnection, input::Field, url_template::Rules};

fn connection(token_url: &str) -> Connection {
    let body = json!({
        "name": "Halo", "flow": "client_credentials", "client_id": "abc", "client_secret": "s", "token_url": token_url,
    });
    let rules = Rules { allow_http_loopback: false };
    let new = NewConnection::from_input(serde_json::Map::from_json(body).unwrap(), rules, true).unwrap();
    Connection {
        id: ConnectionId::new(),
        name: new.name,
        scope: Scope::Global,
        settings: new.settings,
        client_secret: None,
        client_secret_next: None,
        client_private_key: None,
        client_public_key: None,
        pending_until: None,
        connect_error: None,
        created_at: at(0),
        updated_at: at(0),
        revision: 1,
    }
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix_seconds(1_800_000_000 + seconds)
}

fn error() -> LastError {
    let text = || "text".to_owned();
    LastError { code: "invalid_client".to_owned(), title: text(), detail: text(), fix: text(), at: at(0) }
}

/// What becomes of a breaker when a tenant's exchange without a probe comes to its end.
fn after(
    seen: Option<&Breaker>,
    connection: &Connection,
    tenant: &str,
    verdict: Verdict<'_>,
) -> Option<Breaker> {
    Breaker::after(seen, Exchange { connection, tenant, prober: None }, verdict, at(0), 1.0)
}

#[test]
fn one_refusal_holds_a_connection_back_until_its_probe() {
    let connection = connection("https://halo.example/token");
    assert_eq!(Breaker::gate(None, &connection, at(0)), Gate::Open);
    let breaker = after(None, &connection, "", Verdict::Refused(&error())).unwrap();
    assert_eq!(Breaker::gate(Some(&breaker), &connection, at(0)), Gate::Closed(FIRST_PAUSE));
    assert_eq!(Breaker::gate(Some(&breaker), &connection, at(30)), Gate::Probe);
    let claimed = breaker.claimed(Uuid::new_v4(), at(30));
    assert_eq!(Breaker::gate(Some(&claimed), &connection, at(31)), Gate::Closed(SOON));
    assert_eq!(Breaker::gate(Some(&claimed), &connection, at(90)), Gate::Probe, "its maker crashed");
}

#[test]
fn an_edit_leaves_the_breaker_behind_and_an_old_exchange_can_not_bring_it_back() {
    let old = connection("https://halo.example/token");
    let breaker = after(None, &old, "", Verdict::Refused(&error())).unwrap();
    let edited = Connection { revision: 2, ..old.clone() };
    assert_eq!(Breaker::gate(Some(&breaker), &edited, at(0)), Gate::Open);
    let newer = after(Some(&breaker), &edited, "", Verdict::Refused(&error())).unwrap();
    assert_eq!(after(Some(&newer), &old, "", Verdict::Refused(&error())), None);
    assert_eq!(after(Some(&newer), &old, "", Verdict::Accepted), None);
}

#[test]
fn one_tenant_that_has_removed_the_app_holds_nobody_else_back() {
    let connection = connection("https://login.example/{entity_id}/token");
    let refused = |seen: Option<&Breaker>, tenant| {
        let next = after(seen, &connection, tenant, Verdict::Refused(&error()));
        next.or(seen.cloned()).unwrap()
    };
    let mut breaker = refused(None, "acme");
    for _ in 0..10 {
        breaker = refused(Some(&breaker), "acme");
    }
    assert_eq!(Breaker::gate(Some(&breaker), &connection, at(0)), Gate::Open);
    let two = refused(Some(&breaker), "globex");
    assert!(refused(Some(&two), "initech").holds(&connection), "three in a row are no coincidence");
    let accepted = after(Some(&two), &connection, "umbrella", Verdict::Accepted).unwrap();
    assert!(!refused(Some(&accepted), "initech").holds(&connection), "they were not in a row");
}

#[test]
fn what_was_under_way_when_the_first_was_refused_says_nothing_new() {
    let connection = connection("https://halo.example/token");
    let breaker = after(None, &connection, "", Verdict::Refused(&error())).unwrap();
    assert_eq!(after(Some(&breaker), &connection, "", Verdict::Refused(&error())), None);
}

#[test]
fn probes_come_later_and_later_and_at_least_every_five_minutes() {
    let connection = connection("https://halo.example/token");
    let mut breaker = after(None, &connection, "", Verdict::Refused(&error())).unwrap();
    let mut pauses = Vec::new();
    for _ in 0..7 {
        let (prober, now) = (Uuid::new_v4(), breaker.probe_at);
        let claimed = breaker.claimed(prober, now);
        let exchange = Exchange { connection: &connection, tenant: "", prober: Some(prober) };
        breaker = Breaker::after(Some(&claimed), exchange, Verdict::Refused(&error()), now, 1.0).unwrap();
        assert_eq!(breaker.probe, None);
        pauses.push(breaker.probe_at.since(now).as_secs());
    }
    assert_eq!(pauses, [60, 120, 240, 300, 300, 300, 300]);
}

// ---------------------------------------------------------------------------------------------------------------------

/// Where an exchange is. Each name says what it does next.
#[derive(Clone, Debug)]
enum Step {
    Read,
    Claim(Rc<Connection>, Breaker),
    Send(Rc<Connection>, Option<Breaker>, Option<Uuid>),
    Note(Rc<Connection>, Option<Breaker>, Option<Uuid>, bool),
    /// Served, or told why not.
    Over,
}

#[derive(Clone)]
struct World {
    connection: Rc<Connection>,
    /// The revision whose secret the provider accepts.
    accepted: u64,
    item: Option<Breaker>,
    exchanges: Vec<Step>,
    now: i64,
    edits: u8,
    waits: u8,
    crashes: u8,
    /// A minute went by, or a maker of a probe crashed.
    troubled: bool,
    /// The mutant: whoever finds the probe due makes it, whoever else has claimed it.
    claims_unseen: bool,
    said: &'static str,
}

impl World {
    fn next(&self) -> Vec<Self> {
        let mut found = Vec::new();
        for index in 0..self.exchanges.len() {
            found.extend(self.step(index));
            if self.crashes > 0 && !matches!(self.exchanges[index], Step::Over | Step::Read) {
                let mut next = self.clone();
                next.exchanges[index] = Step::Over;
                found.push(Self { crashes: self.crashes - 1, said: "crash", ..next });
            }
        }
        if self.edits > 0 {
            let revision = self.connection.revision + 1;
            let connection = Rc::new(Connection { revision, ..Connection::clone(&self.connection) });
            found.push(Self { connection, edits: self.edits - 1, said: "edit", ..self.clone() });
        }
        if self.waits > 0 {
            let (now, waits) = (self.now + 61, self.waits - 1);
            found.push(Self { now, waits, troubled: true, said: "wait", ..self.clone() });
        }
        found
    }

    fn step(&self, index: usize) -> Option<Self> {
        let (mut world, now) = (self.clone(), at(self.now));
        let (said, next) = match self.exchanges[index].clone() {
            Step::Over => return None,
            Step::Read => {
                let (connection, seen) = (self.connection.clone(), self.item.clone());
                match (Breaker::gate(seen.as_ref(), &connection, now), seen) {
                    (Gate::Open, seen) => ("read", Step::Send(connection, seen, None)),
                    (Gate::Probe, Some(seen)) => ("read", Step::Claim(connection, seen)),
                    _ => ("turned away", Step::Over),
                }
            }
            Step::Claim(connection, seen) => {
                let prober = Uuid::new_v4();
                let claimed = seen.claimed(prober, now);
                match world.write(Some(&seen), &claimed) || self.claims_unseen {
                    true => ("claim", Step::Send(connection, Some(claimed), Some(prober))),
                    false => ("forestalled", Step::Over),
                }
            }
            Step::Send(connection, seen, prober) => {
                let accepted = connection.revision == self.accepted;
                ("send", Step::Note(connection, seen, prober, accepted))
            }
            Step::Note(connection, seen, prober, accepted) => {
                let error = error();
                let verdict = if accepted { Verdict::Accepted } else { Verdict::Refused(&error) };
                let exchange = Exchange { connection: &connection, tenant: "", prober };
                match Breaker::after(seen.as_ref(), exchange, verdict, now, 0.5) {
                    Some(next) if !world.write(seen.as_ref(), &next) => {
                        ("read again", Step::Note(connection, self.item.clone(), prober, accepted))
                    }
                    _ => ("note", Step::Over),
                }
            }
        };
        world.exchanges[index] = next;
        world.said = said;
        Some(world)
    }

    /// What `Store::write_breaker` does.
    fn write(&mut self, seen: Option<&Breaker>, next: &Breaker) -> bool {
        let unchanged = self.item.as_ref().map(|item| item.stamp) == seen.map(|seen| seen.stamp);
        if unchanged {
            self.item = Some(next.clone());
        }
        unchanged
    }

    /// Two that differ only in which random numbers they drew are one.
    fn fingerprint(&self) -> Vec<i64> {
        let mut ids = Vec::new();
        let mut id = |id: Option<Uuid>| {
            let Some(id) = id else { return -1 };
            let place = ids.iter().position(|known| *known == id).unwrap_or(ids.len());
            if place == ids.len() {
                ids.push(id);
            }
            place as i64
        };
        let mut breaker = |breaker: Option<&Breaker>| match breaker {
            None => vec![-1],
            Some(Breaker { revision, tenants, refusals, probe_at, probe, stamp, .. }) => {
                let until = probe.as_ref().map_or(0, |probe| probe.until.unix_millis());
                let owner = id(probe.as_ref().map(|probe| probe.owner));
                let counts = [*revision as i64, tenants.len() as i64, i64::from(*refusals)];
                [&counts[..], &[probe_at.unix_millis(), until, owner, id(Some(*stamp))]].concat()
            }
        };
        let mut print = vec![self.connection.revision as i64, self.now, i64::from(self.edits)];
        print.extend([i64::from(self.waits), i64::from(self.crashes), i64::from(self.troubled)]);
        print.extend(breaker(self.item.as_ref()));
        for step in &self.exchanges {
            let (kind, connection, seen, prober) = match step {
                Step::Read => (0, None, None, None),
                Step::Over => (1, None, None, None),
                Step::Claim(connection, seen) => (2, Some(connection), Some(seen), None),
                Step::Send(connection, seen, prober) => (3, Some(connection), seen.as_ref(), *prober),
                Step::Note(connection, seen, prober, accepted) => {
                    (4 + i64::from(*accepted), Some(connection), seen.as_ref(), *prober)
                }
            };
            let own = seen.and_then(|seen| seen.probe.as_ref()).map(|probe| probe.owner) == prober;
            print.extend([kind, connection.map_or(0, |connection| connection.revision as i64)]);
            print.extend([i64::from(prober.is_some()), i64::from(own)]);
            print.extend(breaker(seen));
        }
        print
    }

    /// Requests under way with the connection's present secret, and made since it was known to be refused.
    fn probes(&self) -> usize {
        let probes = |step: &&Step| match step {
            Step::Send(connection, _, Some(_)) | Step::Note(connection, _, Some(_), _) => {
                connection.revision == self.connection.revision
            }
            _ => false,
        };
        self.exchanges.iter().filter(probes).count()
    }
}

/// Everything that can happen from here, each state once; `check` sees every step.
fn explore(first: World, check: impl Fn(&World, &World)) -> usize {
    let mut seen = HashSet::from([first.fingerprint()]);
    let mut open = vec![first];
    while let Some(world) = open.pop() {
        for next in world.next() {
            check(&world, &next);
            if seen.insert(next.fingerprint()) {
                open.push(next);
            }
        }
    }
    seen.len()
}

fn world(item: Option<Breaker>, connection: Connection, now: i64) -> World {
    World {
        connection: Rc::new(connection),
        accepted: 2,
        item,
        exchanges: vec![Step::Read; 3],
        now,
        edits: 1,
        waits: 1,
        crashes: 1,
        troubled: false,
        claims_unseen: false,
        said: "",
    }
}

#[test]
fn however_they_meet_there_is_one_probe_at_a_time_and_an_edit_always_counts() {
    let connection = connection("https://halo.example/token");
    let tripped = after(None, &connection, "", Verdict::Refused(&error())).unwrap();
    let mut states = 0;
    // From the first refusal on, while it is paused, and when the probe is due.
    for (item, now) in [(None, 0), (Some(tripped.clone()), 1), (Some(tripped), 40)] {
        states += explore(world(item, connection.clone(), now), |before, after| {
            assert!(after.probes() <= 1 || after.troubled, "two probes at once");
            let about = |world: &World| world.item.as_ref().map(Breaker::about);
            assert!(about(after) >= about(before), "an old revision has overwritten a new one");
            let edited = before.connection.revision == 2;
            assert!(!(edited && after.said == "turned away"), "turned away although the secret is right");
        });
    }
    assert!(states > 1_000, "{states}");
}

#[test]
fn without_the_condition_on_the_claim_two_would_probe_at_once() {
    let connection = connection("https://halo.example/token");
    let tripped = after(None, &connection, "", Verdict::Refused(&error())).unwrap();
    let found = std::cell::Cell::new(false);
    let mutant = World { claims_unseen: true, ..world(Some(tripped), connection, 40) };
    explore(mutant, |_, after| found.set(found.get() || (after.probes() > 1 && !after.troubled)));
    assert!(found.get());
}
