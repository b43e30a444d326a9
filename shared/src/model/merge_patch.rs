//! JSON merge patch (RFC 7396).

use serde_json::{Map, Value};

/// Objects are merged member by member, `null` removes, anything else replaces.
pub(super) fn merge(target: &mut Map<String, Value>, patch: Map<String, Value>) {
    for (key, value) in patch {
        match (value, target.get_mut(&key)) {
            (Value::Null, _) => {
                target.remove(&key);
            }
            (Value::Object(patch), Some(Value::Object(inner))) => merge(inner, patch),
            (Value::Object(patch), _) => {
                let mut inner = Map::new();
                merge(&mut inner, patch);
                target.insert(key, Value::Object(inner));
            }
            (value, _) => {
                target.insert(key, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::arbitrary;

    /// The cases of RFC 7396, appendix A, whose target and patch are objects.
    #[test]
    fn merges_as_the_examples_of_rfc_7396_do() {
        let cases = [
            (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "b"}), json!({"b": "c"}), json!({"a": "b", "b": "c"})),
            (json!({"a": "b"}), json!({"a": null}), json!({})),
            (json!({"a": "b", "b": "c"}), json!({"a": null}), json!({"b": "c"})),
            (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "c"}), json!({"a": ["b"]}), json!({"a": ["b"]})),
            (json!({"a": {"b": "c"}}), json!({"a": {"b": "d", "c": null}}), json!({"a": {"b": "d"}})),
            (json!({"a": [{"b": "c"}]}), json!({"a": [1]}), json!({"a": [1]})),
            (json!({"e": null}), json!({"a": 1}), json!({"e": null, "a": 1})),
            (json!({}), json!({"a": {"bb": {"ccc": null}}}), json!({"a": {"bb": {}}})),
        ];
        for (target, patch, expected) in cases {
            let (Value::Object(mut merged), Value::Object(patch)) = (target, patch) else { unreachable!() };
            merge(&mut merged, patch);
            assert_eq!(Value::Object(merged), expected);
        }
    }

    /// RFC 7396 section 2, word by word.
    fn by_the_book(target: Value, patch: Value) -> Value {
        let Value::Object(patch) = patch else { return patch };
        let mut target = match target {
            Value::Object(target) => target,
            _ => Map::new(),
        };
        for (name, value) in patch {
            if value.is_null() {
                target.remove(&name);
            } else {
                let old = target.remove(&name).unwrap_or_default();
                target.insert(name, by_the_book(old, value));
            }
        }
        Value::Object(target)
    }

    /// The patch that makes `from` into `to`, which hold no null.
    fn difference(from: &Map<String, Value>, to: &Map<String, Value>) -> Map<String, Value> {
        let gone = from.keys().filter(|key| !to.contains_key(*key)).map(|key| (key.clone(), Value::Null));
        let changed = to.iter().filter(|(key, value)| from.get(*key) != Some(value));
        let changed = changed.map(|(key, value)| match (from.get(key), value) {
            (Some(Value::Object(from)), Value::Object(to)) => {
                (key.clone(), Value::Object(difference(from, to)))
            }
            _ => (key.clone(), value.clone()),
        });
        gone.chain(changed).collect()
    }

    /// Objects that share names, so that patches meet something.
    fn object() -> impl Strategy<Value = Map<String, Value>> {
        let inner = proptest::collection::btree_map("[a-c]", arbitrary::json(), 0..4);
        let inner = inner.prop_map(|members| Value::Object(members.into_iter().collect()));
        let value = prop_oneof![arbitrary::json(), inner];
        proptest::collection::btree_map("[a-c]", value, 0..4)
            .prop_map(|members| members.into_iter().collect())
    }

    fn without_nulls(value: Value) -> Value {
        match value {
            Value::Object(members) => {
                let members = members.into_iter().filter(|(_, value)| !value.is_null());
                Value::Object(members.map(|(key, value)| (key, without_nulls(value))).collect())
            }
            other => other,
        }
    }

    fn merged(mut target: Map<String, Value>, patch: Map<String, Value>) -> Map<String, Value> {
        merge(&mut target, patch);
        target
    }

    proptest! {
        #[test]
        fn merges_as_rfc_7396_says(target in object(), patch in object()) {
            let expected = by_the_book(Value::Object(target.clone()), Value::Object(patch.clone()));
            prop_assert_eq!(Value::Object(merged(target, patch)), expected);
        }

        #[test]
        fn a_patch_applied_twice_is_a_patch_applied_once(target in object(), patch in object()) {
            let once = merged(target, patch.clone());
            prop_assert_eq!(&merged(once.clone(), patch), &once);
        }

        #[test]
        fn for_any_two_objects_there_is_a_patch_between_them(from in object(), to in object()) {
            let (Value::Object(from), Value::Object(to)) = (without_nulls(from.into()), without_nulls(to.into())) else {
                unreachable!("objects stay objects")
            };
            let patch = difference(&from, &to);
            prop_assert_eq!(merged(from, patch), to);
        }
    }
}
