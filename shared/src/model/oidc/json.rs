//! JSON that means one thing to every reader.
//!
//! RFC 8259 leaves open what an object says that has a member twice, and readers differ: what one of them checked, another
//! may not see (RFC 8725 section 2.6). Such an object is none here.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// How deep lists and objects may lie in one another; real tokens need three.
const DEEPEST: u8 = 16;

/// The one object that these bytes are.
pub(super) fn object(bytes: &[u8]) -> Option<Map<String, Value>> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = Strict { depth: DEEPEST }.deserialize(&mut deserializer).ok()?;
    deserializer.end().ok()?;
    match value {
        Value::Object(object) => Some(object),
        _ => None,
    }
}

/// Reads a value, and so many more inside one another.
#[derive(Clone, Copy)]
struct Strict {
    depth: u8,
}

impl Strict {
    fn inside<E: Error>(self) -> Result<Self, E> {
        let depth = self.depth.checked_sub(1).ok_or_else(|| E::custom("too deep"))?;
        Ok(Self { depth })
    }
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(self.inside()?)? {
            list.push(item);
        }
        Ok(list.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            let value = members.next_value_seed(self.inside()?)?;
            if object.insert(name, value).is_some() {
                return Err(A::Error::custom("a member stands twice"));
            }
        }
        Ok(object.into())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::arbitrary::{json, text};

    proptest! {
        #[test]
        fn an_object_is_read_as_everyone_reads_it(name in text(), value in json()) {
            let text = serde_json::json!({name: value}).to_string();
            prop_assert_eq!(object(text.as_bytes()), serde_json::from_str(&text).ok());
        }

        #[test]
        fn an_object_with_a_member_twice_is_none_however_deep_it_lies(name in text(), one in json(), other in json()) {
            let name = Value::from(name);
            let twice = format!("{{{name}:{one},{name}:{other}}}");
            for text in [twice.clone(), format!("{{\"a\":{twice}}}"), format!("{{\"a\":[0,{twice}]}}")] {
                prop_assert_eq!(object(text.as_bytes()), None);
            }
        }
    }

    #[test]
    fn a_member_that_is_spelt_in_two_ways_stands_twice() {
        assert_eq!(object(br#"{"aud":"us","\u0061ud":"them"}"#), None);
        assert!(object(br#"{"aud":"us","Aud":"them"}"#).is_some());
    }

    #[test]
    fn what_is_more_or_less_than_one_object_is_none() {
        for text in ["", "{}{}", "{} x", "[]", "null", "\u{feff}{}", "{\"a\":1,}", "{'a':1}", "{\"a\":NaN}"] {
            assert_eq!(object(text.as_bytes()), None, "{text}");
        }
        assert_eq!(object(b"{\"a\":\"\xff\"}"), None, "not UTF-8");
        assert!(object(b" {} \n").is_some());
    }

    #[test]
    fn depth_has_an_end() {
        let deep = |depth: usize| format!("{{\"a\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
        assert!(object(deep(3).as_bytes()).is_some());
        assert_eq!(object(deep(usize::from(DEEPEST) + 1).as_bytes()), None);
        assert_eq!(object(deep(100_000).as_bytes()), None);
    }
}
