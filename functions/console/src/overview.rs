//! `/console/overview`: what needs somebody, how much there is, and what is refreshed when.

use std::collections::BTreeMap;

use bifrost::{
    app::{
        census::Census,
        connections::ConnectionView,
        overview::{GrantInTrouble, HOURS, MOST_SCOPES, Outcome, Survey, Upcoming},
        page::PageRequest,
    },
    model::{
        Problem, Scope, Timestamp,
        access::{Operation, Role},
        connection::{ClientAuth, ConnectionStatus, Flow, days_long},
        grant::GrantStatus,
        organization::Organization,
    },
};
use maud::{Markup, html};

use crate::{
    no_page, organizations,
    plot::{Bar, Words, plot},
    reply::{Page, Reply},
    ui,
    visit::{MOST_TO_CHOOSE_FROM, Visit},
    words,
};

const SECTION: &str = "overview";
const TITLE: &str = "Overview";
/// How many things that need somebody are named.
const MOST_NEEDS: usize = 50;
/// How many of a managed organization's mappings are shown.
const MOST_MAPPINGS: usize = 200;
/// From how many days before its end a client's secret needs somebody.
const SECRETS_END_WITHIN: u64 = 30;

pub(crate) async fn route(visit: &Visit<'_>, path: &[&str]) -> Result<Reply, Problem> {
    if !path.is_empty() {
        return Err(no_page());
    }
    visit.permitted(Operation::IntegrationsList, visit.caller().home)?;
    let body = match visit.caller().role {
        Role::Admin => everything(visit).await?,
        _ => own(visit).await?,
    };
    Ok(Page::new(TITLE, SECTION, body).into())
}

/// For those who look after all organizations.
async fn everything(visit: &Visit<'_>) -> Result<Markup, Problem> {
    let request = PageRequest { limit: MOST_TO_CHOOSE_FROM, cursor: None };
    let page = visit.bifrost.organizations(request).await?;
    let all_organizations = page.next.is_none();
    let organizations: Vec<Organization> = page.rows.into_iter().map(|row| row.item).collect();
    let mut scopes = vec![Scope::Global];
    scopes.extend(organizations.iter().map(|organization| Scope::Organization(organization.id)));
    scopes.retain(|scope| *scope == Scope::Global || visit.may(Operation::ConnectionsList, *scope));
    let (survey, integrations, outcomes, upcoming, census) = tokio::try_join!(
        visit.bifrost.survey(&scopes, visit.request.public_url()),
        visit.bifrost.count_integrations(),
        visit.bifrost.outcomes(visit.now),
        visit.bifrost.upcoming(),
        visit.bifrost.recent_census(visit.now),
    )?;
    let complete = survey.complete && all_organizations;
    let needs = needs(&survey, visit.now);
    let looked = Numbers {
        organizations: (organizations.len() as u64, all_organizations),
        connections: (survey.connections.len() as u64, complete),
        by_status: by_status(&survey.connections),
    };
    // What was just looked through is as it is now; what is more than that was counted a while ago.
    let counted = census.as_ref().filter(|_| !complete);
    let numbers = counted.map_or(looked, Numbers::counted);
    let tiles = [
        Tile::new("Organizations", "/console/organizations", numbers.organizations),
        Tile::new("Integrations", "/console/integrations", integrations),
        Tile::new("Connections", "/console/connections", numbers.connections),
    ];
    Ok(html! {
        @if integrations.0 == 0 && survey.connections.is_empty() { (beginning()) } @else {
            (attention(visit, &needs, &organizations))
        }
        @if !complete {
            p.hint { "Only the first " (MOST_SCOPES) " organizations and the first connections of each were looked through: there may be more." }
        }
        (counts(&tiles, &numbers.by_status))
        @if let Some(census) = counted {
            p.hint { "Organizations and connections were counted " (words::time(census.as_of, visit.now)) "." }
        }
        @if let Some(census) = &census { (sign_ins(census, visit.now)) }
        h2 { "Refreshes" }
        div.plots { (past(&outcomes)) (ahead(&upcoming, visit.now)) }
    })
}

