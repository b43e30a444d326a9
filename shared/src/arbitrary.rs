//! What strangers send, for property tests: texts, JSON and bytes that are odd in the ways that matter here.
//!
//! `PROPTEST_CASES=100000 cargo test -p bifrost --lib` looks deeper than the 256 cases of every run.

use proptest::{collection::vec, prelude::*, sample::select};
use serde_json::{Map, Value};

/// A text that stands for a secret: an error that repeats it is found by searching.
pub(crate) const SECRET: &str = "s3cr3t-Xq81kVnf";

/// Short texts, from ordinary to hostile.
pub(crate) fn text() -> impl Strategy<Value = String> {
    let odd = select(vec![
        "",
        " ",
        ".",
        "..",
        "/",
        "\\",
        "%",
        "%2e%2e",
        "\0",
        "\r\nx: y",
        "\u{202e}",
        "\u{feff}",
        "ü",
        "💩",
        "null",
        "true",
        "0",
        "-1",
        "1e999",
        "9007199254740993",
        "{x}",
        "{",
        "<script>",
        "' OR 1=1",
        "global",
        "bfk_",
        "2026-01-31T12:00:00Z",
        "0.0.0.0/0",
        "::/0",
        "00000000-0000-0000-0000-000000000000",
        "https://example.com/{tenant}",
        "http://localhost",
        SECRET,
    ]);
    prop_oneof![4 => odd.prop_map(str::to_owned), 2 => "[ -~]{0,40}", 2 => "\\PC{0,20}", 1 => any::<String>(), 1 => "[a-z]{2000,2001}"]
}

/// Any JSON value, not deep.
pub(crate) fn json() -> impl Strategy<Value = Value> {
    let number = prop_oneof![
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        (-2_i64..100_000).prop_map(Value::from),
    ];
    let leaf = prop_oneof![1 => Just(Value::Null), 1 => any::<bool>().prop_map(Value::from), 2 => number, 4 => text().prop_map(Value::from)];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            vec((text(), inner), 0..4).prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// `good` with some members replaced, taken away, or added: near enough to a valid object to get far.
pub(crate) fn damaged(good: Value) -> impl Strategy<Value = Map<String, Value>> {
    let Value::Object(good) = good else { panic!("only objects are damaged") };
    let names: Vec<String> = good.keys().cloned().collect();
    let name = prop_oneof![8 => select(names), 1 => text()];
    vec((name, proptest::option::weighted(0.8, json())), 0..4).prop_map(move |changes| {
        let mut object = good.clone();
        for (name, value) in changes {
            match value {
                Some(value) => object.insert(name, value),
                None => object.remove(&name),
            };
        }
        object
    })
}

/// Bytes near to these: some changed, cut out, doubled or put in.
pub(crate) fn mutated(seed: impl Strategy<Value = Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    let change = (any::<prop::sample::Index>(), 0..4_u8, any::<u8>());
    (seed, vec(change, 0..6)).prop_map(|(mut bytes, changes)| {
        for (at, kind, byte) in changes {
            let at = at.index(bytes.len() + 1);
            match kind {
                0 => bytes.insert(at, byte),
                1 => bytes.truncate(at),
                2 => bytes.extend_from_within(at..),
                _ => bytes.iter_mut().skip(at).take(1).for_each(|old| *old = byte),
            }
        }
        bytes
    })
}
