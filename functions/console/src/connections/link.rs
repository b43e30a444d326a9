//! `/console/connections/{name}/link`: a link for somebody else, who signs in without an account here.

use bifrost::model::{Problem, Scope, access::Operation, input::Input};
use maud::html;
use serde_json::{Map, Value};

use super::act::Click;
use crate::{
    form::Form,
    reply::{Page, Reply},
    ui,
    visit::Visit,
    words,
};

/// How long a link may be good, in seconds.
const TIMES: [(&str, &str); 3] = [("900", "15 minutes"), ("86400", "1 day"), ("604800", "7 days")];

pub(super) async fn page(visit: &Visit<'_>, name: &str) -> Result<Reply, Problem> {
    let click = Click::read(visit, Operation::ConnectionsAuthorize, name)?;
    let connection =
        visit.bifrost.show_connection(click.place.owner, &click.name, visit.request.public_url()).await?;
    if !visit.is_post() {
        return asking(visit, &click, Form::new(visit, [("valid_for", "86400")])).await;
    }
    match given(visit, &click).await {
        Ok(page) => Ok(page.into()),
        Err(problem) if problem.errors.is_empty() => {
            Ok(click.refused(visit, format!("No link for {}", connection.name), problem).into())
        }
        Err(problem) => asking(visit, &click, Form::typed(visit, Some(problem))).await,
    }
}

async fn asking(visit: &Visit<'_>, click: &Click, form: Form) -> Result<Reply, Problem> {
    let for_whom = click.place.owner == Scope::Global && click.place.scope == Scope::Global;
    let organizations = if for_whom { visit.organizations().await? } else { None };
    let times = TIMES.map(|(seconds, words)| (seconds.to_owned(), words.to_owned())).to_vec();
    let body = html! {
        p { "Whoever opens the link sees what is about to be connected, and signs in at the provider. It serves one sign-in." }
        (form.around(&click.again("/link"), &html! {
            (form.select("valid_for", "Good for", times).required())
            @if for_whom {
                (form.organization("organization", "For an organization's own sign-in", organizations.as_deref())
                    .hint("Left out, the sign-in is the connection's own, which serves all organizations that have none of their own."))
            }
            button type="submit" { "Make the link" }
            " "
            a href=(click.back(visit, &[])) { "Cancel" }
        }))
    };
    let title = format!("A link to connect {}", click.name);
    Ok(click.titled(visit, title, body).refused(form.problem()).into())
}

async fn given(visit: &Visit<'_>, click: &Click) -> Result<Page, Problem> {
    let organization = visit.text("organization").map(|_| visit.organization("organization")).transpose()?;
    let place = match organization {
        Some(id) => visit.permitted_grant(Operation::ConnectionsAuthorize, None, Some(id))?,
        None => click.place,
    };
    let seconds = visit.text("valid_for").and_then(|seconds| seconds.parse::<u64>().ok());
    let seconds = seconds.ok_or_else(|| Problem::invalid("valid_for", "must be one of the times"))?;
    let body = Map::from_iter([("valid_for".to_owned(), Value::from(seconds))]);
    let (integration, public_url) = (click.integration.as_ref(), visit.request.public_url());
    let link = visit
        .bifrost
        .authorize(visit.caller(), place, &click.name, integration, Input::new(body), public_url)
        .await?;
    let body = html! {
        p { "Send this to whoever signs in. It is shown only now." }
        (ui::copyable("link", link.connect_url.0.expose()))
        p { "It is good until " (link.expires_at.to_the_minute()) ", " (words::time(link.expires_at, visit.now)) ", for one sign-in. Anybody who has it can sign in with it." }
        p { a.button.quiet href=(click.back(visit, &[])) { "Back" } }
    };
    Ok(click.titled(visit, format!("A link to connect {}", click.name), body))
}
