//! A browser that does nothing on its own: it keeps cookies, and leaves every click and redirect to the test.

use std::collections::HashMap;

use reqwest::header::{CONTENT_TYPE, COOKIE, HeaderMap, ORIGIN, SET_COOKIE};
use reqwest::{Method, RequestBuilder, Url};
use serde_json::Value;

use crate::api::http;
use crate::html::links;
use crate::{Form, outcomes};

/// One person's browser. A new one has no cookies.
#[derive(Clone, Debug, Default)]
pub struct Browser {
    /// By host: as in real browsers, a cookie knows no port.
    cookies: HashMap<String, Vec<Cookie>>,
    /// Sent with forms in place of the page's own origin.
    pub origin: Option<String>,
}

#[derive(Clone, Debug)]
struct Cookie {
    name: String,
    value: String,
    path: String,
}

/// What the browser shows, or the redirect that it was told to follow.
#[derive(Clone, Debug)]
pub struct Page {
    pub url: Url,
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
}

impl Browser {
    pub fn new() -> Self {
        Self::default()
    }

    /// Goes to an address, as by a click in a mail.
    ///
    /// # Panics
    /// When the address is none, or nobody answers there; so do all that follow.
    pub async fn open(&mut self, url: &str) -> Page {
        let url = Url::parse(url).unwrap();
        self.send(Method::GET, http().get(url.clone()), url).await
    }

    /// Sends a form from the page that shows it.
    pub async fn submit(&mut self, page: &Page, form: &Form) -> Page {
        let url =
            if form.action.is_empty() { page.url.clone() } else { page.url.join(&form.action).unwrap() };
        let origin = self.origin.clone().unwrap_or_else(|| page.url.origin().ascii_serialization());
        let request = http().post(url.clone()).header(ORIGIN, origin);
        let request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(form.encoded());
        self.send(Method::POST, request, url).await
    }

    /// Sends what a script of the page would: JSON, to a path on the page's own host.
    pub async fn call(&mut self, page: &Page, method: Method, path: &str, body: Value) -> Page {
        let url = page.url.join(path).unwrap();
        let request = http().request(method.clone(), url.clone());
        let request = request.header(ORIGIN, page.url.origin().ascii_serialization());
        let request = request.header(CONTENT_TYPE, "application/json").body(body.to_string());
        self.send(method, request, url).await
    }

    /// Forgets everything for every host.
    pub fn clear_cookies(&mut self) {
        self.cookies.clear();
    }

    /// The names of the cookies that would be sent to this address.
    pub fn cookie_names(&self, url: &Url) -> Vec<&str> {
        self.cookies_for(url).map(|cookie| cookie.name.as_str()).collect()
    }

    async fn send(&mut self, method: Method, request: RequestBuilder, url: Url) -> Page {
        let cookies: Vec<String> =
            self.cookies_for(&url).map(|c| format!("{}={}", c.name, c.value)).collect();
        let request = if cookies.is_empty() { request } else { request.header(COOKIE, cookies.join("; ")) };
        let response = request.header("accept", "text/html").send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        for value in headers.get_all(SET_COOKIE) {
            self.keep(&url, value.to_str().unwrap());
        }
        let text = response.text().await.unwrap();
        outcomes::note(&method, &url, status, &headers, &text);
        Page { url, status, headers, text }
    }

    fn cookies_for(&self, url: &Url) -> impl Iterator<Item = &Cookie> {
        let path = url.path().to_owned();
        let of_host = self.cookies.get(url.host_str().unwrap()).into_iter().flatten();
        of_host.filter(move |cookie| path.starts_with(&cookie.path))
    }

    fn keep(&mut self, url: &Url, set_cookie: &str) {
        let mut parts = set_cookie.split(';').map(str::trim);
        let (name, value) = parts.next().unwrap().split_once('=').unwrap();
        let mut cookie = Cookie { name: name.to_owned(), value: value.to_owned(), path: "/".to_owned() };
        let mut expired = false;
        for attribute in parts {
            match attribute.split_once('=').map(|(name, value)| (name.to_ascii_lowercase(), value)) {
                Some((name, path)) if name == "path" => path.clone_into(&mut cookie.path),
                // The only date in use: the one long ago that deletes.
                Some((name, date)) if name == "expires" => expired |= date.contains(" 1970 "),
                Some((name, seconds)) if name == "max-age" => expired |= seconds.parse::<i64>().unwrap() <= 0,
                _ => {}
            }
        }
        let jar = self.cookies.entry(url.host_str().unwrap().to_owned()).or_default();
        jar.retain(|known| known.name != cookie.name || known.path != cookie.path);
        if !expired {
            jar.push(cookie);
        }
    }
}

impl Page {
    /// The only form of the page.
    #[track_caller]
    pub fn form(&self) -> Form {
        Form::parse(&self.text)
            .unwrap_or_else(|| panic!("no form on {} ({}): {}", self.url, self.status, self.text))
    }

    /// All forms of the page.
    pub fn forms(&self) -> Vec<Form> {
        Form::all(&self.text).collect()
    }

    /// Where the page's links lead.
    pub fn links(&self) -> Vec<String> {
        links(&self.text).collect()
    }

    pub fn has_form(&self) -> bool {
        Form::parse(&self.text).is_some()
    }

    /// Where a 303 leads.
    #[track_caller]
    pub fn location(&self) -> Url {
        assert_eq!(self.status, 303, "no redirect from {}: {}", self.url, self.text);
        self.url.join(self.header("location")).unwrap()
    }

    /// A header, or nothing.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }

    /// Asserts that this is a page that refuses: it has an error status, and leads nowhere.
    #[track_caller]
    pub fn refuses(&self) {
        assert!((400..500).contains(&self.status), "{} answered {}: {}", self.url, self.status, self.text);
        assert!(!self.headers.contains_key("location") && !self.has_form(), "{}", self.text);
    }
}
