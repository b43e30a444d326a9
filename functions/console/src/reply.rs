//! What becomes of a visit: a page, or another place to go to.

use bifrost::{
    app::connect::Departure,
    edge::{Request, Response, answer, html::redirect, pages},
    model::{Code, Problem},
};
use http::{HeaderValue, StatusCode, header};
use maud::{Markup, html};

use crate::{layout, session, visit::Visit};

pub(crate) enum Reply {
    Page(Box<Page>),
    /// 303 (RFC 9110 section 15.4.4), to a path of ours.
    SeeOther(String),
    /// 307 (RFC 9110 section 15.4.8): the same form once more, to another path of ours.
    PostAgain(String),
    /// To be saved.
    File(File),
    /// On to a provider's sign-in.
    Departure(Departure),
    SignedOut,
}

/// A file for whoever asked for it.
pub(crate) struct File {
    pub(crate) name: String,
    pub(crate) kind: &'static str,
    pub(crate) text: String,
}

/// A page within the console.
pub(crate) struct Page {
    pub(crate) title: String,
    /// The entry of the menu that it belongs to, by its address.
    pub(crate) section: &'static str,
    /// What it lies under, from the top: label and address.
    pub(crate) trail: Vec<(String, String)>,
    /// What has just been done.
    pub(crate) notice: Option<String>,
    pub(crate) status: StatusCode,
    /// Of what was refused, or failed.
    pub(crate) code: Option<Code>,
    pub(crate) body: Markup,
}

impl Page {
    pub(crate) fn new(title: impl Into<String>, section: &'static str, body: Markup) -> Self {
        let (trail, notice, code) = (Vec::new(), None, None);
        Self { title: title.into(), section, trail, notice, status: StatusCode::OK, code, body }
    }

    #[must_use]
    pub(crate) fn under(mut self, label: impl Into<String>, address: impl Into<String>) -> Self {
        self.trail.push((label.into(), address.into()));
        self
    }

    #[must_use]
    pub(crate) fn notice(self, notice: Option<impl Into<String>>) -> Self {
        Self { notice: notice.map(Into::into), ..self }
    }

    /// For a form that comes back with what is wrong in it: the status that the API would have answered.
    #[must_use]
    pub(crate) fn refused(self, problem: Option<&Problem>) -> Self {
        let Some(problem) = problem else { return self };
        Self { status: answer::status(problem.code), code: Some(problem.code), ..self }
    }
}

impl From<Page> for Reply {
    fn from(page: Page) -> Self {
        Self::Page(Box::new(page))
    }
}

impl Reply {
    pub(crate) fn see_other(path: impl Into<String>) -> Self {
        Self::SeeOther(path.into())
    }
}

pub(crate) fn answer(visit: &Visit<'_>, reply: Result<Reply, Problem>) -> Response {
    match reply {
        Ok(Reply::Page(page)) => layout::page(visit, *page),
        Ok(Reply::SeeOther(path)) => see_other(&path),
        Ok(Reply::PostAgain(path)) => {
            let mut response = see_other(&path);
            *response.status_mut() = StatusCode::TEMPORARY_REDIRECT;
            response
        }
        Ok(Reply::File(file)) => saved(file),
        Ok(Reply::Departure(departure)) => pages::departure(visit.request, &departure),
        Ok(Reply::SignedOut) => session::signed_out(visit.request),
        Err(problem) => layout::page(visit, problem_page(visit, &problem)),
    }
}

pub(crate) fn see_other(path: &str) -> Response {
    let mut response = Response::new(String::new());
    *response.status_mut() = StatusCode::SEE_OTHER;
    redirect(&mut response, path);
    response
}

/// For a form that can't be read: it is too large.
pub(crate) fn unread(request: &Request, problem: &Problem) -> Response {
    pages::log_problem(request, problem);
    let body = html! {
        main {
            h1 { (problem.code.title()) }
            p { (problem.detail) " At most 256 KiB can be sent at once: go back, and send it in parts." }
        }
    };
    layout::bare(problem.code.title(), answer::status(problem.code), &body)
}

fn saved(file: File) -> Response {
    let mut response = Response::new(file.text);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(file.kind));
    // What a name of ours may hold needs no quoting.
    let disposition = format!("attachment; filename=\"{}\"", file.name);
    if let Ok(disposition) = HeaderValue::from_str(&disposition) {
        headers.insert(header::CONTENT_DISPOSITION, disposition);
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// What is wrong, and what to do. What is our fault is also logged, under the id that the page shows.
fn problem_page(visit: &Visit<'_>, problem: &Problem) -> Page {
    pages::log_problem(visit.request, problem);
    let body = html! {
        p { (problem.detail) }
        h2 { "What to do" }
        p { (problem.fix) }
        p.id { "Request " (visit.request.request_id()) }
    };
    Page::new(problem.code.title(), "", body).refused(Some(problem))
}