/// For those who look after one organization, or see the integrations alone.
async fn own(visit: &Visit<'_>) -> Result<Markup, Problem> {
    let home = visit.caller().home;
    let survey = match visit.may(Operation::ConnectionsList, home) {
        true => visit.bifrost.survey(&[home], visit.request.public_url()).await?,
        false => Survey { complete: true, ..Survey::default() },
    };
    let Some(id) = home.organization() else {
        let (count, all) = visit.bifrost.count_integrations().await?;
        return Ok(html! {
            p { "A key of the role user sees the integrations of the platform; connections and organizations are for its admins." }
            (counts(&[Tile::new("Integrations", "/console/integrations", (count, all))], &BTreeMap::new()))
        });
    };
    let (mapped, all_mapped) = visit.bifrost.mapped_to(id, MOST_MAPPINGS).await?;
    let organization = visit.bifrost.organization(id).await?;
    let mut needs = needs(&survey, visit.now);
    for to in &mapped {
        let Some(status @ (GrantStatus::Failing | GrantStatus::Reauthorize)) = to.own_grant else { continue };
        let name = to.integration.as_str();
        needs.push(Need {
            urgency: Urgency::of_grant(status),
            what: format!("Own sign-in for {name}"),
            scope: home,
            address: format!("/console/integrations/{}/mappings/{id}", ui::encoded(name)),
            badge: words::grant_status(status),
            why: html! { (of_grant(status)) },
        });
    }
    sort(&mut needs);
    let rows = html! { @for connection in &survey.connections { (connection_row(connection, visit.now)) } };
    Ok(html! {
        p { "What " strong { (organization.name) } " is connected to." }
        (attention(visit, &needs, std::slice::from_ref(&organization)))
        h2 { "OAuth Connections" }
        @if survey.connections.is_empty() {
            (ui::empty_state("It has no connections of its own.", &html! {
                p {
                    "Integrations use the platform's then."
                    @if visit.may(Operation::ConnectionsCreate, home) {
                        " " a href="/console/connections/~new" { "Add a connection" } " where it is to have one of its own."
                    }
                }
            }))
        } @else {
            (ui::table("OAuth Connections", &["Name", "Status", "Token expires", "Next refresh"], &rows))
            @if !survey.complete { p.next { a href="/console/connections" { "All connections" } } }
        }
        h2 { "Mappings" }
        @if mapped.is_empty() {
            (ui::empty_state("It is not mapped in any integration yet.", &html! {
                p { "Your provider maps organizations to what they are called in each system." }
            }))
        } @else {
            (organizations::mappings(id, &mapped))
            @if !all_mapped { p.hint { "There are more: see the integrations themselves." } }
        }
    })
}

fn connection_row(connection: &ConnectionView, now: Timestamp) -> Markup {
    html! {
        tr {
            th scope="row" { a href=(connection_address(connection.name.as_str(), connection.scope)) { (connection.name) } }
            td {
                (words::status(connection.status))
                @if let Some(message) = &connection.status_message { span.small { (message) } }
            }
            td { (words::time_if_any(connection.expires_at, now)) }
            td { (words::time_if_any(connection.next_refresh_at, now)) }
        }
    }
}

fn connection_address(name: &str, scope: Scope) -> String {
    ui::address(&format!("/console/connections/{}", ui::encoded(name)), &[("scope", &scope.to_string())])
}

/// What is to be done first comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Urgency {
    /// Nothing works until somebody does something.
    Reconnect,
    SecretExpired,
    Failing,
    /// It will stop working soon.
    TokenExpires,
    SecretExpires,
}

impl Urgency {
    fn of_grant(status: GrantStatus) -> Self {
        if status == GrantStatus::Reauthorize { Self::Reconnect } else { Self::Failing }
    }
}

/// Something that somebody should look at.
struct Need {
    urgency: Urgency,
    what: String,
    scope: Scope,
    address: String,
    badge: Markup,
    why: Markup,
}

