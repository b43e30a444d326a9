use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bifrost_local::Fault;
use bifrost_local::provider::ClientKey;
use bifrost_tests::{Role, TestApp, TestProvider, with};
use serde_json::{Value, json};

use super::{by_key, for_itself, patch, provider_with, refresh, signed_in};

/// Makes a key for signing, as an administrator of the account would; its ARN.
async fn key(app: &TestApp, spec: &str, tagged: bool) -> String {
    let tags = if tagged { json!([{"TagKey": "bifrost:client-key", "TagValue": "true"}]) } else { json!([]) };
    let request = json!({"KeyUsage": "SIGN_VERIFY", "KeySpec": spec, "Tags": tags});
    let made = app.stack().aws("TrentService.CreateKey", request).await.unwrap();
    made["KeyMetadata"]["Arn"].as_str().unwrap().to_owned()
}

/// What the administrator then registers at the provider.
async fn public_half(app: &TestApp, arn: &str) -> ClientKey {
    let answer = app.stack().aws("TrentService.GetPublicKey", json!({"KeyId": arn})).await.unwrap();
    ClientKey::from_spki(STANDARD.decode(answer["PublicKey"].as_str().unwrap()).unwrap())
}

fn by_arn(arn: &str) -> Value {
    json!({"client_secret": null, "client_auth": "private_key_jwt", "client_key_arn": arn})
}

fn signed(app: &TestApp, function: &str) -> u64 {
    app.stack().calls_by(function).get("KMS.Sign").copied().unwrap_or_default()
}

#[tokio::test]
async fn a_key_that_never_leaves_kms_proves_the_client_by_each_algorithm() {
    let app = TestApp::alone().await;
    for (spec, algorithm) in [("RSA_2048", "RS256"), ("RSA_2048", "PS256"), ("ECC_NIST_P256", "ES256")] {
        let arn = key(&app, spec, true).await;
        let provider = provider_with(public_half(&app, &arn).await).await;
        let named =
            json!({"client_assertion_alg": if algorithm == "PS256" { json!("PS256") } else { Value::Null }});
        let connection = signed_in(&app, &provider, with(by_arn(&arn), named)).await;
        assert_eq!(connection.created["client_key_arn"], arn.as_str());
        let before = signed(&app, "connections-refresh");
        refresh(&app, &connection).await.expect(200);
        assert_eq!(signed(&app, "connections-refresh"), before + 1, "one signature for one request");
        let gone = app.root().post(&connection.path("/disconnect"), json!({})).await.expect(200);
        assert_eq!(gone["revoked"], true);
        assert_eq!(provider.control().refusals(), [""; 0]);
        assert!(super::assertions(&provider).iter().all(|(header, _)| header["alg"] == algorithm));
    }
}

/// Calls to AWS in their order, as a function makes them from now on.
fn listen(app: &TestApp, function: &'static str) -> Arc<Mutex<Vec<String>>> {
    let calls = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&calls);
    app.stack().set_fault_hook(move |call| {
        if call.function == function {
            heard.lock().unwrap().push(format!("{}.{}", call.service, call.operation));
        }
        None
    });
    calls
}

#[tokio::test]
async fn the_signature_is_in_hand_before_the_lease_is_taken() {
    let app = TestApp::alone().await;
    let arn = key(&app, "ECC_NIST_P256", true).await;
    let provider = provider_with(public_half(&app, &arn).await).await;
    let connection = signed_in(&app, &provider, by_arn(&arn)).await;
    let calls = listen(&app, "connections-refresh");
    refresh(&app, &connection).await.expect(200);
    let calls = calls.lock().unwrap().clone();
    let signed = calls.iter().position(|call| call == "KMS.Sign").unwrap();
    let writes: Vec<_> = (0..calls.len()).filter(|at| calls[*at] == "DynamoDB.UpdateItem").collect();
    assert_eq!(writes.len(), 2, "the lease and the tokens: {calls:?}");
    assert!(signed < writes[0], "{calls:?}");
    assert!(calls[writes[0]..].iter().all(|call| call.starts_with("DynamoDB.")), "{calls:?}");
}

