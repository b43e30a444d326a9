//! Who signed in, in the provider's words.
//!
//! A provider says it in the ID token that comes with the tokens (OpenID Connect Core 1.0 section 2), or when it is
//! asked with the access token, as the connection's dialect says ([`Verify`]). It is shown, and compared when someone
//! connects again; nothing is permitted because of it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::dialect::{Dialect, Verify, fact_text, member};

/// What providers call the tenant in an ID token: Microsoft, Intuit, Auth0, Google.
const TENANT_CLAIMS: [&str; 4] = ["tid", "realmid", "org_id", "hd"];
/// Where an ID token has something to write to a person; the latter two are Microsoft's, and look like e-mail.
const EMAIL_CLAIMS: [&str; 3] = ["email", "preferred_username", "upn"];

/// Who signed in. What the provider does not say is null.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct Identity {
    /// What the provider tells people apart by.
    pub subject: Option<String>,
    pub name: Option<String>,
    pub email: Option<String>,
    /// The organization, directory, company or site over there.
    pub tenant: Option<String>,
    /// Who says so, if it was an ID token.
    pub issuer: Option<String>,
}

/// What is known of a grant's owner: who signed in, and what the redirect back said of where.
#[derive(Clone, Copy, Debug)]
pub struct Owner<'a> {
    pub identity: Option<&'a Identity>,
    pub facts: &'a BTreeMap<String, String>,
}

impl Identity {
    /// From the claims of an ID token. Nothing without a subject is one.
    pub fn from_claims(claims: &Map<String, Value>) -> Option<Self> {
        let text = |name: &str| claims.get(name).and_then(fact_text);
        Some(Self {
            subject: Some(text("sub")?),
            name: text("name"),
            email: EMAIL_CLAIMS.iter().find_map(|name| text(name)),
            tenant: TENANT_CLAIMS.iter().find_map(|name| text(name)),
            issuer: text("iss"),
        })
    }

    /// From what the provider's API answers; none if nothing of it is where the dialect says.
    pub fn from_answer(answer: &Map<String, Value>, verify: &Verify) -> Option<Self> {
        let text = |path: &Option<String>| fact_text(member(answer, path.as_ref()?)?);
        let identity = Self {
            subject: text(&verify.subject),
            name: text(&verify.name),
            email: text(&verify.email),
            tenant: text(&verify.tenant),
            issuer: None,
        };
        (identity != Self::default()).then_some(identity)
    }

    /// As a refresh's ID token has it. One may say less than the first did (OpenID Connect Core 1.0 section 12.2), and
    /// what it leaves out stays.
    #[must_use]
    pub fn updated(&self, newer: Self) -> Self {
        Self {
            subject: newer.subject.or_else(|| self.subject.clone()),
            name: newer.name.or_else(|| self.name.clone()),
            email: newer.email.or_else(|| self.email.clone()),
            tenant: newer.tenant.or_else(|| self.tenant.clone()),
            issuer: newer.issuer.or_else(|| self.issuer.clone()),
        }
    }

    /// Whether both are known and it is not the same person, or not the same tenant.
    ///
    /// An ID token's subject may be of this client alone (OpenID Connect Core 1.0 section 8), unlike the one that an API
    /// shows. So what comes from an ID token is compared with its like. Without two subjects to compare there is still the
    /// e-mail address.
    fn differs_from(&self, other: &Self) -> bool {
        let alike = self.issuer.is_some() == other.issuer.is_some();
        let other_person = match (&self.subject, &other.subject) {
            (Some(one), Some(other)) if alike => one != other,
            _ => match (&self.email, &other.email) {
                (Some(one), Some(other)) => !one.eq_ignore_ascii_case(other),
                _ => false,
            },
        };
        let other_tenant = alike && differ(self.tenant.as_ref(), other.tenant.as_ref());
        other_person || other_tenant
    }
}

impl Owner<'_> {
    /// Whether it is certainly someone else, or somewhere else. What only one of them has says nothing.
    pub fn differs_from(&self, other: &Owner<'_>, dialect: &Dialect) -> bool {
        let other_person = match (self.identity, other.identity) {
            (Some(one), Some(other)) => one.differs_from(other),
            _ => false,
        };
        let elsewhere = |fact: &String| differ(self.facts.get(fact), other.facts.get(fact));
        other_person || dialect.callback_facts.iter().any(elsewhere)
    }

    /// What a person recognises, the most telling first: e-mail address or name or subject, tenant, and what the redirect
    /// said.
    pub fn words(&self, dialect: &Dialect) -> Vec<String> {
        let mut words = Vec::new();
        if let Some(identity) = self.identity {
            let who = [&identity.email, &identity.name, &identity.subject];
            words.extend(who.into_iter().flatten().next().cloned());
            words.extend(identity.tenant.clone());
        }
        let facts = dialect.callback_facts.iter();
        words.extend(facts.filter_map(|fact| Some(format!("{fact} {}", self.facts.get(fact)?))));
        words
    }
}

/// Whether both are known and are not the same.
fn differ(one: Option<&String>, other: Option<&String>) -> bool {
    matches!((one, other), (Some(one), Some(other)) if one != other)
}

#[cfg(test)]
mod tests {
    use proptest::{option, prelude::*};
    use serde_json::json;

    use super::*;
    use crate::{
        arbitrary::{SECRET, damaged, json},
        model::input::Field,
    };

    fn claims(changes: Value) -> Identity {
        let mut claims =
            json!({"iss": "https://login.example", "sub": "1", "email": "ada@example.com", "tid": "t"});
        claims.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        Identity::from_claims(claims.as_object().unwrap()).unwrap()
    }