/// In the order of their urgency.
fn needs(survey: &Survey, now: Timestamp) -> Vec<Need> {
    let mut needs: Vec<Need> =
        survey.connections.iter().filter_map(|connection| need(connection, now)).collect();
    needs.extend(survey.grants.iter().map(need_of_grant));
    sort(&mut needs);
    needs
}

fn sort(needs: &mut [Need]) {
    needs.sort_by(|a, b| (a.urgency, &a.what, a.scope).cmp(&(b.urgency, &b.what, b.scope)));
}

fn need(connection: &ConnectionView, now: Timestamp) -> Option<Need> {
    let secret_end = secret_end(connection).filter(|at| *at <= now + days_long(SECRETS_END_WITHIN));
    // Signed in, but nothing to refresh with.
    let token_end = connection
        .expires_at
        .filter(|_| connection.flow == Flow::AuthorizationCode && !connection.has_refresh_token)
        .filter(|at| *at <= now + days_long(1));
    let what =
        if connection.client_auth == ClientAuth::PrivateKeyJwt { "Client key" } else { "Client secret" };
    let message = html! { @if let Some(message) = &connection.status_message { (message) } };
    let (urgency, badge, why) = match (connection.status, secret_end, token_end) {
        (ConnectionStatus::Reauthorize, ..) => {
            (Urgency::Reconnect, words::status(connection.status), message)
        }
        (_, Some(at), _) if at <= now => {
            let why = html! { (what) " expired " (words::time(at, now)) ". " };
            (Urgency::SecretExpired, words::badge("bad", "Secret expired"), why)
        }
        (ConnectionStatus::Failing, ..) => (Urgency::Failing, words::status(connection.status), message),
        (ConnectionStatus::Active, _, Some(at)) => {
            let why = html! { "The token expires " (words::time(at, now)) ", and there is no refresh token: reconnect before." };
            (Urgency::TokenExpires, words::badge("warn", "Token expires"), why)
        }
        (_, Some(at), _) => {
            let why = html! { (what) " expires " (words::time(at, now)) "." };
            (Urgency::SecretExpires, words::badge("warn", "Secret expires soon"), why)
        }
        _ => return None,
    };
    let (what, scope) = (connection.name.to_string(), connection.scope);
    Some(Need { urgency, address: connection_address(&what, scope), what, scope, badge, why })
}

fn need_of_grant(grant: &GrantInTrouble) -> Need {
    Need {
        urgency: Urgency::of_grant(grant.status),
        what: grant.connection.to_string(),
        scope: Scope::Organization(grant.organization),
        address: connection_address(grant.connection.as_str(), Scope::Global),
        badge: words::grant_status(grant.status),
        why: html! { "Its own sign-in on the global connection. " (of_grant(grant.status)) },
    }
}

fn of_grant(status: GrantStatus) -> &'static str {
    match status {
        GrantStatus::Reauthorize => "It can't be refreshed any more: somebody has to reconnect it.",
        _ => "It could not be refreshed; that is tried again by itself.",
    }
}

/// When what the client proves itself with has an end.
fn secret_end(connection: &ConnectionView) -> Option<Timestamp> {
    let certificate = connection.client_certificate.as_ref();
    let certificate = certificate.filter(|_| connection.client_auth == ClientAuth::PrivateKeyJwt);
    connection.client_secret_expires_at.or_else(|| certificate?.not_after())
}

fn attention(visit: &Visit<'_>, needs: &[Need], organizations: &[Organization]) -> Markup {
    html! {
        section.card {
            h2 { "What needs somebody" }
            @if needs.is_empty() {
                p { (words::badge("good", "All well")) " Every connection that is in use works, and no client secret expires within " (SECRETS_END_WITHIN) " days." }
            } @else {
                ul.needs {
                    @for need in needs.iter().take(MOST_NEEDS) {
                        li {
                            (need.badge)
                            div {
                                a href=(need.address) { strong { (need.what) } }
                                @if need.scope != visit.caller().home || need.scope == Scope::Global {
                                    " of " (whose(need.scope, organizations))
                                }
                                span.small { (need.why) }
                            }
                        }
                    }
                }
                @if needs.len() > MOST_NEEDS {
                    p { "And " (needs.len() - MOST_NEEDS) " more: see " a href="/console/connections" { "OAuth Connections" } "." }
                }
            }
        }
    }
}