#[tokio::test]
async fn while_kms_is_down_nothing_is_sent_leased_or_blamed_on_the_grant() {
    let app = TestApp::alone().await;
    let arn = key(&app, "ECC_NIST_P256", true).await;
    let provider = provider_with(public_half(&app, &arn).await).await;
    let connection = signed_in(&app, &provider, by_arn(&arn)).await;
    app.stack().set_fault_hook(|call| (call.operation == "Sign").then(Fault::internal));
    refresh(&app, &connection).await.problem(503, "unavailable");
    assert_eq!(provider.control().token_request_count("refresh_token"), 0);
    let writes = app.stack().calls_by("connections-refresh");
    assert_eq!(writes.get("DynamoDB.UpdateItem"), None, "{writes:?}");
    app.stack().end_faults();
    assert_eq!(app.show(&connection).await["status"], "active");
    assert_eq!(refresh(&app, &connection).await.expect(200)["generation"], 2);
}

#[tokio::test]
async fn what_kms_throttles_of_signing_is_tried_again_and_counted() {
    let app = TestApp::alone().await;
    let arn = key(&app, "ECC_NIST_P256", true).await;
    let provider = provider_with(public_half(&app, &arn).await).await;
    let throttled = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&throttled);
    app.stack().set_fault_hook(move |call| {
        let mut heard = heard.lock().unwrap();
        let first = ["Sign", "GetPublicKey"].contains(&call.operation)
            && !heard.iter().any(|known| known == call.operation);
        first.then(|| {
            heard.push(call.operation.to_owned());
            Fault::throttled()
        })
    });
    let connection = signed_in(&app, &provider, by_arn(&arn)).await;
    refresh(&app, &connection).await.expect(200);
    assert_eq!(*throttled.lock().unwrap(), ["GetPublicKey", "Sign"]);
    let counted = app.stack().metrics("KmsThrottles", 2).await;
    assert!(counted.len() == 2 && counted.iter().all(|line| line["KmsThrottles"] == 1), "{counted:?}");
}

#[tokio::test]
async fn a_token_that_is_still_good_costs_no_signature() {
    let app = TestApp::alone().await;
    let arn = key(&app, "ECC_NIST_P256", true).await;
    let provider = provider_with(public_half(&app, &arn).await).await;
    let connection = for_itself(&app, &provider, by_arn(&arn)).await;
    for _ in 0..3 {
        app.token(&connection).await.expect(200);
    }
    assert_eq!(signed(&app, "connections-token"), 1);
}

#[tokio::test]
async fn only_a_tagged_key_for_signing_in_this_account_and_region_can_be_named() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let good = key(&app, "ECC_NIST_P256", true).await;
    let create = async |arn: &str, changes: Value| {
        let body = with(provider.client_credentials(), json!({"name": app.unique("Graph")}));
        let body = with(with(body, by_arn(arn)), changes);
        app.root().post("/connections?scope=global", body).await
    };
    let untagged = key(&app, "ECC_NIST_P256", false).await;
    let other_end = if good.ends_with('0') { "1" } else { "0" };
    let none = format!("{}{other_end}", &good[..good.len() - 1]);
    for (arn, helps) in [
        (untagged.as_str(), "bifrost:client-key = true"),
        (none.as_str(), "no such key"),
        (&good.replace("us-east-1", "eu-west-1"), "account and region"),
        (&good.replace("000000000000", "111122223333"), "account and region"),
        (&good.replace(":key/", ":alias/"), "ARN of a KMS key"),
        ("bifrost", "ARN of a KMS key"),
    ] {
        let problem = create(arn, json!({})).await.invalid(&["client_key_arn"]);
        let message = problem["errors"][0]["message"].as_str().unwrap();
        assert!(message.contains(helps), "{message}");
    }
    let wrong = create(&good, json!({"client_assertion_alg": "RS256"})).await;
    wrong.invalid(&["client_assertion_alg"]);
    let two = json!({"client_private_key": super::P256});
    create(&good, two).await.invalid(&["client_key_arn"]);
    create(&good, json!({})).await.expect(201);
}

