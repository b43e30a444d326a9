//! Just enough HTML to fill in the forms of pages that are known to be well-formed.

/// A form of a page, ready to be sent.
#[derive(Clone, Debug, Default)]
pub struct Form {
    /// In lower case; empty for none, which is `get`.
    pub method: String,
    /// Where it goes; empty for the page's own address.
    pub action: String,
    /// Its named inputs, hidden ones included and boxes only if they are ticked; buttons are left to whoever presses them.
    pub fields: Vec<(String, String)>,
}

impl Form {
    /// The first one.
    pub(crate) fn parse(page: &str) -> Option<Self> {
        Self::all(page).next()
    }

    pub(crate) fn all(page: &str) -> impl Iterator<Item = Self> {
        let starts = page.match_indices("<form").map(|(start, _)| &page[start..]);
        starts.filter_map(|form| Self::of(&form[..form.find("</form")?]))
    }

    fn of(form: &str) -> Option<Self> {
        let mut tags = form.split('<').skip(1);
        let tag = tags.next()?;
        let [method, action] = ["method", "action"].map(|name| attribute(tag, name).unwrap_or_default());
        let inputs = tags.filter(|tag| tag.starts_with("input") && is_sent(tag));
        let fields = inputs.filter_map(|tag| {
            let name = attribute(tag, "name")?;
            Some((name, attribute(tag, "value").unwrap_or_default()))
        });
        Some(Self { method, action, fields: fields.collect() })
    }

    /// The form with a field set.
    #[must_use]
    pub fn set(mut self, name: &str, value: &str) -> Self {
        self.fields.retain(|(known, _)| known != name);
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn encoded(&self) -> String {
        url::form_urlencoded::Serializer::new(String::new()).extend_pairs(&self.fields).finish()
    }

    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// A box that is not ticked is not.
fn is_sent(tag: &str) -> bool {
    let kind = attribute(tag, "type");
    !matches!(kind.as_deref(), Some("checkbox" | "radio")) || tag.contains(" checked")
}

/// The addresses that a page's links lead to.
pub(crate) fn links(page: &str) -> impl Iterator<Item = String> {
    page.split("<a ").skip(1).filter_map(|tag| attribute(&format!("a {tag}"), "href"))
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let tag = &tag[..tag.find('>').unwrap_or(tag.len())];
    let start = tag.find(&format!(" {name}=\""))? + name.len() + 3;
    let value = &tag[start..];
    Some(unescape(&value[..value.find('"')?]))
}

fn unescape(text: &str) -> String {
    let pairs =
        [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&#x27;", "'"), ("&amp;", "&")];
    pairs.iter().fold(text.to_owned(), |text, (escaped, plain)| text.replace(escaped, plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_gives_its_action_and_named_inputs_unescaped() {
        let page = r#"<p>x</p><form method="post" action="/go?a=1&amp;b=2"><input type="hidden" name="t" value="&quot;1">
            <input type="text" name="user"><button name="decision" value="allow">Go</button></form>"#;
        let form = Form::parse(page).unwrap().set("user", "ada");
        assert_eq!(form.action, "/go?a=1&b=2");
        assert_eq!(
            (form.field("t"), form.field("user"), form.field("decision")),
            (Some("\"1"), Some("ada"), None)
        );
    }
}
