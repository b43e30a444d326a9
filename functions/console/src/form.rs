//! Forms: fields with their label, their hint, and what is wrong with them beside what was typed.

use bifrost::model::{Problem, organization::Organization};
use maud::{Markup, Render, html};

use crate::visit::Visit;

/// What a form shows: what is stored or was typed, and what is wrong with it.
pub(crate) struct Form {
    token: String,
    values: Vec<(String, String)>,
    problem: Option<Problem>,
}

impl Form {
    /// With these values in its fields.
    pub(crate) fn new<N: Into<String>, V: Into<String>>(
        visit: &Visit<'_>,
        values: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        let values = values.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        Self { token: visit.form_token(), values, problem: None }
    }

    pub(crate) fn empty(visit: &Visit<'_>) -> Self {
        Self::new(visit, [] as [(&str, &str); 0])
    }

    /// With what was typed, and for a form that was refused, why.
    pub(crate) fn typed(visit: &Visit<'_>, problem: Option<Problem>) -> Self {
        Self { problem, ..Self::new(visit, visit.form().to_vec()) }
    }

    /// The same, come back with why it was refused.
    #[must_use]
    pub(crate) fn refused(self, problem: Option<Problem>) -> Self {
        Self { problem, ..self }
    }

    pub(crate) fn problem(&self) -> Option<&Problem> {
        self.problem.as_ref()
    }

    pub(crate) fn value(&self, name: &str) -> &str {
        let found = self.values.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str()).unwrap_or_default()
    }

    pub(crate) fn ticked(&self, name: &str) -> bool {
        self.values.iter().any(|(key, _)| key == name)
    }

    /// What is wrong with a field, or with what lies in it (`scopes[2]`, `dialect.verify`).
    pub(crate) fn error(&self, name: &str) -> Option<String> {
        let errors = &self.problem.as_ref()?.errors;
        let about = |field: &str| {
            field.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        };
        let messages: Vec<_> =
            errors.iter().filter(|error| about(&error.field)).map(|error| error.message.clone()).collect();
        (!messages.is_empty()).then(|| messages.join("; "))
    }

    /// The form element around its fields, with what is wrong above them.
    pub(crate) fn around(&self, action: &str, fields: &Markup) -> Markup {
        html! {
            (self.summary())
            form method="post" action=(action) {
                input type="hidden" name="form_token" value=(self.token);
                (fields)
            }
        }
    }

    /// A form that is a single button.
    pub(crate) fn button(&self, action: &str, label: &str, class: &str) -> Markup {
        html! {
            form.inline method="post" action=(action) {
                input type="hidden" name="form_token" value=(self.token);
                button class=(class) type="submit" { (label) }
            }
        }
    }

    /// The same with a sign on it, which is read out as the label.
    pub(crate) fn icon_button(&self, action: &str, label: &str, icon: &str) -> Markup {
        html! {
            form.inline method="post" action=(action) {
                input type="hidden" name="form_token" value=(self.token);
                button.quiet.icon type="submit" aria-label=(label) title=(label) { (icon) }
            }
        }
    }

    /// Read out by screen readers when the page comes back.
    fn summary(&self) -> Markup {
        let Some(problem) = &self.problem else { return html! {} };
        html! {
            div.notice.bad role="alert" {
                p { strong { (problem.code.title()) } }
                @if problem.errors.is_empty() {
                    p { (problem.detail) " " (problem.fix) }
                } @else {
                    ul { @for error in &problem.errors { li { (error.field) " " (error.message) } } }
                }
            }
        }
    }

    pub(crate) fn text<'a>(&'a self, name: &'a str, label: &'a str) -> Field<'a> {
        Field {
            form: self,
            name,
            label,
            id: None,
            hint: None,
            required: false,
            bare: false,
            focused: false,
            kind: Kind::Text,
        }
    }

    /// One that is never shown again: not even what was typed and refused.
    pub(crate) fn secret<'a>(&'a self, name: &'a str, label: &'a str) -> Field<'a> {
        Field { kind: Kind::Secret, ..self.text(name, label) }
    }

    /// The same for one that may have several lines, such as a private key in PEM.
    pub(crate) fn secret_area<'a>(&'a self, name: &'a str, label: &'a str, rows: u32) -> Field<'a> {
        Field { kind: Kind::SecretArea(rows), ..self.text(name, label) }
    }

    /// A day, as `2026-01-31`.
    pub(crate) fn date<'a>(&'a self, name: &'a str, label: &'a str) -> Field<'a> {
        Field { kind: Kind::Date, ..self.text(name, label) }
    }

    pub(crate) fn area<'a>(&'a self, name: &'a str, label: &'a str, rows: u32) -> Field<'a> {
        Field { kind: Kind::Area(rows), ..self.text(name, label) }
    }

    /// `options`: value and label. An empty value stands for none.
    pub(crate) fn select<'a>(
        &'a self,
        name: &'a str,
        label: &'a str,
        options: Vec<(String, String)>,
    ) -> Field<'a> {
        Field { kind: Kind::Select(options), ..self.text(name, label) }
    }

    pub(crate) fn check<'a>(&'a self, name: &'a str, label: &'a str) -> Field<'a> {
        Field { kind: Kind::Check, ..self.text(name, label) }
    }

    /// An organization by its name, where the caller may see which there are and they are few enough; else by its id.
    pub(crate) fn organization<'a>(
        &'a self,
        name: &'a str,
        label: &'a str,
        organizations: Option<&[Organization]>,
    ) -> Field<'a> {
        let Some(organizations) = organizations else {
            return self.text(name, label).hint("The organization's id, a UUID");
        };
        let mut options: Vec<_> = organizations
            .iter()
            .map(|organization| (organization.id.to_string(), organization.name.clone()))
            .collect();
        options.sort_by_key(|(_, name)| name.to_lowercase());
        options.insert(0, (String::new(), "Select an organization".to_owned()));
        self.select(name, label, options)
    }
}

