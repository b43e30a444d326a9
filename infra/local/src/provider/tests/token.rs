use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::super::{ClientAuth, RefreshTokens};
use super::{CLIENT, SECRET, Subject, Tokens, VERIFIER, assert_refused, json, post_form, query};

#[tokio::test]
async fn a_code_buys_tokens_that_open_the_api() {
    let subject = Subject::start().await;
    let answer = json(subject.redeem(&subject.code().await).await).await;
    assert_eq!(answer["token_type"], "Bearer");
    assert_eq!(answer["expires_in"], 3600);
    assert_eq!(answer["scope"], "read write");
    let me = json(subject.me(answer["access_token"].as_str().unwrap()).await).await;
    assert_eq!(me["user"], "ada");
    assert_eq!(me["client_id"], CLIENT);
}

#[tokio::test]
async fn a_code_that_comes_back_revokes_what_it_bought() {
    let subject = Subject::start().await;
    let code = subject.code().await;
    let tokens = Tokens::from(subject.redeem(&code).await).await;
    assert_eq!(subject.me(&tokens.access).await.status(), 200);
    assert_refused(subject.redeem(&code).await, 400, "invalid_grant").await;
    assert_eq!(subject.me(&tokens.access).await.status(), 401);
    assert_refused(subject.refresh(&tokens.refresh).await, 400, "invalid_grant").await;
}

#[tokio::test]
async fn a_code_is_bound_to_its_verifier_its_redirect_uri_its_client_and_its_tenant() {
    let subject = Subject::start().await;
    let wrong = [
        [("code_verifier", "another-verifier-that-is-long-enough-for-rfc-7636")],
        [("code_verifier", "")],
        [("redirect_uri", "http://localhost:7071/oauth/callback/Other")],
        [("redirect_uri", "")],
    ];
    for change in &wrong {
        let mut form = vec![("grant_type", "authorization_code"), ("code_verifier", VERIFIER)];
        form.push(("redirect_uri", super::REDIRECT));
        let code = subject.code().await;
        form.push(("code", &code));
        form.extend(change);
        assert_refused(subject.token(&form).await, 400, "invalid_grant").await;
    }
    let code = subject.code().await;
    let thief = [("client_id", "client-2"), ("client_secret", "other")];
    assert_refused(subject.redeem_with(&code, &thief).await, 400, "invalid_grant").await;
    let code = subject.code_at("/contoso/authorize").await;
    assert_refused(subject.redeem(&code).await, 400, "invalid_grant").await;
}

#[tokio::test]
async fn a_refresh_token_works_once_and_a_second_use_ends_the_family() {
    let subject = Subject::start().await;
    let first = subject.tokens().await;
    let second = Tokens::from(subject.refresh(&first.refresh).await).await;
    assert_ne!(first.refresh, second.refresh);
    assert_eq!(subject.me(&second.access).await.status(), 200);
    assert_refused(subject.refresh(&first.refresh).await, 400, "invalid_grant").await;
    assert_refused(subject.refresh(&second.refresh).await, 400, "invalid_grant").await;
    assert_eq!(subject.me(&second.access).await.status(), 401);
    assert_eq!(subject.provider.control().family_revoked(&second.refresh), Some(true));
}

#[tokio::test]
async fn within_the_grace_period_a_spent_refresh_token_works_again() {
    let grace = RefreshTokens::RotatedWithGrace(Duration::from_secs(60));
    let subject = Subject::with(|options| options.refresh_tokens = grace).await;
    let first = subject.tokens().await;
    let again = [subject.refresh(&first.refresh).await, subject.refresh(&first.refresh).await];
    for answer in again {
        assert_ne!(json(answer).await["refresh_token"], first.refresh.as_str());
    }
    subject.provider.control().set_refresh_tokens(RefreshTokens::RotatedWithGrace(Duration::ZERO));
    assert_refused(subject.refresh(&first.refresh).await, 400, "invalid_grant").await;
}

#[tokio::test]
async fn revoking_a_spent_refresh_token_ends_nothing() {
    let subject = Subject::start().await;
    let spent = subject.tokens().await;
    let current = Tokens::from(subject.refresh(&spent.refresh).await).await;
    for (token, left) in [(&spent.refresh, 200), (&current.refresh, 401)] {
        let form =
            [("token", token.as_str()), ("client_id", super::CLIENT), ("client_secret", super::SECRET)];
        assert_eq!(
            post_form(&subject.http, &subject.url("/revoke"), &form).send().await.unwrap().status(),
            200
        );
        assert_eq!(subject.me(&current.access).await.status(), left);
    }
}

#[tokio::test]
async fn other_families_survive_when_one_is_revoked() {
    let subject = Subject::start().await;
    let (spoilt, sound) = (subject.tokens().await, subject.tokens().await);
    subject.refresh(&spoilt.refresh).await;
    subject.refresh(&spoilt.refresh).await;
    assert_eq!(subject.refresh(&sound.refresh).await.status(), 200);
}

#[tokio::test]
async fn a_kept_refresh_token_works_again_and_is_not_repeated() {
    let subject = Subject::with(|options| options.refresh_tokens = RefreshTokens::Kept).await;
    let tokens = subject.tokens().await;
    for _ in 0..2 {
        let answer = json(subject.refresh(&tokens.refresh).await).await;
        assert!(answer["access_token"].is_string() && answer.get("refresh_token").is_none());
    }
    subject.provider.control().set_refresh_tokens(RefreshTokens::Never);
    assert_eq!(subject.tokens().await.refresh, "");
}

