//! AWS over TLS: whom the SDK's clients believe, what they sign with, and how they keep connections.

use bifrost_tests::Folder;
use rustls::{HandshakeKind, ProtocolVersion};
use serde_json::json;

use crate::authority::Authority;
use crate::exchange::token;
use crate::process::{Aws, KEY_ID, Process, SECRET, SESSION_TOKEN};
use crate::server::{Answer, Request, Server};
use crate::signature::verify;

/// Three services at one address, who answer what is signed with [`SECRET`].
fn answer(request: &Request) -> Answer {
    if let Err(reason) = verify(request, SECRET) {
        return Answer::new(
            400,
            json!({"__type": "InvalidSignatureException", "message": reason}).to_string(),
        );
    }
    let answer = match request.header("x-amz-target").unwrap() {
        "DynamoDB_20120810.ListTables" => json!({"TableNames": []}),
        "TrentService.GenerateDataKey" => {
            json!({"CiphertextBlob": "AAAA", "Plaintext": "AAAA", "KeyId": "k"})
        }
        "secretsmanager.GetSecretValue" => json!({"SecretString": "s"}),
        other => panic!("{other} is not asked for"),
    };
    Answer::new(200, answer.to_string())
}

async fn services(authority: &Authority) -> (Server, String) {
    let server = Server::start(authority.identity(), answer).await;
    let endpoint = format!("https://localhost:{}", server.url().port().unwrap());
    (server, endpoint)
}

#[tokio::test]
async fn requests_are_signed_with_the_credentials_of_the_environment_and_their_session_token() {
    let authority = Authority::new();
    let (server, endpoint) = services(&authority).await;
    let mut process = Process::start(&Aws::at(&endpoint, &authority).variables()).await;
    for (index, service) in ["dynamodb", "kms", "secretsmanager"].into_iter().enumerate() {
        assert_eq!(process.ask(service.trim_end_matches("manager")).await, "done");
        let request = server.requests().swap_remove(index);
        let signed = verify(&request, SECRET).unwrap();
        assert_eq!((signed.key_id.as_str(), signed.region.as_str()), (KEY_ID, "eu-west-1"));
        assert_eq!(signed.service, service);
        assert_eq!(request.header("x-amz-security-token"), Some(SESSION_TOKEN));
        assert!(signed.headers.contains(&"x-amz-security-token".to_owned()));
    }
}

#[tokio::test]
async fn credentials_without_a_session_token_sign_without_one() {
    let authority = Authority::new();
    let (server, endpoint) = services(&authority).await;
    let aws = Aws::at(&endpoint, &authority);
    for aws in
        [aws.without("AWS_SESSION_TOKEN"), Aws::at(&endpoint, &authority).with("AWS_SESSION_TOKEN", "")]
    {
        let mut process = Process::start(&aws.variables()).await;
        assert_eq!(process.ask("dynamodb").await, "done");
    }
    assert!(server.requests().iter().all(|request| request.header("x-amz-security-token").is_none()));
}

#[tokio::test]
async fn another_secret_signs_another_signature() {
    let authority = Authority::new();
    let (server, endpoint) = services(&authority).await;
    let aws = Aws::at(&endpoint, &authority).with("AWS_SECRET_ACCESS_KEY", "another");
    let answer = Process::start(&aws.variables()).await.ask("dynamodb").await;
    assert!(answer.contains("the signature does not match"), "{answer}");
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn without_credentials_or_a_region_nothing_starts_and_what_is_missing_is_named() {
    let authority = Authority::new();
    for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION"] {
        let aws = || Aws::at("https://localhost:9", &authority);
        for aws in [aws().without(name), aws().with(name, "")] {
            let said = Process::start(&aws.variables()).await.hear().await;
            assert!(
                said.starts_with(&format!("{name} is not set, so that nothing can be asked of AWS.")),
                "{said}"
            );
        }
    }
}

