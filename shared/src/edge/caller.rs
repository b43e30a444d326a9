//! The caller, from the authorizer's answer into every function's event.
//!
//! The authorizer's context is flat text: it shows up in access logs, and API Gateway caches it. Expiry and networks
//! travel in it and are checked on every request, so that the cache can't outlive them.

use std::{collections::HashMap, net::IpAddr};

use ipnet::IpNet;
use serde_json::{Map, Value};

use crate::model::{
    Code, Problem, Timestamp,
    access::{Caller, Role, SecretReach},
};

/// The caller as the authorizer hands it to the gateway.
pub(super) fn to_context(caller: &Caller) -> Map<String, Value> {
    let cidrs: Vec<_> = caller.allowed_cidrs.iter().map(ToString::to_string).collect();
    let reach = match caller.secret_reach {
        SecretReach::None => "none",
        SecretReach::Own => "own",
        SecretReach::Reached => "reached",
    };
    let fields = [
        ("key_id", caller.key_id.clone()),
        ("role", caller.role.as_str().to_owned()),
        ("scope", caller.home.to_string()),
        ("provider", caller.is_provider.to_string()),
        ("secret_reach", reach.to_owned()),
        ("expires_at", caller.expires_at.map(|at| at.to_string()).unwrap_or_default()),
        ("allowed_cidrs", cidrs.join(",")),
    ];
    fields.into_iter().map(|(name, value)| (name.to_owned(), Value::String(value))).collect()
}

/// The caller as a function finds it in its event. Whatever is missing or odd is an error, never a default: a context
/// that lost its scope must not become the platform's.
pub(super) fn from_context(fields: &HashMap<String, Value>) -> Option<Caller> {
    let text = |name: &str| fields.get(name).and_then(Value::as_str);
    let expires_at = match text("expires_at")? {
        "" => None,
        at => Some(at.parse().ok()?),
    };
    let cidrs = text("allowed_cidrs")?.split(',').filter(|cidr| !cidr.is_empty());
    Some(Caller {
        key_id: text("key_id")?.to_owned(),
        role: match text("role")? {
            "admin" => Role::Admin,
            "user" => Role::User,
            "workflow" => Role::Workflow,
            _ => return None,
        },
        home: text("scope")?.parse().ok()?,
        is_provider: text("provider")?.parse().ok()?,
        secret_reach: match text("secret_reach")? {
            "none" => SecretReach::None,
            "own" => SecretReach::Own,
            "reached" => SecretReach::Reached,
            _ => return None,
        },
        expires_at,
        allowed_cidrs: cidrs.map(str::parse::<IpNet>).collect::<Result<_, _>>().ok()?,
    })
}

/// Whether the key, or the token, may be used now, from there.
pub(super) fn check(caller: &Caller, source: Option<IpAddr>, now: Timestamp) -> Result<(), Problem> {
    if let Some(at) = caller.expires_at
        && at <= now
    {
        let expired = |what: &str| Problem::new(Code::KeyExpired, format!("{what} at {at}."));
        return Err(match caller.person() {
            None => expired("The key expired"),
            Some(_) => expired("The sign-in ended").fix("Sign in again."),
        });
    }
    // A client that reaches a dual-stack listener over IPv4 may be shown as an IPv6 address that embeds it.
    let source = source.map(|address| address.to_canonical());
    let within = |address: &IpAddr| caller.allowed_cidrs.iter().any(|net| net.contains(address));
    if !caller.allowed_cidrs.is_empty() && !source.as_ref().is_some_and(within) {
        return Err(Problem::new(
            Code::NetworkForbidden,
            "The request comes from outside the key's allowed_cidrs.",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{OrganizationId, Scope};

    fn caller() -> Caller {
        Caller {
            key_id: "k".into(),
            role: Role::Workflow,
            home: Scope::Organization(OrganizationId::new()),
            is_provider: false,
            secret_reach: SecretReach::Own,
            expires_at: Some(Timestamp::from_unix_seconds(1_900_000_000)),
            allowed_cidrs: vec!["203.0.113.0/24".parse().unwrap()],
        }
    }

    fn context(caller: &Caller) -> HashMap<String, Value> {
        to_context(caller).into_iter().collect()
    }

    #[test]
    fn a_caller_survives_the_way_through_the_gateway() {
        let caller = caller();
        assert_eq!(from_context(&context(&caller)), Some(caller));
    }

    #[test]
    fn a_context_that_lacks_anything_is_nobody() {
        let whole = context(&caller());
        for name in whole.keys() {
            let mut lacking = whole.clone();
            lacking.remove(name);
            assert_eq!(from_context(&lacking), None, "without {name}");
        }
    }

    #[test]
    fn an_expired_key_and_a_foreign_network_have_codes_of_their_own() {
        let now = Timestamp::from_unix_seconds(1_800_000_000);
        let inside = Some("203.0.113.9".parse().unwrap());
        let mapped = Some("::ffff:203.0.113.9".parse().unwrap());
        let outside = Some("198.51.100.1".parse().unwrap());
        let code = |source, now| check(&caller(), source, now).map_err(|problem| problem.code);
        assert_eq!(code(inside, now), Ok(()));
        assert_eq!(code(mapped, now), Ok(()));
        assert_eq!(code(outside, now), Err(Code::NetworkForbidden));
        assert_eq!(code(None, now), Err(Code::NetworkForbidden));
        assert_eq!(code(inside, Timestamp::from_unix_seconds(1_900_000_000)), Err(Code::KeyExpired));
    }

    #[test]
    fn a_sign_in_that_ended_is_to_be_begun_again() {
        let person = Caller { key_id: "oidc:ada".into(), allowed_cidrs: vec![], ..caller() };
        assert_eq!(from_context(&context(&person)), Some(person.clone()));
        let problem = check(&person, None, Timestamp::from_unix_seconds(1_900_000_000)).unwrap_err();
        assert_eq!((problem.code, problem.fix.as_str()), (Code::KeyExpired, "Sign in again."));
        assert!(problem.detail.starts_with("The sign-in ended"), "{problem}");
    }
}
