//! Every cell of the table, asked for with real requests: by a key for each column, about every scope that the cell
//! stands for, in every way that the route has of saying it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bifrost::model::access::matrix::{COLUMNS, Kind, Outcome, RELATIONS, Relation, Row, ScopeFrom};
use bifrost::model::access::{Operation, Role};
use bifrost_tests::{Answer, Api, all_at_once};
use serde_json::json;

use super::house::{GLOBAL, House, Request, Said};

/// A caller of one column.
struct Caller {
    column: usize,
    home: String,
    api: Api,
}

/// What one request was answered, as a mark in the table's notation.
struct Checked {
    cell: (usize, usize),
    expected: char,
    found: char,
    /// The request and its answer.
    text: String,
}

fn mark(outcome: Outcome) -> char {
    match outcome {
        Outcome::Allowed => '+',
        Outcome::Forbidden => '-',
        Outcome::ScopeForbidden => 'x',
        Outcome::Hidden => '?',
        Outcome::NoSuchCase => '.',
    }
}

/// `!` for an answer that no cell stands for.
fn mark_of(answer: &Answer, request: &Request) -> char {
    match (answer.status, answer.body["code"].as_str()) {
        (status, None) if status == request.success => '+',
        (403, Some("forbidden")) => '-',
        (403, Some("scope-forbidden")) => 'x',
        (404, Some("not-found")) => '?',
        _ => '!',
    }
}

/// A key for each column; for a provider's in two organizations.
async fn callers(house: &House) -> Vec<Caller> {
    let mut callers = Vec::new();
    for (column, (kind, role)) in COLUMNS.into_iter().enumerate() {
        let role = match role {
            Role::Admin => bifrost_tests::Role::Admin,
            Role::User => bifrost_tests::Role::User,
            Role::Workflow => bifrost_tests::Role::Workflow,
        };
        let homes = match kind {
            Kind::Platform => {
                let api = house.platform_key(role, json!({})).await;
                callers.push(Caller { column, home: GLOBAL.to_owned(), api });
                &[]
            }
            Kind::Provider => &house.providers[..],
            Kind::Managed => &house.managed[..1],
        };
        for home in homes {
            callers.push(Caller { column, home: home.id.clone(), api: house.app.key(role, home).await });
        }
    }
    callers
}

impl Caller {
    fn relation(&self, scope: &str) -> Relation {
        match scope {
            own if own == self.home => Relation::Own,
            GLOBAL => Relation::Global,
            _ => Relation::Other,
        }
    }

    /// The scopes that have this relation to the caller: of organizations a provider's and a managed one.
    fn scopes(&self, house: &House, relation: Relation) -> Vec<String> {
        let others = |organizations: &[bifrost_tests::Organization]| {
            organizations.iter().map(|organization| organization.id.clone()).find(|id| *id != self.home)
        };
        match relation {
            Relation::Own => vec![self.home.clone()],
            Relation::Global => vec![GLOBAL.to_owned()],
            Relation::Other => {
                [others(&house.providers), others(&house.managed)].into_iter().flatten().collect()
            }
        }
    }
}

/// The ways in which a request can say that it is about this scope.
fn ways(from: ScopeFrom, relation: Relation, scope: &str) -> Vec<Said> {
    let unsaid = (relation == Relation::Own).then_some(Said::Nothing);
    let by_grant = (scope != GLOBAL).then_some(Said::Grant);
    match from {
        ScopeFrom::NoCaller => vec![],
        ScopeFrom::Nothing => vec![Said::Nothing],
        ScopeFrom::Query => [Some(Said::Named), unsaid].into_iter().flatten().collect(),
        ScopeFrom::Grant => [Some(Said::Named), unsaid, by_grant].into_iter().flatten().collect(),
        // A key must say that it is one of the platform.
        ScopeFrom::NewKey => {
            [Some(Said::Named), unsaid.filter(|_| scope != GLOBAL)].into_iter().flatten().collect()
        }
        ScopeFrom::Path | ScopeFrom::Key => vec![Said::Named],
    }
}

/// All that a row says, asked for.
async fn check(house: Arc<House>, callers: Arc<Vec<Caller>>, operation: Operation) -> Vec<Checked> {
    let row = Row::of(operation);
    let mut checked = Vec::new();
    for caller in callers.iter() {
        let (kind, role) = COLUMNS[caller.column];
        for (place, relation) in RELATIONS.into_iter().enumerate() {
            let outcome = row.outcome(kind, role, relation);
            if outcome == Outcome::NoSuchCase {
                continue;
            }
            for scope in caller.scopes(&house, relation) {
                for said in ways(row.scope_from, relation, &scope) {
                    let request = house.request(operation, &scope, said).await;
                    let answer = request.by(&caller.api).await;
                    checked.push(Checked {
                        cell: (caller.column, place),
                        expected: mark(outcome),
                        found: mark_of(&answer, &request),
                        text: format!(
                            "{kind:?} {role} {relation:?}: {request} -> {} {}",
                            answer.status, answer.text
                        ),
                    });
                }
            }
        }
    }
    checked
}

