//! One request of somebody who is signed in.

use std::sync::Arc;

use bifrost::{
    app::{Bifrost, session::Session},
    edge::Request,
    model::{
        Name, OrganizationId, Problem, Scope, Timestamp,
        access::{Caller, GrantPlace, Operation},
        organization::Organization,
    },
};
use serde_json::{Map, Value};

use bifrost::app::page::PageRequest;

use crate::acts::Acts;

/// How many organizations a form lets choose from by name. Beyond that they are typed in.
pub(crate) const MOST_TO_CHOOSE_FROM: usize = 1000;

/// Who asks what, and everything that a page needs to answer.
pub(crate) struct Visit<'a> {
    pub(crate) bifrost: &'a Arc<Bifrost>,
    pub(crate) request: &'a Request,
    pub(crate) now: Timestamp,
    pub(crate) acts: Acts,
    session: Session,
    form: Vec<(String, String)>,
}

/// The form that was sent, if one was.
pub(crate) fn form_of(request: &Request) -> Result<Vec<(String, String)>, Problem> {
    if request.is_post() { request.form_fields() } else { Ok(Vec::new()) }
}

impl<'a> Visit<'a> {
    pub(crate) fn new(
        bifrost: &'a Arc<Bifrost>,
        request: &'a Request,
        session: Session,
        form: Vec<(String, String)>,
    ) -> Self {
        Self { bifrost, request, now: Timestamp::now(), acts: Acts::default(), session, form }
    }

    pub(crate) fn is_post(&self) -> bool {
        self.request.is_post()
    }

    /// Whether a POST comes from a page that this very session was shown. A GET changes nothing, and needs no proof.
    pub(crate) fn form_is_ours(&self) -> bool {
        let token = self.field("form_token");
        !self.is_post() || (self.request.is_from_our_page() && token == Some(self.form_token().as_str()))
    }

    pub(crate) fn form_token(&self) -> String {
        self.session.form_token()
    }

    pub(crate) fn caller(&self) -> &Caller {
        &self.session.caller
    }

    /// Refuses what the caller may not do. Asked before anything is looked up.
    pub(crate) fn permitted(&self, operation: Operation, scope: Scope) -> Result<(), Problem> {
        self.acts.ask(operation, Some(scope));
        self.caller().permitted(operation, scope)
    }

    /// The same for what is about a grant: `organization` asks for that organization's own on a global connection.
    pub(crate) fn permitted_grant(
        &self,
        operation: Operation,
        named: Option<&str>,
        organization: Option<OrganizationId>,
    ) -> Result<GrantPlace, Problem> {
        let scope = organization.map(Scope::Organization).map_or_else(|| self.caller().scope(named), Ok);
        self.acts.ask(operation, scope.ok());
        self.caller().permitted_grant(operation, named, organization)
    }

    /// Whether to show what leads to it.
    pub(crate) fn may(&self, operation: Operation, scope: Scope) -> bool {
        self.caller().may(operation, scope)
    }

    /// The same for what is about no scope in particular.
    pub(crate) fn may_at_home(&self, operation: Operation) -> bool {
        self.may(operation, self.caller().home)
    }

    /// `?scope=`, or the caller's own.
    pub(crate) fn scope(&self) -> Result<Scope, Problem> {
        // A form that offers scopes sends an empty one for one's own.
        self.caller().scope(self.request.query("scope").filter(|scope| !scope.is_empty()))
    }

    /// All fields of the form that was sent.
    pub(crate) fn form(&self) -> &[(String, String)] {
        &self.form
    }

    /// A field of the form as it was typed.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.form.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// A field without the space around it, which comes along when people paste; `None` if nothing is left.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.field(name).map(str::trim).filter(|text| !text.is_empty())
    }

    /// Whether a check box was ticked, or the button of that name pressed.
    pub(crate) fn ticked(&self, name: &str) -> bool {
        self.field(name).is_some()
    }

    /// The fields of these names that are not empty, as members of a JSON body: for making something.
    pub(crate) fn body(&self, names: &[&str]) -> Map<String, Value> {
        let member = |name: &&str| Some(((*name).to_owned(), Value::from(self.text(name)?)));
        names.iter().filter_map(member).collect()
    }

    /// What has just been done, as the redirect to this page says: a word that only we chose.
    pub(crate) fn done(&self) -> Option<&str> {
        self.request.query("done")
    }

    /// The name in a path. A text that can't be a name names nothing.
    pub(crate) fn name(&self, what: &str, text: &str) -> Result<Name, Problem> {
        Name::parse(text).map_err(|_| Problem::not_found(what, "of that name"))
    }

    /// The organizations, if the caller may see them all; `None` if it may not, or they are too many to choose from.
    pub(crate) async fn organizations(&self) -> Result<Option<Vec<Organization>>, Problem> {
        if !self.may_at_home(Operation::OrganizationsList) {
            return Ok(None);
        }
        let request = PageRequest { limit: MOST_TO_CHOOSE_FROM, cursor: None };
        let page = self.bifrost.organizations(request).await?;
        Ok(page.next.is_none().then(|| page.rows.into_iter().map(|row| row.item).collect()))
    }

    /// The organization that a form names by its id.
    pub(crate) fn organization(&self, field: &str) -> Result<OrganizationId, Problem> {
        let id =
            self.text(field).ok_or_else(|| Problem::invalid(field, "is required: choose an organization"))?;
        id.parse().map_err(|_| Problem::invalid(field, "must be an organization's id, a UUID"))
    }
}
