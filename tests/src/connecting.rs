//! The way from a connect link to a connection, step by step as a person takes it.

use reqwest::Url;

use crate::{Browser, Page};

/// Who signs in where it does not matter.
const ADA: &str = "ada@example.com";

/// Opens the link and presses Continue; returns the provider's address that the browser is sent to.
pub async fn confirm(browser: &mut Browser, connect_url: &str) -> Url {
    let page = browser.open(connect_url).await;
    assert_eq!(page.status, 200, "{}", page.text);
    browser.submit(&page, &page.form()).await.location()
}

/// Signs in at the provider and allows what is asked; returns the callback's address, not yet opened.
pub async fn allow(browser: &mut Browser, provider: &Url) -> Url {
    allow_as(browser, provider, ADA).await
}

/// The same as this user.
pub async fn allow_as(browser: &mut Browser, provider: &Url, user: &str) -> Url {
    decide(browser, provider, user, "allow").await
}

/// Says no at the provider; returns the callback's address, not yet opened.
pub async fn deny(browser: &mut Browser, provider: &Url) -> Url {
    decide(browser, provider, ADA, "deny").await
}

async fn decide(browser: &mut Browser, provider: &Url, user: &str, decision: &str) -> Url {
    let page = browser.open(provider.as_str()).await;
    assert_eq!(
        page.status,
        200,
        "the provider refused {provider}: {} {}",
        page.text,
        page.header("location")
    );
    let form = page.form().set("user", user).set("decision", decision);
    browser.submit(&page, &form).await.location()
}

/// The whole way; returns what the callback answers.
pub async fn sign_in(browser: &mut Browser, connect_url: &str) -> Page {
    sign_in_as(browser, connect_url, ADA).await
}

/// The same as this user.
pub async fn sign_in_as(browser: &mut Browser, connect_url: &str, user: &str) -> Page {
    let provider = confirm(browser, connect_url).await;
    let callback = allow_as(browser, &provider, user).await;
    browser.open(callback.as_str()).await
}
