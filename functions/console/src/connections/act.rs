//! Connecting and refreshing: one click, and back to where one was.

use bifrost::{
    app::token::TokenQuery,
    edge::pages,
    model::{
        Name, OrganizationId, Problem,
        access::{GrantPlace, Operation},
        input::Input,
    },
};
use maud::{Markup, html};
use serde_json::{Map, Value};

use super::{SECTION, address, for_people, is_signed_in_to, list_address};
use crate::{
    form::Form,
    reply::{Page, Reply},
    ui,
    visit::Visit,
};

/// What a click is about: whose grant on which connection, and where it was made.
pub(super) struct Click {
    pub place: GrantPlace,
    pub name: Name,
    pub integration: Option<Name>,
    back: Option<String>,
}

impl Click {
    /// `?scope=&organization_id=&integration=&back=`. An organization's own grant on a global connection is meant by
    /// `organization_id`.
    pub(super) fn read(visit: &Visit<'_>, operation: Operation, name: &str) -> Result<Self, Problem> {
        let query = |name| visit.request.query(name).filter(|text| !text.is_empty());
        let organization: Option<OrganizationId> = match query("organization_id") {
            Some(id) => {
                let wrong = |_| Problem::invalid("organization_id", "must be an organization's id, a UUID");
                Some(id.parse().map_err(wrong)?)
            }
            None => None,
        };
        let place = visit.permitted_grant(operation, query("scope"), organization)?;
        let integration = query("integration").map(|name| visit.name("integration", name)).transpose()?;
        let back = query("back").map(ui::console_address);
        Ok(Self { place, name: visit.name("connection", name)?, integration, back })
    }

    /// Where one was: on the page that says so, else on the connection's own, for those who see it.
    pub(super) fn back(&self, visit: &Visit<'_>, more: &[(&str, &str)]) -> String {
        let owner = self.place.owner;
        match &self.back {
            Some(back) => ui::and_query(back, more),
            None if visit.may(Operation::ConnectionsGet, owner) => address(owner, &self.name, "", more),
            None => "/console/integrations".to_owned(),
        }
    }

    /// The same click on another button.
    pub(super) fn again(&self, rest: &str) -> String {
        let GrantPlace { owner, scope } = self.place;
        let organization = scope.organization().filter(|_| owner != scope).map(|id| id.to_string());
        let integration = self.integration.as_ref().map(Name::as_str);
        let back = self.back.as_deref().and_then(|back| back.strip_prefix("/console/"));
        let mut query = Vec::new();
        // Whoever names an organization names no other scope.
        let own = organization.is_none().then(|| owner.to_string());
        query.extend(own.as_deref().map(|scope| ("scope", scope)));
        query.extend(organization.as_deref().map(|id| ("organization_id", id)));
        query.extend(integration.map(|name| ("integration", name)));
        let back = back.map(ui::decoded);
        query.extend(back.as_deref().map(|back| ("back", back)));
        ui::address(&format!("{}/{}{rest}", super::LIST, ui::encoded(self.name.as_str())), &query)
    }

    /// A page about it, below the connection's own for those who see that.
    pub(super) fn titled(&self, visit: &Visit<'_>, title: String, body: Markup) -> Page {
        let owner = self.place.owner;
        let page = Page::new(title, SECTION, body);
        match visit.may(Operation::ConnectionsGet, owner) {
            true => page
                .under("OAuth Connections", list_address(owner, &[]))
                .under(self.name.as_str(), address(owner, &self.name, "", &[])),
            false => page,
        }
    }

    /// A page about what came of it, with what one may want to do next.
    fn page(&self, visit: &Visit<'_>, title: String, outcome: &Markup) -> Page {
        let GrantPlace { owner, scope } = self.place;
        let form = Form::empty(visit);
        let body = html! {
            (outcome)
            div.bar.doing {
                @if visit.may(Operation::ConnectionsAuthorize, scope) {
                    (form.button(&self.again("/connect"), "Reconnect", ""))
                }
                @if visit.may(Operation::ConnectionsDiagnose, owner) {
                    (form.button(&address(owner, &self.name, "/diagnose", &[]), "Diagnose", "quiet"))
                }
                a.button.quiet href=(self.back(visit, &[])) { "Back" }
            }
        };
        self.titled(visit, title, body)
    }

    /// What is in the way, and what to do about it.
    pub(super) fn refused(&self, visit: &Visit<'_>, title: String, problem: Problem) -> Page {
        let problem = for_people(problem);
        pages::log_problem(visit.request, &problem);
        let outcome = html! {
            div.notice.bad role="alert" {
                p { strong { (problem.code.title()) } }
                p { (problem.detail) }
                p { strong { "What to do: " } (problem.fix) }
            }
        };
        self.page(visit, title, &outcome).refused(Some(&problem))
    }
}

/// On to the provider's sign-in, at once: the click was made on a page of ours, so nobody has to be asked whether they
/// expected it. A client that speaks for itself asks for a token instead.
pub(super) async fn connect(visit: &Visit<'_>, name: &str) -> Result<Reply, Problem> {
    let click = Click::read(visit, Operation::ConnectionsAuthorize, name)?;
    let public_url = visit.request.public_url();
    let connection = visit.bifrost.show_connection(click.place.owner, &click.name, public_url).await?;
    let back = click.back(visit, &[pages::SIGNED_IN]);
    let gone_on = async {
        if !is_signed_in_to(&connection) {
            visit.acts.come_to(Operation::ConnectionsRefresh);
            refreshed(visit, &click).await?;
            return Ok(Reply::see_other(&*back));
        }
        let body = Map::from_iter([("return_to".to_owned(), Value::from(format!("{public_url}{back}")))]);
        let (place, integration) = (click.place, click.integration.as_ref());
        let caller = visit.caller();
        let link = visit
            .bifrost
            .authorize(caller, place, &click.name, integration, Input::new(body), public_url)
            .await?;
        let ticket = link.ticket();
        Ok(Reply::Departure(visit.bifrost.begin(&ticket, visit.request.about()).await?))
    };
    Ok(gone_on.await.unwrap_or_else(|problem: Problem| {
        click.refused(visit, format!("{} is not connected", click.name), problem).into()
    }))
}

/// A new token, if the provider gives one.
pub(super) async fn refresh(visit: &Visit<'_>, name: &str) -> Result<Reply, Problem> {
    let click = Click::read(visit, Operation::ConnectionsRefresh, name)?;
    Ok(match refreshed(visit, &click).await {
        Ok(None) => Reply::see_other(click.back(visit, &[("done", "refreshed")])),
        Ok(Some(why)) => {
            let body = html! { div.notice.warn role="status" { p { "The token was kept. " (why) } } };
            click.page(visit, format!("{} was not refreshed", click.name), &body).into()
        }
        Err(problem) => click.refused(visit, format!("{} was not refreshed", click.name), problem).into(),
    })
}

/// Refreshes; says why there is no new token if the old one is still good.
async fn refreshed(visit: &Visit<'_>, click: &Click) -> Result<Option<String>, Problem> {
    let (scope, integration) = (click.place.scope, click.integration.as_ref());
    let query = TokenQuery { connection: &click.name, scope, integration };
    let deadline = visit.request.deadline();
    let mut body = Map::new();
    if !visit.may(Operation::ConnectionsUpdate, click.place.owner) {
        // Whoever may not edit the connection says which token it is about.
        let current = visit.bifrost.token(&query, None, deadline).await?;
        body.insert("generation".to_owned(), current.generation.into());
    }
    let token = visit.bifrost.refresh(visit.caller(), &query, body, deadline).await?;
    Ok(token.warning)
}