/// One field of a form.
pub(crate) struct Field<'a> {
    form: &'a Form,
    name: &'a str,
    label: &'a str,
    id: Option<&'a str>,
    hint: Option<&'a str>,
    required: bool,
    bare: bool,
    focused: bool,
    kind: Kind,
}

enum Kind {
    Text,
    Secret,
    SecretArea(u32),
    Date,
    Area(u32),
    Select(Vec<(String, String)>),
    Check,
}

impl<'a> Field<'a> {
    #[must_use]
    pub(crate) fn hint(self, hint: &'a str) -> Self {
        Self { hint: Some(hint), ..self }
    }

    #[must_use]
    pub(crate) fn required(self) -> Self {
        Self { required: true, ..self }
    }

    /// For a name that is anyone's text, of which no id can be made that differs from all others.
    #[must_use]
    pub(crate) fn id(self, id: &'a str) -> Self {
        Self { id: Some(id), ..self }
    }

    /// Without the word that it is optional: among others that all are, or where it depends on what else is filled in.
    #[must_use]
    pub(crate) fn bare(self) -> Self {
        Self { bare: true, ..self }
    }

    /// Where the keyboard goes on when the page comes.
    #[must_use]
    pub(crate) fn focused(self) -> Self {
        Self { focused: true, ..self }
    }

    #[must_use]
    pub(crate) fn required_if(self, required: bool) -> Self {
        Self { required, ..self }
    }
}

impl Render for Field<'_> {
    fn render(&self) -> Markup {
        let Self { form, name, label, id, hint, required, bare, focused, kind } = self;
        let id = id.map_or_else(|| name.replace(['.', '[', ']', ' '], "-"), str::to_owned);
        let (value, error) = (form.value(name), form.error(name));
        let (error_id, hint_id) = (format!("{id}-error"), format!("{id}-hint"));
        let described: Vec<_> = [error.as_ref().map(|_| error_id.as_str()), hint.map(|_| hint_id.as_str())]
            .into_iter()
            .flatten()
            .collect();
        let described = (!described.is_empty()).then(|| described.join(" "));
        let invalid = error.as_ref().map(|_| "true");
        let optional = !required && !bare && !matches!(kind, Kind::Check);
        let label = html! { label for=(id) { (label) @if optional { span.optional { " (optional)" } } } };
        html! {
            div.field.check[matches!(kind, Kind::Check)] {
                @if !matches!(kind, Kind::Check) { (label) }
                @if let Some(error) = &error { p.error id=(error_id) { (error) } }
                @match kind {
                    Kind::Text => input type="text" id=(id) name=(name) value=(value) required[*required] autocomplete="off"
                        spellcheck="false" autofocus[*focused] aria-invalid=[invalid] aria-describedby=[described];,
                    Kind::Secret => input type="password" id=(id) name=(name) required[*required] autocomplete="new-password"
                        spellcheck="false" aria-invalid=[invalid] aria-describedby=[described];,
                    Kind::SecretArea(rows) => textarea.secret id=(id) name=(name) rows=(rows) required[*required] autocomplete="off"
                        spellcheck="false" aria-invalid=[invalid] aria-describedby=[described] {},
                    Kind::Date => input type="date" id=(id) name=(name) value=(value) required[*required]
                        aria-invalid=[invalid] aria-describedby=[described];,
                    Kind::Area(rows) => textarea id=(id) name=(name) rows=(rows) required[*required] spellcheck="false"
                        aria-invalid=[invalid] aria-describedby=[described] { (value) },
                    Kind::Select(options) => select id=(id) name=(name) required[*required] aria-invalid=[invalid] aria-describedby=[described] {
                        @for (option, text) in options { option value=(option) selected[option == value] { (text) } }
                    },
                    Kind::Check => {
                        input type="checkbox" id=(id) name=(name) value="true" checked[form.ticked(name)]
                            aria-invalid=[invalid] aria-describedby=[described];
                        (label)
                    }
                }
                @if let Some(hint) = hint { p.hint id=(hint_id) { (hint) } }
            }
        }
    }
}