#[tokio::test]
async fn one_connection_serves_all_calls_of_all_three_services() {
    let authority = Authority::new();
    let (server, endpoint) = services(&authority).await;
    let mut process = Process::start(&Aws::at(&endpoint, &authority).variables()).await;
    for _ in 0..5 {
        for service in ["dynamodb", "kms", "secrets"] {
            assert_eq!(process.ask(service).await, "done");
        }
    }
    let connections = server.connections();
    assert_eq!(connections.len(), 1);
    assert_eq!(connections[0].requests.len(), 15);
    assert_eq!(connections[0].version, ProtocolVersion::TLSv1_3);
}

/// Which of a call's attempts this is.
fn attempt(request: &Request) -> &str {
    request.header("amz-sdk-request").unwrap().split(';').next().unwrap()
}

#[tokio::test]
async fn a_connection_that_was_closed_while_nothing_was_asked_costs_no_request() {
    let authority = Authority::new();
    let (server, endpoint) = services(&authority).await;
    let mut process = Process::start(&Aws::at(&endpoint, &authority).variables()).await;
    for _ in 0..10 {
        assert_eq!(process.ask("dynamodb").await, "done");
        server.hang_up().await;
    }
    let connections = server.connections();
    assert_eq!(connections.len(), 10);
    for (index, connection) in connections.iter().enumerate() {
        assert_eq!(connection.requests.iter().map(attempt).collect::<Vec<_>>(), ["attempt=1"]);
        let kind = if index == 0 { HandshakeKind::Full } else { HandshakeKind::Resumed };
        assert_eq!(connection.handshake, kind);
    }
}

#[tokio::test]
async fn nor_does_one_that_was_closed_while_the_function_was_frozen() {
    let authority = Authority::new();
    let (server, endpoint) = services(&authority).await;
    let mut process = Process::start(&Aws::at(&endpoint, &authority).variables()).await;
    for _ in 0..10 {
        assert_eq!(process.ask("dynamodb").await, "done");
        process.freeze().await;
        server.hang_up().await;
        // There is work before it can notice.
        process.say("dynamodb").await;
        process.thaw().await;
        assert_eq!(process.hear().await, "done");
        server.hang_up().await;
    }
    let requests = server.requests();
    assert_eq!(requests.len(), 20);
    assert!(requests.iter().all(|request| attempt(request) == "attempt=1"));
}

#[tokio::test]
async fn aws_is_believed_by_the_word_of_public_authorities_alone() {
    let authority = Authority::new();
    let (server, endpoint) = services(&authority).await;
    let folder = Folder::new();
    let file = folder.path().join("root.pem");
    std::fs::create_dir(folder.path()).unwrap();
    std::fs::write(&file, authority.pem()).unwrap();
    // Where other programs would find a root.
    let named = ["SSL_CERT_FILE", "AWS_CA_BUNDLE", "CURL_CA_BUNDLE"];
    let with_files = named
        .into_iter()
        .fold(Aws::at(&endpoint, &authority), |aws, name| aws.with(name, file.to_str().unwrap()));
    for aws in [
        Aws::at(&endpoint, &authority).trusting_the_public(),
        with_files.trusting_the_public(),
        Aws::at(&endpoint, &Authority::new()),
    ] {
        let answer = Process::start(&aws.variables()).await.ask("dynamodb").await;
        assert!(answer.contains("UnknownIssuer"), "{answer}");
    }
    assert!(server.connections().is_empty());
}

#[tokio::test]
async fn no_proxy_of_the_environment_gets_between() {
    let authority = Authority::new();
    let (server, endpoint) = services(&authority).await;
    let provider = Server::start(authority.identity(), |_| token()).await;
    let mut aws = Aws::at(&endpoint, &authority);
    for name in ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"] {
        // Nobody listens there.
        aws = aws.with(name, "http://127.0.0.1:1");
    }
    let mut process = Process::start(&aws.variables()).await;
    assert_eq!(process.ask("dynamodb").await, "done");
    assert_eq!(process.ask(&format!("provider {}", provider.url())).await, "done");
    assert_eq!((server.requests().len(), provider.requests().len()), (1, 1));
}
