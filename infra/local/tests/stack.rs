//! The runner with a function that does as it is told: real processes, real HTTP.

#![allow(clippy::unwrap_used, reason = "what goes wrong in a test ends it")]

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bifrost_local::{
    Build, Call, Checkpoint, Data, Failure, Fault, InvokeError, Moment, Observer, Options, Stack, StartError,
};
use reqwest::{Client, Response, StatusCode};
use serde_json::{Value, json};

fn options() -> Options {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixture");
    Options {
        template: PathBuf::from("template.yaml"),
        build: Build::Folder(examples()),
        ..Options::for_test(workspace)
    }
}

/// Test programs and examples lie side by side: `target/debug/deps`, `target/debug/examples`.
fn examples() -> PathBuf {
    let program = std::env::current_exe().unwrap();
    program.ancestors().nth(2).unwrap().join("examples")
}

async fn start() -> Stack {
    Stack::start(options()).await.unwrap()
}

fn client() -> Client {
    // Nobody minds who was first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap()
}

async fn get(stack: &Stack, path: &str, key: Option<&str>) -> Response {
    let request = client().get(format!("{}{path}", stack.url()));
    let request = key.into_iter().fold(request, |request, key| request.bearer_auth(key));
    request.send().await.unwrap()
}

async fn order(stack: &Stack, path: &str, orders: Value) -> Response {
    let request = client().post(format!("{}{path}", stack.url())).header("content-type", "application/json");
    request.body(orders.to_string()).send().await.unwrap()
}

async fn json(response: Response) -> Value {
    serde_json::from_slice(&response.bytes().await.unwrap()).unwrap()
}

async fn assert_said(response: Response, status: StatusCode, message: &str) {
    assert_eq!(response.status(), status);
    assert_eq!(response.headers()["content-type"], "application/json");
    assert!(response.headers().contains_key("apigw-requestid"));
    assert_eq!(json(response).await, json!({"message": message}));
}

fn count(stack: &Stack, text: &str) -> usize {
    stack.logs().iter().filter(|line| line.contains(text)).count()
}