    fn dialect() -> Dialect {
        let verify = json!({"url": "https://api.example/me", "subject": "user.id", "email": "user.mail", "tenant": "org"});
        Dialect::from_json(json!({"callback_facts": ["realmId"], "verify": verify})).unwrap()
    }

    fn answer(answer: Value) -> Option<Identity> {
        Identity::from_answer(answer.as_object().unwrap(), &dialect().verify.unwrap())
    }

    #[test]
    fn an_id_token_says_who_and_where_in_several_ways() {
        let microsoft = json!({"email": null, "preferred_username": "ada@contoso.example", "name": "Ada"});
        let identity = claims(microsoft);
        assert_eq!(
            (identity.email.as_deref(), identity.name.as_deref()),
            (Some("ada@contoso.example"), Some("Ada"))
        );
        assert_eq!(claims(json!({"tid": null, "hd": "example.com"})).tenant.as_deref(), Some("example.com"));
        assert_eq!(Identity::from_claims(json!({"email": "ada@example.com"}).as_object().unwrap()), None);
    }

    #[test]
    fn an_api_says_it_where_the_dialect_looks() {
        let identity = answer(json!({"user": {"id": 7, "mail": "ada@example.com"}, "org": null})).unwrap();
        assert_eq!((identity.subject.as_deref(), identity.tenant, identity.issuer), (Some("7"), None, None));
        assert_eq!(answer(json!({"user": [], "org": {}})), None);
    }

    #[test]
    fn another_subject_tenant_or_company_is_someone_else_and_another_name_is_not() {
        let dialect = dialect();
        let (none, one, two) = (
            BTreeMap::new(),
            BTreeMap::from([("realmId".to_owned(), "1".to_owned())]),
            BTreeMap::from([("realmId".to_owned(), "2".to_owned())]),
        );
        let ada = claims(json!({}));
        let differs = |identity: Option<&Identity>, facts, before_facts| {
            let before = Owner { identity: Some(&ada), facts: before_facts };
            Owner { identity, facts }.differs_from(&before, &dialect)
        };
        assert!(differs(Some(&claims(json!({"sub": "2"}))), &none, &none));
        assert!(differs(Some(&claims(json!({"tid": "u"}))), &none, &none));
        assert!(!differs(Some(&claims(json!({"email": "ada@new.example", "name": "A."}))), &none, &none));
        assert!(!differs(Some(&claims(json!({"tid": null}))), &none, &none));
        assert!(differs(Some(&ada), &one, &two));
        assert!(differs(None, &one, &two), "a company can be told without a person");
        assert!(!differs(None, &none, &two));
    }

    #[test]
    fn an_id_token_and_an_api_are_compared_by_e_mail_address_alone() {
        let facts = BTreeMap::new();
        let ada = claims(json!({}));
        let differs = |answered: Value| {
            let identity = answer(answered).unwrap();
            let now = Owner { identity: Some(&identity), facts: &facts };
            now.differs_from(&Owner { identity: Some(&ada), facts: &facts }, &dialect())
        };
        assert!(!differs(json!({"user": {"id": "other-id", "mail": "ADA@example.com"}, "org": "other"})));
        assert!(differs(json!({"user": {"id": "1", "mail": "bob@example.com"}})));
        assert!(!differs(json!({"user": {"id": "other-id"}})));
    }

    #[test]
    fn where_an_api_shows_no_subject_the_e_mail_address_tells_people_apart() {
        let facts = BTreeMap::new();
        let of = |mail: &str| answer(json!({"user": {"mail": mail}})).unwrap();
        let differ = |one: &str, other: &str| {
            let (one, other) = (of(one), of(other));
            let before = Owner { identity: Some(&other), facts: &facts };
            Owner { identity: Some(&one), facts: &facts }.differs_from(&before, &dialect())
        };
        assert!(differ("ada@example.com", "bob@example.com"));
        assert!(!differ("ada@example.com", "Ada@Example.com"));
    }

    #[test]
    fn a_refreshs_id_token_takes_nothing_away() {
        let first = claims(json!({"name": "Ada"}));
        let refreshed = claims(json!({"email": null, "tid": "t"}));
        assert_eq!(first.updated(refreshed), first);
        assert_eq!(
            first.updated(claims(json!({"email": "ada@new.example"}))).email.as_deref(),
            Some("ada@new.example")
        );
    }

    fn known() -> impl Strategy<Value = Option<String>> {
        option::of("[a-c]")
    }

    fn identity() -> impl Strategy<Value = Identity> {
        (known(), known(), known(), known(), known()).prop_map(|(subject, name, email, tenant, issuer)| {
            Identity { subject, name, email, tenant, issuer }
        })
    }

    proptest! {
        #[test]
        fn nobody_differs_from_themselves_and_who_differs_does_so_both_ways(one in identity(), other in identity()) {
            prop_assert!(!one.differs_from(&one));
            prop_assert!(!one.differs_from(&Identity::default()));
            prop_assert_eq!(one.differs_from(&other), other.differs_from(&one));
        }

        #[test]
        fn whatever_a_provider_says_of_a_person_is_short_plain_text(
            claims in damaged(json!({"sub": SECRET, "email": "a", "name": "n", "tid": 7, "iss": "i"})), api in json(),
        ) {
            let api = json!({"user": {"id": api.clone(), "mail": api}});
            let found = [Identity::from_claims(&claims), answer(api)];
            for identity in found.into_iter().flatten() {
                let texts = [identity.subject, identity.name, identity.email, identity.tenant, identity.issuer];
                for text in texts.into_iter().flatten() {
                    prop_assert!((1..=512).contains(&text.chars().count()) && !text.chars().any(char::is_control));
                }
            }
        }
    }
}