#[tokio::test]
async fn a_refresh_may_ask_for_less_but_not_for_more() {
    let subject = Subject::start().await;
    let tokens = subject.tokens().await;
    let ask = |scope| {
        [("grant_type", "refresh_token"), ("refresh_token", tokens.refresh.as_str()), ("scope", scope)]
    };
    assert_refused(subject.token(&ask("read admin")).await, 400, "invalid_scope").await;
    assert_eq!(json(subject.token(&ask("read")).await).await["scope"], "read");
}

#[tokio::test]
async fn client_credentials_are_minted_for_the_tenant_in_the_path_without_a_refresh_token() {
    let subject = Subject::start().await;
    let answer =
        json(subject.token_at("/contoso/token", &[("grant_type", "client_credentials")]).await).await;
    assert!(answer.get("refresh_token").is_none());
    let me = json(subject.me(answer["access_token"].as_str().unwrap()).await).await;
    assert_eq!(me["tenant"], "contoso");
    assert!(me["user"].is_null());
}

#[tokio::test]
async fn access_tokens_expire() {
    let subject = Subject::with(|options| options.access_token_lifetime = Duration::from_millis(50)).await;
    let tokens = subject.tokens().await;
    tokio::time::sleep(Duration::from_millis(60)).await;
    let refused = subject.me(&tokens.access).await;
    assert_eq!(refused.status(), 401);
    assert_eq!(refused.headers()["www-authenticate"], "Bearer error=\"invalid_token\"");
}

#[tokio::test]
async fn basic_credentials_are_form_decoded() {
    let awkward = "p+ss %&=:wörd";
    let subject = Subject::with(|options| options.clients[0].secret = awkward.to_owned()).await;
    let encode = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let ask = |secret: String| {
        let form = [("grant_type", "client_credentials")];
        post_form(&subject.http, &subject.url("/token"), &form).basic_auth(CLIENT, Some(secret)).send()
    };
    assert_eq!(ask(encode(awkward)).await.unwrap().status(), 200);
    let raw = ask(awkward.to_owned()).await.unwrap();
    assert!(raw.headers().contains_key("www-authenticate"));
    assert_refused(raw, 401, "invalid_client").await;
}

#[tokio::test]
async fn a_client_authenticates_by_one_allowed_method_with_its_own_secret() {
    let subject = Subject::with(|options| options.clients[0].auth = vec![ClientAuth::Basic]).await;
    let grant = [("grant_type", "client_credentials")];
    assert_refused(subject.token(&grant).await, 401, "invalid_client").await;
    let request = |form: &[(&str, &str)]| post_form(&subject.http, &subject.url("/token"), form);
    let wrong = request(&grant).basic_auth(CLIENT, Some("wrong")).send().await.unwrap();
    assert_refused(wrong, 401, "invalid_client").await;
    let twice = [("grant_type", "client_credentials"), ("client_secret", SECRET)];
    let both = request(&twice).basic_auth(CLIENT, Some(SECRET)).send().await.unwrap();
    assert_refused(both, 400, "invalid_request").await;
    let none = request(&grant).send().await.unwrap();
    assert_refused(none, 401, "invalid_client").await;
}

#[tokio::test]
async fn the_body_must_be_a_form_with_a_known_grant_type() {
    let subject = Subject::start().await;
    assert_refused(subject.token(&[]).await, 400, "invalid_request").await;
    assert_refused(subject.token(&[("grant_type", "password")]).await, 400, "unsupported_grant_type").await;
    let json_body =
        subject.http.post(subject.url("/token")).header("content-type", "application/json").body("{}");
    assert_refused(json_body.send().await.unwrap(), 400, "invalid_request").await;
    assert_eq!(subject.get("/token").await.status(), 405);
}

#[tokio::test]
async fn revoking_a_refresh_token_ends_its_family_unless_another_client_asks() {
    let subject = Subject::start().await;
    let tokens = subject.tokens().await;
    let thief = [("client_id", "client-2"), ("client_secret", "other"), ("token", tokens.refresh.as_str())];
    assert_eq!(subject.token_at("/revoke", &thief).await.status(), 200);
    assert_eq!(subject.me(&tokens.access).await.status(), 200);
    assert_eq!(subject.token_at("/revoke", &[("token", &tokens.refresh)]).await.status(), 200);
    assert_eq!(subject.me(&tokens.access).await.status(), 401);
    assert_eq!(subject.token_at("/revoke", &[("token", "never-issued")]).await.status(), 200);
}

#[tokio::test]
async fn with_the_scope_openid_a_sign_in_and_its_refreshes_say_who_it_was() {
    let subject = Subject::start().await;
    let decided =
        subject.decide("/authorize", &[("scope", "openid read"), ("user", "bob@example.com")]).await;
    let answer = json(subject.redeem(&query(&decided)["code"]).await).await;
    let refreshed = json(subject.refresh(answer["refresh_token"].as_str().unwrap()).await).await;
    for answer in [answer, refreshed] {
        let id_token = answer["id_token"].as_str().unwrap();
        let claims = URL_SAFE_NO_PAD.decode(id_token.split('.').nth(1).unwrap()).unwrap();
        let claims: serde_json::Value = serde_json::from_slice(&claims).unwrap();
        assert_eq!(
            (&claims["sub"], &claims["email"]),
            (&"user-bob@example.com".into(), &"bob@example.com".into())
        );
        assert_eq!((&claims["iss"], &claims["aud"]), (&subject.provider.url().into(), &CLIENT.into()));
        assert!(subject.provider.control().secrets_handed_out().contains(&id_token.to_owned()));
    }
    assert!(json(subject.redeem(&subject.code().await).await).await["id_token"].is_null());
}
