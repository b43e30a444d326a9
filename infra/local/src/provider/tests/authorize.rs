use super::super::RedirectUris;
use super::{CLIENT, REDIRECT, Subject, query};

#[tokio::test]
async fn the_sign_in_page_names_the_client_and_the_scopes_and_can_be_sent_back_as_it_is() {
    let subject = Subject::start().await;
    let page = subject.authorize(&[]).await;
    assert_eq!(page.status(), 200);
    let text = page.text().await.unwrap();
    for part in [CLIENT, "read", "write", "Sign in and allow", "Deny", "name=\"code_challenge\""] {
        assert!(text.contains(part), "{part} is missing from {text}");
    }
}

#[tokio::test]
async fn what_a_request_brings_is_escaped_on_the_page() {
    let subject = Subject::start().await;
    let text = subject.authorize(&[("state", "\"><script>alert(1)</script>")]).await.text().await.unwrap();
    assert!(!text.contains("<script>"));
}

#[tokio::test]
async fn allowing_sends_the_browser_back_with_a_code_and_the_state() {
    let subject = Subject::start().await;
    let response = subject.decide("/authorize", &[]).await;
    assert!(response.headers()["location"].to_str().unwrap().starts_with(REDIRECT));
    let answer = query(&response);
    assert!(answer["code"].starts_with("bfp_code_"));
    assert_eq!(answer["state"], "xyz");
    assert!(!answer.contains_key("iss"));
}

#[tokio::test]
async fn the_issuer_is_announced_when_asked_for_in_errors_too() {
    let subject = Subject::with(|options| options.announces_issuer = true).await;
    assert_eq!(query(&subject.decide("/authorize", &[]).await)["iss"], subject.provider.url());
    let denied = subject.decide("/authorize", &[("decision", "deny")]).await;
    assert_eq!(query(&denied)["iss"], subject.provider.url());
}

#[tokio::test]
async fn denying_sends_the_browser_back_with_access_denied() {
    let subject = Subject::start().await;
    let answer = query(&subject.decide("/authorize", &[("decision", "deny")]).await);
    assert_eq!(answer["error"], "access_denied");
    assert_eq!(answer["state"], "xyz");
    assert!(!answer.contains_key("code"));
}

#[tokio::test]
async fn nobody_is_sent_to_an_unregistered_address() {
    let subject = Subject::start().await;
    let near_misses = [
        "http://localhost:7071/oauth/callback/Demo/",
        "http://localhost:7071/oauth/callback/demo",
        "http://localhost:7071/oauth/callback/Demo?x=1",
        "https://localhost:7071/oauth/callback/Demo",
        "http://evil.example/oauth/callback/Demo",
        "",
    ];
    for uri in near_misses {
        let shown = subject.authorize(&[("redirect_uri", uri)]).await;
        assert_eq!(shown.status(), 400, "{uri}");
        let decided = subject.decide("/authorize", &[("redirect_uri", uri)]).await;
        assert_eq!(decided.status(), 400, "{uri}");
        assert!(!decided.headers().contains_key("location"), "{uri}");
    }
    assert_eq!(subject.authorize(&[("client_id", "nobody")]).await.status(), 400);
}

#[tokio::test]
async fn a_request_without_proper_pkce_or_state_is_sent_back_with_an_error() {
    let subject = Subject::start().await;
    let bad = [
        ("code_challenge", ""),
        ("code_challenge", "short"),
        ("code_challenge_method", "plain"),
        ("code_challenge_method", ""),
        ("state", ""),
    ];
    for change in bad {
        assert_eq!(query(&subject.authorize(&[change]).await)["error"], "invalid_request", "{change:?}");
        let forged = subject.decide("/authorize", &[change]).await;
        assert!(!query(&forged).contains_key("code"), "{change:?}");
    }
    let implicit = subject.authorize(&[("response_type", "token")]).await;
    assert_eq!(query(&implicit)["error"], "unsupported_response_type");
}

#[tokio::test]
async fn a_scope_that_there_is_not_is_sent_back_with_an_error() {
    let subject = Subject::with(|options| options.scopes = Some(vec!["read".to_owned()])).await;
    assert_eq!(subject.authorize(&[("scope", "read")]).await.status(), 200);
    assert_eq!(query(&subject.authorize(&[("scope", "read wirte")]).await)["error"], "invalid_scope");
}

#[tokio::test]
async fn a_parameter_that_comes_twice_is_refused() {
    let subject = Subject::start().await;
    let response = subject.get("/authorize?client_id=client-1&client_id=client-2").await;
    assert_eq!(response.status(), 400);
}

#[test]
fn a_demo_takes_any_port_of_this_machine_and_nothing_else() {
    let demo = RedirectUris::AnyOnThisMachine;
    assert!(demo.allow("http://localhost:7071/oauth/callback/Demo"));
    assert!(demo.allow("http://127.0.0.1:9/x"));
    for elsewhere in
        ["https://localhost/x", "http://localhost.evil.example/x", "http://10.0.0.1/x", "localhost"]
    {
        assert!(!demo.allow(elsewhere), "{elsewhere}");
    }
}

#[tokio::test]
async fn the_start_page_prints_the_demo_client_but_never_a_registered_one() {
    let strict = Subject::start().await;
    assert!(!strict.get("/").await.text().await.unwrap().contains(super::SECRET));
    let demo =
        Subject::with(|options| options.clients[0].redirect_uris = RedirectUris::AnyOnThisMachine).await;
    let page = demo.get("/").await.text().await.unwrap();
    assert!(page.contains(super::SECRET) && page.contains(&demo.url("/token")));
}