#[tokio::test]
async fn a_key_that_loses_its_tag_signs_no_more_and_the_connection_says_what_helps() {
    let app = TestApp::shared().await;
    let arn = key(&app, "ECC_NIST_P256", true).await;
    let provider = provider_with(public_half(&app, &arn).await).await;
    let connection = signed_in(&app, &provider, by_arn(&arn)).await;
    let untag = json!({"KeyId": arn, "TagKeys": ["bifrost:client-key"]});
    app.stack().aws("TrentService.UntagResource", untag).await.unwrap();
    let answer = refresh(&app, &connection).await.expect(200);
    assert_eq!(answer["generation"], 1, "the token that is still good");
    assert!(answer["warning"].as_str().unwrap().contains("secret-unavailable"), "{answer}");
    assert_eq!(provider.control().token_request_count("refresh_token"), 0, "nothing was sent, nothing spent");
    let shown = app.show(&connection).await;
    assert_eq!(
        (&shown["status"], &shown["last_error"]["code"]),
        (&json!("failing"), &json!("secret-unavailable"))
    );
    assert!(shown["last_error"]["fix"].as_str().unwrap().contains("bifrost:client-key"), "{shown}");
    assert!(!shown["last_error"].to_string().contains(&arn), "whoever asks for a token need not know it");

    let other = key(&app, "ECC_NIST_P256", true).await;
    let public = public_half(&app, &other).await;
    provider.control().set_client_key(&provider.client_id, public);
    patch(&app, &connection, json!({"client_key_arn": other})).await;
    app.connect_in_browser(&connection).await;
    assert_eq!(app.show(&connection).await["status"], "active");
}

#[tokio::test]
async fn a_user_names_no_kms_key_and_changes_nothing_of_what_it_signs_and_for_whom() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let acme = app.organization("Acme").await;
    let user = app.key(Role::User, &acme).await;
    let arn = key(&app, "ECC_NIST_P256", true).await;
    let body = with(provider.client_credentials(), json!({"name": app.unique("Graph")}));
    let path = format!("/connections?scope={}", acme.id);
    user.post(&path, with(body.clone(), by_arn(&arn))).await.problem(403, "forbidden");
    let own = app.create_connection(&acme.id, with(body, by_key(super::P256))).await;
    let naming = json!({"client_private_key": null, "client_key_arn": arn});
    user.patch(&own.path(""), naming.clone()).await.problem(403, "forbidden");
    app.root().patch(&own.path(""), naming).await.expect(200);
    let other = key(&app, "ECC_NIST_P256", true).await;
    for change in [
        json!({"client_key_arn": other}),
        json!({"token_url": provider.url("/elsewhere")}),
        json!({"revocation_url": provider.url("/elsewhere")}),
        json!({"token_url_defaults": {"entity_id": "x"}}),
        json!({"client_id": "another"}),
        json!({"client_assertion_audience": "https://elsewhere.example"}),
    ] {
        user.patch(&own.path(""), change).await.problem(403, "forbidden");
    }
    user.patch(&own.path(""), json!({"description": "mine", "client_key_id": "1"})).await.expect(200);
    assert_eq!(app.show(&own).await["client_key_arn"], arn.as_str());
}

/// The stack's own policy, which the local one stands in for.
#[test]
fn every_function_that_sends_a_clients_secret_may_sign_and_none_but_with_tagged_keys() {
    let template = include_str!("../../../../../infra/template.yaml");
    let uses = |policy: &str| template.matches(&format!("- !Ref {policy}\n")).count();
    assert_eq!(uses("ClientKeysPolicy"), uses("ConnectionSecretsPolicy"));
    assert!(uses("ClientKeysPolicy") >= 11);
    // Who makes connections, who changes them, and the console.
    assert_eq!(uses("ClientKeyLookupPolicy"), 3);
    for action in ["kms:Sign\n", "kms:GetPublicKey\n"] {
        assert_eq!(template.matches(action).count(), 1, "{action}");
        let statement = template.split_once(action).unwrap().1;
        let statement = statement.split("\n\n").next().unwrap();
        assert!(statement.contains("aws:ResourceTag/bifrost:client-key: \"true\""), "{statement}");
    }
}
