//! Disconnecting and deleting: first a page that says what that means, then the button on it.

use bifrost::{
    app::edit_connection::Dependants,
    model::{Code, Name, OrganizationId, Problem, Scope, access::Operation, organization::Organization},
};
use maud::{Markup, html};

use super::{act::Click, address, connection, list_address, page_below};
use crate::{form::Form, reply::Reply, ui, visit::Visit, words};

/// How many organizations are named.
const MOST_NAMED: usize = 20;

pub(super) async fn disconnect(visit: &Visit<'_>, name: &str) -> Result<Reply, Problem> {
    let click = Click::read(visit, Operation::ConnectionsDisconnect, name)?;
    let (owner, scope) = (click.place.owner, click.place.scope);
    if visit.is_post() {
        return Ok(match visit.bifrost.disconnect(click.place, &click.name).await {
            Ok(disconnected) => {
                let done = match disconnected.revoked {
                    Some(true) => "disconnected-revoked",
                    Some(false) => "disconnected-refused",
                    None => "disconnected",
                };
                Reply::see_other(click.back(visit, &[("done", done)]))
            }
            Err(problem) => {
                click.refused(visit, format!("{} was not disconnected", click.name), problem).into()
            }
        });
    }
    let public_url = visit.request.public_url();
    let connection = visit.bifrost.show_connection(owner, &click.name, public_url).await?;
    let dependants = visit.bifrost.dependants(owner, &click.name).await?;
    let whose = if owner == scope { "its own sign-in" } else { "the organization's own sign-in" };
    let body = html! {
        p { "Bifrost forgets " (whose) " on " strong { (connection.name) } " at once. The connection itself stays, and can be connected again." }
        (revoking(connection.revocation_url.is_some()))
        (integrations(&dependants.integrations, "Workflows get no token for it from then on, unless their organization has a sign-in of its own."))
        (Form::empty(visit).button(&click.again("/disconnect"), "Disconnect", "danger"))
        " "
        a href=(click.back(visit, &[])) { "Cancel" }
    };
    let title = format!("Disconnect {}?", connection.name);
    Ok(click.titled(visit, title, body).into())
}

pub(super) async fn delete(visit: &Visit<'_>, name: &str) -> Result<Reply, Problem> {
    let connection = connection(visit, Operation::ConnectionsDelete, name).await?;
    let scope = connection.scope;
    let form = if visit.is_post() {
        let revision = visit.text("revision").and_then(|revision| revision.parse().ok());
        let shown = revision.ok_or_else(|| Problem::invalid("revision", "is required"))?;
        let (force, deadline) = (visit.ticked("force"), visit.request.deadline());
        match visit.bifrost.delete_connection(scope, &connection.name, Some(shown), force, deadline).await {
            Ok(()) => return Ok(Reply::see_other(list_address(scope, &[("done", "deleted")]))),
            Err(problem) => Form::typed(visit, Some(unforced(problem))),
        }
    } else {
        Form::empty(visit)
    };
    let Dependants { integrations: users, organizations } =
        visit.bifrost.dependants(scope, &connection.name).await?;
    let body = html! {
        p { "This deletes the connection with all its sign-ins, and can't be undone. Registered redirect URIs of this name lead nowhere from then on." }
        (revoking(connection.revocation_url.is_some()))
        (integrations(&users, "Workflows get no token for it from then on, unless it is linked to another connection first."))
        (own_grants(visit, &organizations).await?)
        (form.around(&address(scope, &connection.name, "/delete", &[]), &html! {
            input type="hidden" name="revision" value=(connection.revision);
            @if !users.is_empty() { (form.check("force", "Delete it although integrations use it")) }
            button.danger type="submit" { "Delete " (connection.name) }
            " "
            a href=(address(scope, &connection.name, "", &[])) { "Cancel" }
        }))
    };
    let title = format!("Delete {}?", connection.name);
    Ok(page_below(&connection, title, body).refused(form.problem()).into())
}

/// What to do about what still uses it is on this very page.
fn unforced(problem: Problem) -> Problem {
    match problem.code {
        Code::InUse => problem.fix("Link them to another connection first, or tick the box below."),
        _ => super::for_people(problem),
    }
}

fn revoking(revokes: bool) -> Markup {
    html! {
        @if revokes {
            p { "Its tokens are revoked at the provider." }
        } @else {
            p { "The provider has no revocation endpoint that is known here: its tokens live until they expire. To end them at once, take the access away at the provider." }
        }
    }
}

fn integrations(names: &[Name], consequence: &str) -> Markup {
    html! {
        @if names.is_empty() {
            p { "No integration uses it." }
        } @else {
            p { (words::counted(names.len(), "integration uses", "integrations use")) " it. " (consequence) }
            ul { @for name in names { li { a href={ "/console/integrations/" (ui::encoded(name.as_str())) } { (name) } } } }
        }
    }
}

/// Organizations that signed in for themselves: by name where that is known, and not without end.
async fn own_grants(visit: &Visit<'_>, ids: &[OrganizationId]) -> Result<Markup, Problem> {
    if ids.is_empty() {
        return Ok(html! {});
    }
    let organizations = visit.organizations().await?;
    let named = |id: &OrganizationId| name_of(*id, organizations.as_deref());
    Ok(html! {
        p { (words::counted(ids.len(), "organization has", "organizations have")) " a sign-in of its own on it, which goes with it:" }
        ul {
            @for id in ids.iter().take(MOST_NAMED) { li { (named(id)) } }
            @if ids.len() > MOST_NAMED { li { "and " (ids.len() - MOST_NAMED) " more" } }
        }
    })
}

fn name_of(id: OrganizationId, organizations: Option<&[Organization]>) -> String {
    ui::scope_name(Scope::Organization(id), organizations)
}
