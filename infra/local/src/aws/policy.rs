//! Whether a policy allows an access, as IAM decides it where nothing denies.

use super::access::Access;
use crate::template::{Condition, Operator, Statement};

pub(super) fn allows(policy: &[Statement], access: &Access) -> bool {
    policy.iter().any(|statement| {
        statement.actions.contains(&access.action)
            && statement.resources.iter().any(|pattern| fits(pattern, &access.resource))
            && statement.conditions.iter().all(|condition| holds(condition, access))
    })
}

fn holds(condition: &Condition, access: &Access) -> bool {
    let Condition { operator, key, values } = condition;
    let given = access.context.get(key).map(Vec::as_slice);
    let equal = |one: &String| values.contains(one);
    let like = |one: &String| values.iter().any(|pattern| fits(pattern, one));
    match operator {
        Operator::StringEquals => given.is_some_and(|given| given.iter().any(equal)),
        Operator::StringLike => given.is_some_and(|given| given.iter().any(like)),
        Operator::AllStringEquals => given.unwrap_or_default().iter().all(equal),
        Operator::AllStringLike => given.unwrap_or_default().iter().all(like),
        Operator::Null => values.iter().any(|value| (value == "true") == given.is_none()),
    }
}

/// `*` stands for any text, `?` for one character.
pub fn fits(pattern: &str, text: &str) -> bool {
    let Some(first) = pattern.chars().next() else { return text.is_empty() };
    let rest = &pattern[first.len_utf8()..];
    if first == '*' {
        let ends = text.char_indices().map(|(start, _)| start).chain([text.len()]);
        return ends.into_iter().any(|start| fits(rest, &text[start..]));
    }
    let Some(next) = text.chars().next() else { return false };
    (first == '?' || first == next) && fits(rest, &text[next.len_utf8()..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn condition(operator: Operator, key: &str, values: &[&str]) -> Condition {
        let values = values.iter().map(|value| (*value).to_owned()).collect();
        Condition { operator, key: key.to_owned(), values }
    }

    fn access(keys: &[&str]) -> Access {
        let access = Access::new("dynamodb:GetItem".to_owned(), "table/a".to_owned());
        let keys: Vec<_> = keys.iter().map(|key| (*key).to_owned()).collect();
        if keys.is_empty() { access } else { access.with("k", keys) }
    }

    fn allowed(conditions: &[Condition], access: &Access) -> bool {
        let statement = Statement {
            sid: String::new(),
            actions: vec!["dynamodb:GetItem".to_owned()],
            resources: vec!["table/*".to_owned()],
            conditions: conditions.to_vec(),
        };
        allows(&[statement], access)
    }

    #[test]
    fn a_statement_allows_its_actions_on_its_resources_alone() {
        assert!(allowed(&[], &access(&[])));
        assert!(!allowed(&[], &Access::new("dynamodb:PutItem".to_owned(), "table/a".to_owned())));
        assert!(!allowed(&[], &Access::new("dynamodb:GetItem".to_owned(), "index/a".to_owned())));
    }

    #[test]
    fn all_values_of_a_request_must_fit_and_a_guard_wants_one_at_least() {
        let prefix = condition(Operator::AllStringLike, "k", &["KEY#*", "GLOBAL"]);
        assert!(allowed(std::slice::from_ref(&prefix), &access(&["KEY#1", "GLOBAL"])));
        assert!(!allowed(std::slice::from_ref(&prefix), &access(&["KEY#1", "ORG#1"])));
        assert!(allowed(std::slice::from_ref(&prefix), &access(&[])));
        let guard = condition(Operator::Null, "k", &["false"]);
        assert!(!allowed(&[prefix.clone(), guard.clone()], &access(&[])));
        assert!(allowed(&[prefix, guard], &access(&["KEY#1"])));
    }

    #[test]
    fn a_plain_condition_fails_where_the_request_has_no_such_key() {
        let equal = condition(Operator::StringEquals, "k", &["true"]);
        assert!(!allowed(std::slice::from_ref(&equal), &access(&[])));
        assert!(allowed(std::slice::from_ref(&equal), &access(&["true"])));
        assert!(!allowed(&[equal], &access(&["TRUE"])));
    }

    #[test]
    fn stars_stand_for_any_text() {
        for (pattern, text, expected) in [
            ("a/*", "a/", true),
            ("a/*", "a/b/c", true),
            ("a/*/c", "a/b/c", true),
            ("a/*/c", "a/b/d", false),
            ("a?c", "abc", true),
            ("a", "ab", false),
            ("", "", true),
        ] {
            assert_eq!(fits(pattern, text), expected, "{pattern} {text}");
        }
    }
}
