//! Data keys that get a successor, and what becomes of the secrets under the old ones. Nothing may ever become unreadable,
//! wherever a run is cut off.

mod house;
mod kms_keys;
mod lost;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bifrost_local::Fault;
use bifrost_tests::{DATA, Folder, TestApp};
use serde_json::{Value, json};
use uuid::Uuid;

use house::{House, LONG_AGO};

/// To replace every data key, however young.
fn anew() -> Value {
    json!({"older_than_days": 0})
}

#[tokio::test]
async fn wherever_a_run_is_cut_off_no_value_needs_a_data_key_that_is_gone() {
    let house = House::in_stack(TestApp::alone().await).await;
    let stack = house.app.stack();
    let mut runs = 0;
    for calls in 0.. {
        let left = Arc::new(AtomicUsize::new(calls));
        let crashed = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&crashed);
        stack.set_fault_hook(move |call| {
            if call.function != "resealer" {
                return None;
            }
            let goes_on =
                left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
            if !goes_on {
                count.fetch_add(1, Ordering::SeqCst);
            }
            // What follows is not done either, as if it had crashed there.
            (!goes_on).then(Fault::invalid)
        });
        let _cut_off = stack.try_reseal(anew()).await;
        stack.end_faults();
        let (needed, there) = (house.needed().await, house.data_keys().await);
        assert!(needed.is_subset(&there), "after {calls} calls: {needed:?} of {there:?}");
        runs = calls;
        if crashed.load(Ordering::SeqCst) == 0 {
            break;
        }
        // Begin anew: what is left is finished, and the old data keys go.
        house.reseal(json!({})).await;
        house.age(Some(LONG_AGO), Some(LONG_AGO)).await;
        let report = house.reseal(json!({})).await;
        assert_eq!(
            (&report["kept"], &report["remaining"]),
            (&json!(0), &json!(0)),
            "after {calls} calls: {report}"
        );
    }
    assert!(runs > 20, "a whole run makes {runs} calls");
    house.assert_readable().await;
}

#[tokio::test]
async fn what_was_sealed_anew_is_read_by_new_processes_without_the_old_data_keys() {
    let folder = Folder::new();
    let house = House::in_stack(TestApp::with_data(folder.path()).await).await;
    let old = house.data_keys().await;
    let report = house.reseal(anew()).await;
    assert_eq!(
        (&report["rotated"], &report["kept"], &report["deleted"]),
        (&json!(2), &json!(2), &json!(0)),
        "{report}"
    );
    assert!(report["resealed"].as_u64().unwrap() >= 8, "{report}");
    assert!(house.needed().await.is_disjoint(&old));

    house.age(Some(LONG_AGO), Some(LONG_AGO)).await;
    let report = house.reseal(json!({})).await;
    let expected = json!({"rotated": 0, "resealed": 0, "deleted": 2, "kept": 0, "readable": 0, "unreadable": 0, "remaining": 0});
    assert_eq!(report, expected);
    assert!(house.data_keys().await.is_disjoint(&old));

    house.redeployed(&folder, &[]).await.assert_readable().await;
}

/// So long ago, as the tables have times.
fn days_ago(days: i64) -> String {
    let then = time::OffsetDateTime::now_utc() - time::Duration::days(days);
    then.format(&time::format_description::well_known::Rfc3339).unwrap()
}

#[tokio::test]
async fn an_old_data_key_stays_35_days_and_half_an_hour_beyond_the_last_value_that_it_sealed() {
    let house = House::in_stack(TestApp::alone().await).await;
    house.reseal(anew()).await;
    let kept = |report: Value| (report["deleted"].clone(), report["kept"].clone());
    assert_eq!(kept(house.reseal(json!({})).await), (json!(0), json!(2)), "it has just been superseded");
    house.age(Some(&days_ago(34)), Some(LONG_AGO)).await;
    assert_eq!(kept(house.reseal(json!({})).await), (json!(0), json!(2)), "a backup may need it");
    house.age(Some(&days_ago(36)), Some(&days_ago(-1))).await;
    assert_eq!(
        kept(house.reseal(json!({})).await),
        (json!(0), json!(2)),
        "something has just been sealed anew"
    );
    house.age(None, Some(LONG_AGO)).await;
    assert_eq!(kept(house.reseal(json!({})).await), (json!(2), json!(0)));
}

