//! The way from a connect link to a connection, step by step as a person takes it.

use reqwest::Url;

use crate::{Browser, Page};

/// Opens the link and presses Continue; returns the provider's address that the browser is sent to.
pub async fn confirm(browser: &mut Browser, connect_url: &str) -> Url {
    let page = browser.open(connect_url).await;
    assert_eq!(page.status, 200, "{}", page.text);
    browser.submit(&page, &page.form()).await.location()
}

/// Signs in at the provider and allows what is asked; returns the callback's address, not yet opened.
pub async fn allow(browser: &mut Browser, provider: &Url) -> Url {
    decide(browser, provider, "allow").await
}

/// Says no at the provider; returns the callback's address, not yet opened.
pub async fn deny(browser: &mut Browser, provider: &Url) -> Url {
    decide(browser, provider, "deny").await
}

async fn decide(browser: &mut Browser, provider: &Url, decision: &str) -> Url {
    let page = browser.open(provider.as_str()).await;
    assert_eq!(
        page.status,
        200,
        "the provider refused {provider}: {} {}",
        page.text,
        page.header("location")
    );
    let form = page.form().set("user", "ada@example.com").set("decision", decision);
    browser.submit(&page, &form).await.location()
}

/// The whole way; returns what the callback answers.
pub async fn sign_in(browser: &mut Browser, connect_url: &str) -> Page {
    let provider = confirm(browser, connect_url).await;
    let callback = allow(browser, &provider).await;
    browser.open(callback.as_str()).await
}