fn is_alive(pid: u32) -> bool {
    // A process that has ended and not been waited for is still listed, as a zombie.
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

async fn until(what: &str, reached: impl Fn() -> bool) {
    let start = Instant::now();
    while !reached() {
        assert!(start.elapsed() < Duration::from_secs(10), "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_sees_the_event_and_the_environment_of_lambda_and_nothing_of_ours() {
    let stack = start().await;
    let seen = json(get(&stack, "/open/a%20b?x=1", None).await).await;
    assert_eq!(seen["event"]["pathParameters"]["name"], "a b");
    assert_eq!(seen["event"]["requestContext"]["http"]["sourceIp"], "127.0.0.1");
    assert_eq!(seen["arn"], "arn:aws:lambda:us-east-1:000000000000:function:bifrost-local-EchoFunction");
    let environment = &seen["environment"];
    assert_eq!(environment["AWS_LAMBDA_FUNCTION_NAME"], "bifrost-local-EchoFunction");
    assert_eq!(environment["AWS_LAMBDA_LOG_LEVEL"], "INFO");
    assert_eq!(environment["PUBLIC_URL"], stack.url());
    let endpoint = environment["AWS_ENDPOINT_URL_KMS"].as_str().unwrap();
    assert!(endpoint.starts_with(&format!("{}/fixture/", stack.aws_endpoint())), "{endpoint}");
    for ours in ["HOME", "CARGO", "USER"] {
        assert_eq!(environment[ours], Value::Null, "{ours}");
    }
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_gateway_answers_by_itself_as_api_gateway_does() {
    let stack = start().await;
    assert_said(get(&stack, "/nowhere", None).await, StatusCode::NOT_FOUND, "Not Found").await;
    assert_said(get(&stack, "/closed/a", None).await, StatusCode::UNAUTHORIZED, "Unauthorized").await;
    assert_said(get(&stack, "/closed/a", Some("bad")).await, StatusCode::FORBIDDEN, "Forbidden").await;
    let failed = get(&stack, "/closed/a", Some("broken")).await;
    assert_said(failed, StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error").await;
    let large = client().post(format!("{}/open/a", stack.url())).body(vec![b'a'; 10 * 1024 * 1024 + 1]);
    assert_said(large.send().await.unwrap(), StatusCode::PAYLOAD_TOO_LARGE, "Request Entity Too Large").await;
    let long = get(&stack, &format!("/open/a?x={}", "x".repeat(10_240)), None).await;
    let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
    assert_said(long, status, "Request Header Fields Too Large").await;
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_large_for_lambda_reaches_no_function_and_no_caller() {
    let stack = start().await;
    // As base64 it grows by a third, to more than 6 MB.
    let large = client().post(format!("{}/open/a", stack.url()));
    let large = large.header("content-type", "application/octet-stream").body(vec![0; 5 * 1024 * 1024]);
    assert_said(large.send().await.unwrap(), StatusCode::PAYLOAD_TOO_LARGE, "Request Entity Too Large").await;
    assert!(stack.instances("EchoFunction").is_empty());
    let large = json!({"answer with": 6 * 1024 * 1024});
    let failed = order(&stack, "/open/a", large).await;
    assert_said(failed, StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error").await;
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_authorizer_is_asked_once_and_its_context_reaches_the_function() {
    let stack = start().await;
    let context = |seen: &Value| seen["event"]["requestContext"]["authorizer"]["lambda"].clone();
    let first = context(&json(get(&stack, "/closed/a", Some("good")).await).await);
    let second = context(&json(get(&stack, "/closed/b?x=y", Some("good")).await).await);
    let asked = &first["asked"];
    assert_eq!(asked["identitySource"], json!(["Bearer good"]));
    assert_eq!(asked["routeKey"], "ANY /closed/{name}");
    assert!(asked["routeArn"].as_str().unwrap().ends_with("/$default/GET/closed/a"), "{asked}");
    assert_eq!(first, second);
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_instance_is_used_again_and_a_busy_one_gets_company_up_to_the_limit() {
    let stack = Stack::start(Options { max_instances: 2, ..options() }).await.unwrap();
    for _ in 0..3 {
        get(&stack, "/open/a", None).await;
        // Time for the instance to ask for more, also on a machine that has other things to do.
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(stack.instances("EchoFunction").len(), 1);
    let slow = json!({"do": "sleep", "ms": 300});
    let start = Instant::now();
    let asked = (0..4).map(|_| stack.invoke("EchoFunction", slow.clone()));
    for answer in futures_join(asked).await {
        answer.unwrap();
    }
    assert_eq!(stack.instances("EchoFunction").len(), 2);
    assert!(
        start.elapsed() >= Duration::from_millis(600),
        "two instances served more than one request at a time"
    );
    stack.stop().await;
}

/// Awaits all of them at the same time.
async fn futures_join<T>(futures: impl IntoIterator<Item = impl Future<Output = T>>) -> Vec<T> {
    let mut pending: Vec<_> = futures.into_iter().map(|future| (Box::pin(future), None)).collect();
    std::future::poll_fn(|context| {
        for (future, result) in pending.iter_mut().filter(|(_, result)| result.is_none()) {
            if let std::task::Poll::Ready(ready) = future.as_mut().poll(context) {
                *result = Some(ready);
            }
        }
        if pending.iter().all(|(_, result)| result.is_some()) {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
    pending.into_iter().filter_map(|(_, result)| result).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_costs_one_request_and_one_line() {
    let stack = start().await;
    let crashed = order(&stack, "/open/a", json!({"do": "crash"})).await;
    assert_said(crashed, StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error").await;
    assert_eq!(count(&stack, "bifrost | fixture: it crashed (exit status: 3)"), 1);
    assert_eq!(get(&stack, "/open/a", None).await.status(), StatusCode::OK);
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_or_nonsense_from_the_function_is_a_500_and_the_instance_lives_on() {
    let stack = start().await;
    let pid = json(get(&stack, "/open/a", None).await).await["pid"].clone();
    for orders in [json!({"do": "fail"}), json!({"do": "nonsense"})] {
        let failed = order(&stack, "/open/a", orders).await;
        assert_said(failed, StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error").await;
    }
    assert_eq!(json(get(&stack, "/open/a", None).await).await["pid"], pid);
    assert_eq!(count(&stack, "told to fail"), 1);
    assert_eq!(count(&stack, "its answer is not one for HTTP"), 1);
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_past_its_timeout_is_killed_and_replaced() {
    let stack = start().await;
    let pid = json(get(&stack, "/open/a", None).await).await["pid"].as_u64().unwrap();
    let slow = order(&stack, "/open/a", json!({"do": "sleep", "ms": 60_000})).await;
    assert_said(slow, StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error").await;
    assert_eq!(count(&stack, "fixture: it was still at work after 2 s and was stopped"), 1);
    let pid = u32::try_from(pid).unwrap();
    until("the process is gone", || !is_alive(pid)).await;
    assert_eq!(get(&stack, "/open/a", None).await.status(), StatusCode::OK);
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_gateway_gives_up_on_the_caller_while_the_function_goes_on() {
    let stack = start().await;
    // An event that no instance has taken yet would be dropped with its caller.
    get(&stack, "/open/a", None).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    let orders = json!({"do": "sleep", "ms": 700, "then say": "done at last"});
    let given_up = order(&stack, "/hasty/a", orders).await;
    assert_said(given_up, StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable").await;
    assert_eq!(count(&stack, "POST /hasty/{name}: no answer within"), 1);
    assert_eq!(count(&stack, "done at last"), 0);
    until("the function finishes", || count(&stack, "done at last") == 1).await;
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_that_does_not_start_costs_each_request_one_500() {
    let environment = [("FIXTURE_START".to_owned(), "broken".to_owned())].into();
    let stack = Stack::start(Options { environment, ..options() }).await.unwrap();
    let failed = get(&stack, "/open/a", None).await;
    assert_said(failed, StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error").await;
    assert_eq!(count(&stack, "fixture: it did not start (exit status: 1)"), 1);
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn functions_can_be_invoked_directly_and_say_how_they_failed() {
    let stack = start().await;
    let answer = stack.invoke("fixture", json!({"isAuthorized": 1})).await.unwrap();
    assert_eq!(answer["statusCode"], 200);
    let failed = stack.invoke("EchoFunction", json!({"do": "fail"})).await.unwrap_err();
    assert!(matches!(failed, InvokeError::Failed { failure: Failure::Function(_), .. }), "{failed}");
    assert!(matches!(stack.invoke("Nobody", json!({})).await, Err(InvokeError::NoFunction(_))));
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_function_writes_is_a_line_of_the_log_under_its_name() {
    let stack = start().await;
    order(&stack, "/open/a", json!({"do": "say", "what": "hello there"})).await;
    until("the line arrives", || stack.logs().contains(&"fixture | hello there".to_owned())).await;
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_lets_a_request_finish_and_leaves_no_process() {
    let stack = start().await;
    get(&stack, "/open/a", None).await;
    let pids = stack.instances("EchoFunction");
    let url = format!("{}/open/a", stack.url());
    let slow = tokio::spawn(async move {
        let request = client().post(url).header("content-type", "application/json");
        request.body(r#"{"do":"sleep","ms":500}"#).send().await.unwrap()
    });
    tokio::time::sleep(Duration::from_millis(200)).await;
    stack.stop().await;
    assert_eq!(slow.await.unwrap().status(), StatusCode::OK);
    assert!(pids.into_iter().all(|pid| !is_alive(pid)));
}

#[tokio::test(flavor = "multi_thread")]
async fn dropping_the_stack_leaves_no_process_either() {
    let stack = start().await;
    get(&stack, "/open/a", None).await;
    let pids = stack.instances("EchoFunction");
    assert_eq!(pids.len(), 1);
    drop(stack);
    until("the processes are gone", || !pids.iter().any(|pid| is_alive(*pid))).await;
}

async fn aws(stack: &Stack, target: &str, body: Value) -> Response {
    let credential = "Credential=AKIA/20260101/us-east-1/dynamodb/aws4_request";
    client()
        .post(format!("{}/somebody/", stack.aws_endpoint()))
        .header("x-amz-target", target)
        .header("content-type", "application/x-amz-json-1.0")
        .header("x-amz-date", "20260101T000000Z")
        .header("authorization", format!("AWS4-HMAC-SHA256 {credential}, SignedHeaders=host, Signature=0"))
        .body(body.to_string())
        .send()
        .await
        .unwrap()
}

fn key() -> Value {
    json!({"pk": {"S": "a"}, "sk": {"S": "b"}})
}

async fn put(stack: &Stack) -> Response {
    let table = "bifrost-local-DataTable";
    aws(stack, "DynamoDB_20120810.PutItem", json!({"TableName": table, "Item": key()})).await
}

async fn item(stack: &Stack) -> Value {
    let table = "bifrost-local-DataTable";
    let answer = aws(stack, "DynamoDB_20120810.GetItem", json!({"TableName": table, "Key": key()})).await;
    json(answer).await["Item"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_can_do_what_its_policy_allows_and_nothing_else() {
    let seen: Arc<Mutex<Vec<(String, bool)>>> = Arc::default();
    let noted = Arc::clone(&seen);
    let observer = Observer::new(move |function, access, allowed| {
        noted.lock().unwrap().push((format!("{function} {}", access.action), allowed));
    });
    let stack = Stack::start(Options { observer: Some(observer), ..options() }).await.unwrap();
    let put = async |pk: &str| stack.invoke("EchoFunction", json!({"do": "put", "pk": pk})).await;
    put("abc").await.unwrap();
    put("bcd").await.unwrap_err();
    let put = "fixture dynamodb:PutItem".to_owned();
    assert_eq!(*seen.lock().unwrap(), [(put.clone(), true), (put, false)]);
    let denial = "fixture is not authorized to perform: dynamodb:PutItem on resource: \
                  arn:aws:dynamodb:us-east-1:000000000000:table/bifrost-local-DataTable";
    assert_eq!(count(&stack, denial), 1);
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_to_aws_are_counted_by_caller_and_operation() {
    let stack = start().await;
    put(&stack).await;
    item(&stack).await;
    assert_eq!(item(&stack).await, key());
    aws(&stack, "secretsmanager.GetSecretValue", json!({"SecretId": "root-key"})).await;
    let expected = [("DynamoDB.GetItem", 2), ("DynamoDB.PutItem", 1), ("SecretsManager.GetSecretValue", 1)];
    let expected: std::collections::BTreeMap<_, _> =
        expected.into_iter().map(|(operation, count)| (operation.to_owned(), count)).collect();
    assert_eq!(stack.calls(), expected);
    assert_eq!(stack.calls_by("somebody"), expected);
    assert!(stack.calls_by("fixture").is_empty());
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_refuse_a_call_or_lose_its_answer() {
    let stack = start().await;
    stack.set_fault_hook(Some(Arc::new(|call| match (call.operation, call.earlier) {
        ("PutItem", 0) => Some(Fault::throttled()),
        ("PutItem", 1) => Some(Fault::LoseAnswer),
        _ => None,
    })));
    let throttled = put(&stack).await;
    assert_eq!(throttled.status(), StatusCode::BAD_REQUEST);
    assert_eq!(json(throttled).await["__type"], "ThrottlingException");
    assert_eq!(item(&stack).await, Value::Null);
    assert_eq!(put(&stack).await.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(item(&stack).await, key());
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conflict_is_worded_for_one_write_and_for_each_item_of_a_transaction() {
    let stack = start().await;
    stack.set_fault_hook(Some(Arc::new(|_| Some(Fault::Conflict))));
    let one = json(put(&stack).await).await;
    assert_eq!(one["__type"], "com.amazonaws.dynamodb.v20120810#TransactionConflictException");
    let puts = vec![json!({"Put": {"TableName": "bifrost-local-DataTable", "Item": key()}}); 2];
    let request = json!({"TransactItems": puts});
    let all = aws(&stack, "DynamoDB_20120810.TransactWriteItems", request).await;
    assert_eq!(all.status(), StatusCode::BAD_REQUEST);
    let all = json(all).await;
    assert_eq!(all["__type"], "com.amazonaws.dynamodb.v20120810#TransactionCanceledException");
    let codes: Vec<_> =
        all["CancellationReasons"].as_array().unwrap().iter().map(|reason| &reason["Code"]).collect();
    assert_eq!(codes, ["TransactionConflict", "TransactionConflict"]);
    stack.set_fault_hook(None);
    assert_eq!(item(&stack).await, Value::Null);
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_holds_a_call_before_it_is_performed_and_after() {
    let stack = start().await;
    let (moments, mut reached) = tokio::sync::mpsc::unbounded_channel();
    let go_on = Arc::new(tokio::sync::Semaphore::new(0));
    let gate = Arc::clone(&go_on);
    let checkpoint = Checkpoint::new(move |moment| {
        moments.send(moment).unwrap();
        let gate = Arc::clone(&gate);
        async move { gate.acquire().await.unwrap().forget() }
    });
    let stop =
        move |call: &Call<'_>| (call.operation == "PutItem").then(|| Fault::Checkpoint(checkpoint.clone()));
    stack.set_fault_hook(Some(Arc::new(stop)));
    let watch = async {
        assert_eq!(reached.recv().await, Some(Moment::Arrived));
        assert_eq!(item(&stack).await, Value::Null);
        go_on.add_permits(1);
        assert_eq!(reached.recv().await, Some(Moment::Done));
        assert_eq!(item(&stack).await, self::key());
        go_on.add_permits(1);
    };
    let (put, ()) = tokio::join!(put(&stack), watch);
    assert_eq!(put.status(), StatusCode::OK);
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_is_killed_during_a_call_leaves_the_call_undone_and_its_request_failed() {
    let stack = Arc::new(start().await);
    let (callers, mut reached) = tokio::sync::mpsc::unbounded_channel();
    stack.set_fault_hook(Some(Arc::new(move |call| {
        callers.send(call.instance).unwrap();
        Some(Fault::Checkpoint(Checkpoint::new(|_| std::future::pending())))
    })));
    let kill = async {
        let instance = reached.recv().await.unwrap();
        assert!(stack.kill_instance(instance).await);
        assert!(!stack.kill_instance(instance).await, "it is gone");
    };
    let (failed, ()) = tokio::join!(order(&stack, "/open/a", json!({"do": "put"})), kill);
    assert_said(failed, StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error").await;
    assert_eq!(count(&stack, "fixture: it crashed (signal: 9 (SIGKILL))"), 1);
    stack.set_fault_hook(None);
    assert_eq!(item(&stack).await, Value::Null);
    assert_eq!(order(&stack, "/open/a", json!({"do": "put"})).await.status(), StatusCode::OK);
    assert_eq!(item(&stack).await, key());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_data_folder_keeps_everything_and_serves_one_stack_at_a_time() {
    let folder = std::env::temp_dir().join(format!("bifrost-stack-{}", std::process::id()));
    let options = || Options { data: Data::Dir(folder.clone()), ..options() };
    let first = Stack::start(options()).await.unwrap();
    let key = first.root_key().to_owned();
    assert!(key.starts_with("bfk_root_") && key.len() == 52, "{key}");
    assert_eq!(std::fs::read_to_string(folder.join("root-key")).unwrap().trim(), key);
    put(&first).await;
    assert!(matches!(Stack::start(options()).await, Err(StartError::Folder(_))));
    first.stop().await;
    let second = Stack::start(options()).await.unwrap();
    assert_eq!(second.root_key(), key);
    assert_eq!(item(&second).await, self::key());
    second.stop().await;
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_in_use_and_an_address_of_the_world_are_refused_in_one_line() {
    let stack = start().await;
    let taken = stack.url().replace("http://localhost", "127.0.0.1").parse().unwrap();
    let error = Stack::start(Options { listen: taken, ..options() }).await.unwrap_err().to_string();
    assert!(error.contains("--listen") && !error.contains('\n'), "{error}");
    let everywhere = "0.0.0.0:0".parse().unwrap();
    let refused = Stack::start(Options { listen: everywhere, ..options() }).await;
    assert!(matches!(refused, Err(StartError::NotLoopback(_))));
    stack.stop().await;
}

/// Not a test but a program for the next one: a stack with one idle and one busy instance.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "run by another test, in a process of its own"]
async fn a_stack_that_is_about_to_be_killed() {
    let stack = start().await;
    get(&stack, "/open/a", None).await;
    let busy = stack.invoke("GuardFunction", json!({"do": "sleep", "ms": 1000}));
    let pids = async {
        while stack.instances("GuardFunction").is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
        let pids = [stack.instances("EchoFunction"), stack.instances("GuardFunction")].concat();
        println!("pids {}", json!(pids));
        std::future::pending::<()>().await;
    };
    let _ = tokio::join!(busy, pids);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_process_outlives_a_stack_that_is_killed() {
    let mut stack = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "a_stack_that_is_about_to_be_killed", "--nocapture"])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let lines = std::io::BufRead::lines(std::io::BufReader::new(stack.stdout.take().unwrap()));
    let pids = lines.map_while(Result::ok).find_map(|line| Some(line.split_once("pids ")?.1.to_owned()));
    let pids: Vec<u32> = serde_json::from_str(&pids.unwrap()).unwrap();
    assert_eq!(pids.len(), 2);
    assert!(pids.iter().all(|pid| is_alive(*pid)));
    stack.kill().unwrap();
    stack.wait().unwrap();
    until("the processes notice and end", || !pids.iter().any(|pid| is_alive(*pid))).await;
}
