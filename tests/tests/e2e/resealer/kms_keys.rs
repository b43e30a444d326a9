//! Another KMS key in the place of the one that wraps the data keys.

use std::collections::BTreeSet;

use bifrost_tests::{Folder, TestApp};
use serde_json::{Value, json};

use super::house::{House, LONG_AGO};

/// A house whose data keys are all wrapped by the stack's own key; that key, and one that was made to follow it.
async fn house_with_two_keys(folder: &Folder) -> (House, String, String) {
    let house = House::in_stack(TestApp::with_data(folder.path()).await).await;
    let wrapped_by = house.wrapped_by().await;
    assert_eq!(wrapped_by.len(), 1, "{wrapped_by:?}");
    let first = wrapped_by.into_iter().next().unwrap();
    let made = house.app.stack().aws("TrentService.CreateKey", json!({})).await.unwrap();
    let second = made["KeyMetadata"]["Arn"].as_str().unwrap().to_owned();
    (house, first, second)
}

/// What the schedule orders every day.
async fn daily(house: &House) -> Value {
    house.reseal(json!({"older_than_days": 365})).await
}

fn only(key: &str) -> BTreeSet<String> {
    BTreeSet::from([key.to_owned()])
}

#[tokio::test]
async fn another_kms_key_takes_over_and_everything_is_readable_all_the_way() {
    let folder = Folder::new();
    let (house, first, second) = house_with_two_keys(&folder).await;
    let both = [("ExistingSealingKeyArn", second.as_str()), ("PreviousSealingKeyArn", first.as_str())];
    // First it may open, so that what it wraps is readable even if the next deployment is taken back.
    let opens = [("PreviousSealingKeyArn", second.as_str())];
    let house = house.redeployed(&folder, &opens).await.redeployed(&folder, &both).await;
    house.assert_readable().await;
    assert_eq!(house.wrapped_by().await, only(&first));

    // From then on, only the new key wraps.
    let late = house.app.organization("Late").await;
    house.app.map(&house.integration, &late, json!({"config": {"own": "late-value"}})).await;
    assert_eq!(house.wrapped_by().await, BTreeSet::from([first.clone(), second.clone()]));
    let house = house.redeployed(&folder, &opens).await;
    house.assert_readable().await;
    let resolved = house.app.resolve(&house.app.root(), &house.integration, &late.id).await;
    assert_eq!(resolved["config"]["own"], "late-value");
    let house = house.redeployed(&folder, &both).await;

    let report = daily(&house).await;
    let replaced = (&report["rotated"], &report["kept"], &report["unreadable"], &report["remaining"]);
    assert_eq!(replaced, (&json!(2), &json!(2), &json!(0), &json!(0)), "the platform's and Acme's: {report}");
    house.assert_readable().await;
    house.age(Some(LONG_AGO), Some(LONG_AGO)).await;
    let report = daily(&house).await;
    assert_eq!((&report["deleted"], &report["kept"]), (&json!(2), &json!(0)), "{report}");
    assert_eq!(house.wrapped_by().await, only(&second));

    let house = house.redeployed(&folder, &both[..1]).await;
    let report = house.reseal(json!({"check": true})).await;
    assert_eq!((&report["unreadable"], &report["remaining"]), (&json!(0), &json!(0)), "{report}");
    house.assert_readable().await;
    let resolved = house.app.resolve(&house.app.root(), &house.integration, &late.id).await;
    assert_eq!(resolved["config"]["own"], "late-value");
}

#[tokio::test]
async fn without_the_previous_kms_key_secrets_are_unavailable_and_with_it_they_are_back() {
    let folder = Folder::new();
    let (house, first, second) = house_with_two_keys(&folder).await;
    let both = [("ExistingSealingKeyArn", second.as_str()), ("PreviousSealingKeyArn", first.as_str())];
    let house = house.redeployed(&folder, &both[..1]).await;
    let needed = house.needed().await;
    let root = house.app.root();
    let resolve = format!("/integrations/{}/resolve?scope={}", house.integration, house.acme.id);
    root.get(&resolve).await.problem(409, "secret-unavailable");
    house.app.token(&house.connection).await.problem(409, "secret-unavailable");
    let refresh = root.post(&house.connection.path("/refresh"), json!({})).await;
    assert!(refresh.text.contains("secret-unavailable"), "{}", refresh.text);

    // Not even a replacement in this state loses anything, however much time passes.
    let report = daily(&house).await;
    assert_eq!(report["rotated"], json!(2), "{report}");
    house.age(Some(LONG_AGO), Some(LONG_AGO)).await;
    let report = daily(&house).await;
    assert!(report["unreadable"].as_u64().unwrap() >= 8, "{report}");
    assert_eq!((&report["kept"], &report["deleted"]), (&json!(2), &json!(0)), "{report}");
    assert!(needed.is_subset(&house.data_keys().await));

    let house = house.redeployed(&folder, &both).await;
    house.end_pauses().await;
    house.assert_readable().await;
    let report = daily(&house).await;
    assert_eq!((&report["unreadable"], &report["kept"]), (&json!(0), &json!(2)), "{report}");
    assert!(needed.is_disjoint(&house.needed().await));
    house.assert_readable().await;
}
