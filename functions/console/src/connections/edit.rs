//! `/console/connections/{name}/edit`

use bifrost::{
    app::connections::ConnectionView,
    model::{Code, Problem, access::Operation},
};
use maud::html;

use super::{address, connection, for_people, page_below, settings, settings::Subject};
use crate::{form::Form, reply::Reply, visit::Visit};

pub(super) async fn page(visit: &Visit<'_>, name: &str) -> Result<Reply, Problem> {
    let connection = connection(visit, Operation::ConnectionsUpdate, name).await?;
    let form = if visit.is_post() {
        match save(visit, &connection).await {
            Ok(done) => {
                return Ok(Reply::see_other(address(
                    connection.scope,
                    &connection.name,
                    "",
                    &[("done", done)],
                )));
            }
            Err(problem) => Form::typed(visit, Some(for_people(problem))),
        }
    } else {
        let revision = ("revision", connection.revision.to_string());
        Form::new(visit, settings::shown(&connection).into_iter().chain([revision]))
    };
    let stale = form.problem().is_some_and(|problem| problem.code == Code::StaleRevision);
    let body = html! {
        @if stale {
            p { "What you typed is below, and not saved. " a href=(address(connection.scope, &connection.name, "/edit", &[])) target="_blank" { "See what is stored now" } ", and save again there what you want to keep." }
        }
        (form.around(&address(connection.scope, &connection.name, "/edit", &[]), &html! {
            input type="hidden" name="revision" value=(form.value("revision"));
            (form.text("description", "Description"))
            (settings::fields(visit, &form, &Subject::Stored(&connection), connection.scope))
            button type="submit" { "Save" }
            " "
            a href=(address(connection.scope, &connection.name, "", &[])) { "Cancel" }
        }))
    };
    Ok(page_below(&connection, format!("Edit {}", connection.name), body).refused(form.problem()).into())
}

/// What was done, in a word.
async fn save(visit: &Visit<'_>, connection: &ConnectionView) -> Result<&'static str, Problem> {
    let revision = visit.text("revision").and_then(|revision| revision.parse().ok());
    let shown = revision.ok_or_else(|| Problem::invalid("revision", "is required"))?;
    if shown != connection.revision {
        let detail = format!("{} was changed by somebody else while you edited it.", connection.name);
        return Err(Problem::new(Code::StaleRevision, detail));
    }
    let patch = settings::patch(visit, connection)?;
    if patch.is_empty() {
        return Ok("unchanged");
    }
    let (caller, public_url) = (visit.caller(), visit.request.public_url());
    visit
        .bifrost
        .update_connection(caller, connection.scope, &connection.name, &patch, Some(shown), public_url)
        .await?;
    Ok("saved")
}