fn whose(scope: Scope, organizations: &[Organization]) -> String {
    match scope {
        Scope::Global => "the platform".to_owned(),
        scope => ui::scope_name(scope, Some(organizations)),
    }
}

/// What to do where nothing has been done yet.
fn beginning() -> Markup {
    html! {
        section.card {
            h2 { "Begin here" }
            ol {
                li { a href="/console/integrations/~new" { "Create an integration" } " for a system that workflows are to reach." }
                li { a href="/console/connections/~new" { "Add an OAuth connection" } ", if it speaks OAuth; the " a href="/console/providers" { "catalogue" } " says what to register there." }
                li { a href="/console/organizations/~new" { "Create an organization" } " for each customer, and map it in the integration." }
                li { a href="/console/keys/~new" { "Create an API key" } " with the role workflow, for the automation that asks." }
            }
        }
    }
}

/// How many of something there are.
struct Tile {
    label: &'static str,
    address: &'static str,
    count: u64,
    complete: bool,
}

impl Tile {
    /// `count`: how many, and whether these are all.
    fn new(label: &'static str, address: &'static str, (count, complete): (u64, bool)) -> Self {
        Self { label, address, count, complete }
    }
}

/// How much there is in all scopes: each with whether it is all.
struct Numbers {
    organizations: (u64, bool),
    connections: (u64, bool),
    by_status: BTreeMap<ConnectionStatus, u64>,
}

impl Numbers {
    fn counted(census: &Census) -> Self {
        let by_status = census.counts.connections.clone();
        Self {
            organizations: (census.counts.organizations, true),
            connections: (by_status.values().sum(), true),
            by_status,
        }
    }
}

fn by_status(connections: &[ConnectionView]) -> BTreeMap<ConnectionStatus, u64> {
    let mut by_status = BTreeMap::new();
    for connection in connections {
        *by_status.entry(connection.status).or_default() += 1;
    }
    by_status
}

fn counts(tiles: &[Tile], by_status: &BTreeMap<ConnectionStatus, u64>) -> Markup {
    html! {
        div.tiles {
            @for Tile { label, address, count, complete } in tiles {
                a.tile href=(address) {
                    span.count { @if !complete { span.small { "at least " } } (count) }
                    (label)
                }
            }
        }
        (statuses("Connections by status", by_status))
    }
}

/// The worst first, and those that there are.
fn statuses(label: &str, by_status: &BTreeMap<ConnectionStatus, u64>) -> Markup {
    let count =
        |status: ConnectionStatus| Some((status, *by_status.get(&status).filter(|count| **count > 0)?));
    let counted: Vec<_> = ConnectionStatus::ALL.into_iter().filter_map(count).collect();
    html! {
        @if !counted.is_empty() {
            ul.statuses aria-label=(label) {
                @for (status, count) in counted { li { (words::status(status)) " " (count) } }
            }
        }
    }
}

/// How grants are doing, of which organizations on global connections may have thousands.
fn sign_ins(census: &Census, now: Timestamp) -> Markup {
    let mut by_status = BTreeMap::new();
    for (grant, count) in &census.counts.grants {
        // What was given up, or has not begun, is no sign-in.
        if !matches!(grant, GrantStatus::New | GrantStatus::Disconnected) {
            by_status.insert(words::status_of_grant(*grant), *count);
        }
    }
    html! {
        @if by_status.values().any(|count| *count > 0) {
            p.hint { "Sign-ins, with those of organizations on global connections, counted " (words::time(census.as_of, now)) ":" }
            (statuses("Sign-ins by status", &by_status))
        }
    }
}

/// `14:00`, and in full, for there are two days: `2026-01-31 14:00–15:00`.
fn hour_words(hour: Timestamp) -> (String, String) {
    let next = hour + std::time::Duration::from_secs(3600);
    let (hour, next) = (hour.to_string(), next.to_string());
    (hour[11..16].to_owned(), format!("{} {}–{}", &hour[..10], &hour[11..16], &next[11..16]))
}