#[tokio::test]
async fn a_data_table_restored_to_before_a_replacement_of_data_keys_is_readable_35_days_long() {
    let folder = Folder::new();
    let house = House::in_stack(TestApp::with_data(folder.path()).await).await;
    let copy = house.items(DATA).await;
    house.reseal(anew()).await;
    house.age(Some(&days_ago(34)), Some(LONG_AGO)).await;
    house.reseal(json!({})).await;
    house.app.stack().restore(DATA, &copy).await;
    let house = house.redeployed(&folder, &[]).await;
    let report = house.reseal(json!({"check": true})).await;
    assert_eq!(report["unreadable"], json!(0), "{report}");
    house.assert_readable().await;
    // What is back is sealed anew like anything else, and only then do they go.
    house.age(Some(&days_ago(36)), Some(LONG_AGO)).await;
    let report = house.reseal(json!({})).await;
    assert_eq!((&report["deleted"], &report["kept"]), (&json!(0), &json!(2)), "{report}");
    house.age(None, Some(LONG_AGO)).await;
    assert_eq!(house.reseal(json!({})).await["deleted"], json!(2));
    house.assert_readable().await;
}

#[tokio::test]
async fn whoever_writes_back_what_it_had_read_before_finds_its_data_key_still_there() {
    let house = House::in_stack(TestApp::alone().await).await;
    let is_connection = |item: &Value| item["sk"]["S"].as_str().unwrap().starts_with("CONNECTION#");
    let before: Vec<_> = house.items(DATA).await.into_iter().filter(is_connection).collect();
    house.reseal(anew()).await;
    house.app.stack().put_items(DATA, &before).await;
    house.age(Some(LONG_AGO), Some(LONG_AGO)).await;
    let report = house.reseal(json!({})).await;
    assert_eq!((&report["resealed"], &report["deleted"]), (&json!(3), &json!(0)), "{report}");
    house.assert_readable().await;
}

#[tokio::test]
async fn a_value_that_no_key_opens_is_reported_and_keeps_the_old_data_keys() {
    let house = House::in_stack(TestApp::alone().await).await;
    let key = json!({"pk": {"S": format!("ORG#{}", house.acme.id)}, "sk": {"S": "CONNECTION#spoilt"}});
    let mut sealed = vec![1];
    sealed.extend_from_slice(Uuid::now_v7().as_bytes());
    sealed.extend_from_slice(&[0; 40]);
    let item = bifrost_tests::with(key, json!({"client_secret": {"B": STANDARD.encode(sealed)}}));
    house.app.stack().put_items(DATA, &[item]).await;
    house.reseal(anew()).await;
    house.age(Some(LONG_AGO), Some(LONG_AGO)).await;
    let report = house.reseal(json!({})).await;
    let kept = (&report["unreadable"], &report["kept"], &report["deleted"]);
    assert_eq!(kept, (&json!(1), &json!(1), &json!(1)), "only the global scope's key goes: {report}");
}

#[tokio::test]
async fn one_scope_alone_can_be_ordered_and_an_order_that_is_none_does_nothing() {
    let house = House::in_stack(TestApp::alone().await).await;
    let before = house.data_keys().await;
    house.app.stack().try_reseal(json!({"older_than": 0})).await.unwrap_err();
    assert_eq!(house.data_keys().await, before);
    let report = house.reseal(json!({"older_than_days": 0, "scope": house.acme.id})).await;
    assert_eq!((&report["rotated"], &report["kept"]), (&json!(1), &json!(1)), "{report}");
    // Those that are young enough are left alone.
    let report = house.reseal(json!({"older_than_days": 365})).await;
    assert_eq!(report["rotated"], json!(0), "{report}");
}

#[tokio::test]
async fn a_copy_of_the_data_table_gives_away_nothing_of_a_deleted_organization() {
    let folder = Folder::new();
    let house = House::in_stack(TestApp::with_data(folder.path()).await).await;
    let copy = house.items(DATA).await;
    let path = format!("/organizations/{}", house.acme.id);
    house.app.root().delete(&path).await.expect(204);
    assert!(!house.data_keys().await.iter().any(|(partition, _)| partition.contains(&house.acme.id)));

    // The whole table as it was, in a stack whose processes have nothing in memory.
    let house = house.redeployed(&folder, &[]).await;
    house.app.stack().put_items(DATA, &copy).await;
    let root = house.app.root();
    let resolve = format!("/integrations/{}/resolve?scope={}", house.integration, house.acme.id);
    root.get(&resolve).await.problem(409, "secret-unavailable");
    let token = format!("/connections/own/token?scope={}", house.acme.id);
    root.get(&token).await.problem(409, "secret-unavailable");
    // The platform's own secrets are none of the organization's.
    let resolved = house.app.resolve(&root, &house.integration, "global").await;
    assert_eq!(resolved["config"]["shared"], "shared-value");
}
