//! Tells `main.rs` which of the steps are taken whose code waits for something. A branch on a constant would not do: an async
//! function keeps the states of those that it never takes, and with them all that they call.

/// By their numbers there.
const STEPS: [(usize, &str); 5] = [
    (6, "with_http"),
    (7, "with_dynamodb"),
    (8, "with_kms"),
    (9, "with_secrets_manager"),
    (10, "with_oauth2"),
];

fn main() {
    println!("cargo::rerun-if-env-changed=BIFROST_WEIGHT");
    let step = std::env::var("BIFROST_WEIGHT");
    let step =
        step.map_or(usize::MAX, |step| step.parse().expect("BIFROST_WEIGHT must be the number of a step"));
    for (number, name) in STEPS {
        println!("cargo::rustc-check-cfg=cfg({name})");
        if number <= step {
            println!("cargo::rustc-cfg={name}");
        }
    }
}
