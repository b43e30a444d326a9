//! What a newcomer reads when the stack is up.

use crate::provider::{DEMO_CLIENT_ID, DEMO_CLIENT_SECRET};

/// What differs from one start to the next.
#[derive(Clone, Copy, Debug)]
pub struct Welcome<'a> {
    pub url: &'a str,
    pub root_key: &'a str,
    /// `None` when nothing is kept on disk.
    pub root_key_file: Option<&'a str>,
    pub provider: Option<&'a str>,
}

impl Welcome<'_> {
    pub fn text(&self) -> String {
        let Self { url, root_key, .. } = self;
        let stored = self.root_key_file.map(|file| format!("   (also in {file})")).unwrap_or_default();
        let key = self.root_key_file.map_or_else(|| (*root_key).to_owned(), |file| format!("$(cat {file})"));
        let mut text = format!(
            "\nBifrost Integrations is at {url}\n\n  console         {url}/console\n  root key        {root_key}{stored}\n"
        );
        if let Some(provider) = self.provider {
            text += &format!("  demo provider   {provider}\n");
            text += &steps(url, &key, provider);
        }
        text + "\nCtrl-C ends it.\n\n"
    }
}

fn steps(url: &str, key: &str, provider: &str) -> String {
    let authorization = format!("-H \"Authorization: Bearer {key}\"");
    format!(
        r#"
Three commands to try, in another terminal:

  1. Describe an API, and how to sign in to it at the demo provider:

     curl -s {url}/integrations {authorization} --json '{{"name": "Demo",
       "default_entity_id": "tenant-1", "config_schema": [{{"key": "base_url", "type": "string"}}],
       "defaults": {{"base_url": "{provider}"}}}}' && \
     curl -s {url}/connections {authorization} --json '{{"name": "Demo",
       "client_id": "{DEMO_CLIENT_ID}", "client_secret": "{DEMO_CLIENT_SECRET}", "scopes": "profile",
       "authorization_url": "{provider}/authorize", "token_url": "{provider}/token"}}'

  2. Ask for a link to sign in with, and open its connect_url in a browser:

     curl -s -X POST {url}/connections/Demo/authorize {authorization}

  3. Ask what every workflow asks; the token in the answer is fresh each time:

     curl -s {url}/integrations/Demo/resolve {authorization}
"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commands_read_the_key_from_its_file_where_there_is_one() {
        let welcome = Welcome {
            url: "http://localhost:7071",
            root_key: "bfk_root_x",
            root_key_file: Some(".bifrost/root-key"),
            provider: Some("http://127.0.0.1:7072"),
        };
        assert_eq!(welcome.text().matches("Bearer $(cat .bifrost/root-key)").count(), 4);
        let forgetful = Welcome { root_key_file: None, ..welcome };
        assert_eq!(forgetful.text().matches("Bearer bfk_root_x").count(), 4);
    }
}