fn past(outcomes: &[Outcome]) -> Markup {
    let bars: Vec<_> = outcomes
        .iter()
        .map(|outcome| {
            let (label, title) = hour_words(outcome.hour);
            Bar { title, label, counts: [outcome.refreshed, outcome.failed] }
        })
        .collect();
    let sum = |count: fn(&Outcome) -> u64| outcomes.iter().map(count).fold(0, u64::saturating_add);
    let (refreshed, failed) = (sum(|outcome| outcome.refreshed), sum(|outcome| outcome.failed));
    let description = format!(
        "{refreshed} refreshed and {failed} failed in the last {HOURS} hours, by the hour in UTC. Refreshes that requests \
         asked for are not counted."
    );
    let words = Words {
        id: "past",
        title: "Scheduled refreshes",
        description: &description,
        nothing: "No scheduled refreshes in this time",
        kinds: [("refreshed", "Refreshed"), ("failed", "Failed")],
    };
    plot(&words, &bars)
}

fn ahead(upcoming: &Upcoming, now: Timestamp) -> Markup {
    let bars: Vec<_> = upcoming
        .hours()
        .map(|(hour, count)| {
            let (label, title) = hour_words(hour);
            Bar { title, label, counts: [count] }
        })
        .collect();
    let at_least = if upcoming.complete { "" } else { "At least " };
    let overdue = match upcoming.overdue {
        0 => String::new(),
        1 => " 1 of them is due now.".to_owned(),
        count => format!(" {count} of them are due now."),
    };
    let age = now.since(upcoming.as_of).as_secs();
    let age = if age < 2 { String::new() } else { format!(" As of {age} seconds ago.") };
    let tokens = match upcoming.total() {
        1 => "1 token that expires and is".to_owned(),
        count => format!("{count} tokens that expire and are"),
    };
    let description = format!(
        "{at_least}{tokens} to be refreshed in the next {HOURS} hours, by the hour in UTC.{overdue}{age}"
    );
    let words = Words {
        id: "ahead",
        title: "Upcoming expiries",
        description: &description,
        nothing: "Nothing is to be refreshed in this time",
        kinds: [("due", "To be refreshed")],
    };
    plot(&words, &bars)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn upcoming(first_hours: &[u64], overdue: u64, complete: bool) -> Upcoming {
        let mut hours = [0; HOURS];
        hours[..first_hours.len()].copy_from_slice(first_hours);
        let as_of = Timestamp::from_unix_seconds(1_800_000_000);
        Upcoming { as_of, first: Timestamp::from_unix_seconds(1_799_998_400), hours, overdue, complete }
    }

    fn told(upcoming: &Upcoming, seconds_later: u64) -> String {
        let now = upcoming.as_of + std::time::Duration::from_secs(seconds_later);
        ahead(upcoming, now).into_string()
    }

    #[test]
    fn what_was_not_counted_to_the_end_is_at_least_so_many() {
        assert!(told(&upcoming(&[2, 1], 0, true), 0).contains(">3 tokens that expire"));
        assert!(told(&upcoming(&[2, 1], 0, false), 0).contains(">At least 3 tokens that expire"));
    }

    #[test]
    fn what_is_overdue_and_how_old_the_answer_is_are_said_where_they_are_so() {
        let text = told(&upcoming(&[1], 0, true), 0);
        assert!(
            text.contains(">1 token that expires and is")
                && !text.contains("due now")
                && !text.contains("As of")
        );
        assert!(told(&upcoming(&[1], 1, true), 0).contains("1 of them is due now."));
        assert!(told(&upcoming(&[2], 2, true), 40).contains("2 of them are due now. As of 40 seconds ago."));
        assert!(told(&upcoming(&[], 0, true), 0).contains("Nothing is to be refreshed in this time"));
    }

    #[test]
    fn hours_of_two_days_are_told_apart() {
        let hour: Timestamp = "2026-01-31T23:00:00Z".parse().unwrap();
        assert_eq!(hour_words(hour), ("23:00".to_owned(), "2026-01-31 23:00–00:00".to_owned()));
    }
}