/// A row as it was found, in the table's notation; `!` also where one cell was answered differently.
fn drawn(checked: &[Checked]) -> String {
    let mut found: BTreeMap<(usize, usize), BTreeSet<char>> = BTreeMap::new();
    for one in checked {
        found.entry(one.cell).or_default().insert(one.found);
    }
    let cell = |column: usize, place: usize| match found.get(&(column, place)) {
        None => '.',
        Some(marks) if marks.len() == 1 => *marks.first().unwrap(),
        Some(_) => '!',
    };
    let columns = (0..COLUMNS.len()).map(|column| {
        let gap = if column > 0 && COLUMNS[column].0 != COLUMNS[column - 1].0 { "    " } else { "" };
        let places: String = (0..RELATIONS.len()).map(|place| cell(column, place)).collect();
        format!("{gap}{places}")
    });
    columns.collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn what_the_table_says_is_what_real_requests_are_answered() {
    let house = Arc::new(House::new().await);
    let callers = Arc::new(callers(&house).await);
    let rows =
        Operation::ALL.iter().filter(|operation| Row::of(**operation).scope_from != ScopeFrom::NoCaller);
    let rows: Vec<_> = rows.copied().collect();
    let checks = rows.iter().map(|operation| check(Arc::clone(&house), Arc::clone(&callers), *operation));
    let checked = all_at_once(checks).await;

    let route = |operation: &Operation| format!("{} {}", operation.method(), operation.path());
    println!("{:56}platform        provider        managed", "own, global, another's");
    println!("{:56}adm usr wfl     adm usr wfl     usr wfl", "");
    for (operation, checked) in rows.iter().zip(&checked) {
        println!("{:56}{}", route(operation), drawn(checked));
    }
    let asked: usize = checked.iter().map(Vec::len).sum();
    let cells = |checked: &Vec<Checked>| checked.iter().map(|one| one.cell).collect::<BTreeSet<_>>().len();
    let cells: usize = checked.iter().map(cells).sum();
    println!("{cells} cells, {} callers, {asked} requests", callers.len());

    let all_cells = rows.iter().flat_map(|operation| {
        COLUMNS.into_iter().flat_map(|(kind, role)| {
            RELATIONS.map(|relation| Row::of(*operation).outcome(kind, role, relation))
        })
    });
    assert_eq!(cells, all_cells.filter(|outcome| *outcome != Outcome::NoSuchCase).count());
    let differing = checked.iter().flatten().filter(|one| one.expected != one.found);
    let differing: Vec<_> = differing
        .map(|one| format!("{} expected, {} found: {}", one.expected, one.found, one.text))
        .collect();
    assert!(differing.is_empty(), "{} answers differ:\n{}", differing.len(), differing.join("\n"));
}

/// Asks those who are refused about something in each scope, and about what there is not; returns what differs.
async fn check_silence(house: Arc<House>, callers: Arc<Vec<Caller>>, operation: Operation) -> Vec<String> {
    let mut differing = Vec::new();
    for scope in house.scopes() {
        // Nobody who is refused takes it away.
        let mut something = None;
        for caller in callers.iter() {
            let (kind, role) = COLUMNS[caller.column];
            let relation = caller.relation(&scope);
            let outcome = Row::of(operation).outcome(kind, role, relation);
            if [Outcome::Allowed, Outcome::NoSuchCase].contains(&outcome) {
                continue;
            }
            if something.is_none() {
                something = Some(house.request(operation, &scope, Said::Named).await);
            }
            let something = something.as_ref().unwrap();
            let nothing = something.about_nothing(relation == Relation::Other);
            let refused = something.gist(&something.by(&caller.api).await);
            let of_nothing = nothing.gist(&nothing.by(&caller.api).await);
            if of_nothing != refused {
                differing.push(format!("{something}: {refused}, but of nothing {of_nothing}"));
            }
        }
    }
    differing
}

#[tokio::test]
async fn a_refusal_is_the_same_whether_there_is_what_was_asked_for_or_not() {
    let house = Arc::new(House::new().await);
    let callers = Arc::new(callers(&house).await);
    let checks = Operation::ALL
        .iter()
        .map(|operation| check_silence(Arc::clone(&house), Arc::clone(&callers), *operation));
    let differing = all_at_once(checks).await.concat();
    assert!(differing.is_empty(), "{}", differing.join("\n"));
}

#[tokio::test]
async fn a_scope_that_is_none_is_invalid_for_every_caller_on_every_route_that_takes_one() {
    let house = House::new().await;
    let callers = callers(&house).await;
    for operation in Operation::ALL {
        let field = match Row::of(*operation).scope_from {
            ScopeFrom::Query | ScopeFrom::Grant => "scope",
            ScopeFrom::Path | ScopeFrom::NewKey => "organization_id",
            ScopeFrom::NoCaller | ScopeFrom::Nothing | ScopeFrom::Key => continue,
        };
        let request = house.about_no_scope(*operation).await;
        for caller in &callers {
            request.by(&caller.api).await.invalid(&[field]);
        }
    }
}
