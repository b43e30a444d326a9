//! The template reader against small templates, and against the real one.

use std::time::Duration;

use serde_json::json;

use super::*;

/// The fixture with one piece of text replaced.
fn fixture_with(old: &str, new: &str) -> Result<Template, TemplateError> {
    let text = include_str!("../../tests/fixture/template.yaml");
    assert!(text.contains(old), "{old}");
    read(&text.replace(old, new), &BTreeMap::new())
}

fn error(old: &str, new: &str) -> String {
    fixture_with(old, new).unwrap_err().to_string()
}

fn environment(parameters: &[(&str, &str)]) -> BTreeMap<String, String> {
    let given = parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let text = include_str!("../../tests/fixture/template.yaml");
    let template = read(text, &given.collect()).unwrap();
    template.function("EchoFunction").unwrap().environment.clone()
}

#[test]
fn the_template_that_is_deployed_is_understood() {
    let text = include_str!("../../../template.yaml");
    let parameters = BTreeMap::from([("PublicUrl".to_owned(), "http://localhost:7071".to_owned())]);
    let template = read(text, &parameters).unwrap_or_else(|error| panic!("{error}"));
    let resolve = template.function("integrations-resolve").unwrap();
    assert_eq!(resolve.environment["BIFROST_PUBLIC_URL"], "http://localhost:7071");
    assert_eq!(resolve.timeout, Duration::from_secs(90));
    let callback = template.routes.iter().find(|route| route.path == "/api/oauth/callback").unwrap();
    assert_eq!(callback.authorizer, None);
    let every = |function: &str| {
        let schedules = template.schedules.iter().filter(|schedule| schedule.function == function);
        schedules.map(|schedule| schedule.every.as_secs()).collect::<Vec<_>>()
    };
    assert_eq!((every("RefresherFunction"), every("CensusFunction")), (vec![60; 4], vec![3600]));
    assert_eq!(template.secrets.len(), 1);
}

#[test]
fn every_function_of_the_deployed_template_has_a_log_group_of_its_own() {
    let template = read(include_str!("../../../template.yaml"), &BTreeMap::new()).unwrap();
    let groups: std::collections::BTreeSet<_> =
        template.functions.iter().map(|function| function.logging.group.clone().unwrap()).collect();
    assert_eq!(groups.len(), template.functions.len());
}

#[test]
fn the_deployed_template_is_understood_with_everything_that_can_be_asked_of_it() {
    let parameters = [
        ("DomainName", "bifrost.example.com"),
        ("CertificateArn", "arn:aws:acm:us-east-1:000000000000:certificate/a"),
        ("HostedZoneId", "Z1"),
        ("FixedEgress", "yes"),
        ("AlarmTopicArn", "arn:aws:sns:us-east-1:000000000000:alarms"),
        ("Tracing", "PassThrough"),
        ("DeploymentType", "AllAtOnce"),
    ];
    let parameters = parameters.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let template = read(include_str!("../../../template.yaml"), &BTreeMap::from(parameters)).unwrap();
    let environment = &template.function("oauth-callback").unwrap().environment;
    assert_eq!(environment["BIFROST_PUBLIC_URL"], "https://bifrost.example.com");
}

#[test]
fn a_stack_around_tables_and_a_key_that_are_there_makes_none_and_is_allowed_to_use_those() {
    let key = "arn:aws:kms:us-east-1:000000000000:key/00000000-0000-0000-0000-000000000000";
    let given = [
        ("ExistingDataTable", "old-data"),
        ("ExistingDataKeysTable", "old-keys"),
        ("ExistingSealingKeyArn", key),
    ];
    let parameters = given.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let template = read(include_str!("../../../template.yaml"), &BTreeMap::from(parameters)).unwrap();
    assert!(template.tables.is_empty() && template.keys.is_empty() && template.aliases.is_empty());
    let create = template.function("connections-create").unwrap();
    assert_eq!(create.environment["BIFROST_DATA_TABLE"], "old-data");
    assert_eq!(create.environment["BIFROST_DATA_KEYS_TABLE"], "old-keys");
    assert_eq!(create.environment["BIFROST_KMS_KEY"], key);
    let resources: Vec<_> = create.policy.iter().flat_map(|statement| &statement.resources).collect();
    for resource in ["old-data", "old-keys"] {
        let arn = format!("arn:aws:dynamodb:us-east-1:000000000000:table/{resource}");
        assert!(resources.contains(&&arn), "{resources:?}");
    }
    assert!(resources.contains(&&key.to_owned()));
    let list = template.function("mappings-list").unwrap();
    let index = "arn:aws:dynamodb:us-east-1:000000000000:table/old-data/index/mappings".to_owned();
    assert!(list.policy.iter().any(|statement| statement.resources.contains(&index)));
}

#[test]
fn the_schedules_sweep_every_shard_once() {
    let text = include_str!("../../../template.yaml");
    let template = read(text, &BTreeMap::new()).unwrap();
    let sweeps = || template.schedules.iter().filter(|schedule| schedule.function == "RefresherFunction");
    let shards = sweeps().flat_map(|schedule| {
        let shards = &schedule.input.as_ref().unwrap()["shards"];
        shards["first"].as_u64().unwrap()..=shards["last"].as_u64().unwrap()
    });
    let mut shards: Vec<u64> = shards.collect();
    shards.sort_unstable();
    assert!(shards.into_iter().eq(0..256));
    let refresher = template.function("refresher").unwrap();
    assert!(refresher.reserved_concurrency.unwrap() >= 2 * sweeps().count(), "each may overlap itself");
}

#[test]
fn globals_lie_under_the_functions_own_properties() {
    let echo = fixture().function("EchoFunction").unwrap().clone();
    assert_eq!(echo.timeout, Duration::from_secs(2));
    assert_eq!(echo.memory_mb, 128);
    assert_eq!(echo.environment["DATA_TABLE"], "bifrost-local-DataTable");
    assert!(echo.environment["KEY"].starts_with("arn:aws:kms:us-east-1:000000000000:key/"));
    assert_eq!(echo.logging.level.as_deref(), Some("INFO"));
    assert_eq!(fixture().function("GuardFunction").unwrap().timeout, Duration::from_secs(30));
}

#[test]
fn a_functions_policy_is_all_that_its_policies_allow() {
    let policy = fixture().function("EchoFunction").unwrap().policy.clone();
    let [lookup, write] = policy.as_slice() else { panic!("{policy:?}") };
    let table = "arn:aws:dynamodb:us-east-1:000000000000:table/bifrost-local-DataTable";
    assert_eq!(lookup.resources, [format!("{table}/index/due")]);
    assert_eq!(write.actions, ["dynamodb:PutItem"]);
    assert_eq!(write.resources, [table]);
    let condition = |operator, value: &str| Condition {
        operator,
        key: "dynamodb:LeadingKeys".to_owned(),
        values: vec![value.to_owned()],
    };
    let expected = [condition(Operator::AllStringLike, "a*"), condition(Operator::Null, "false")];
    assert_eq!(write.conditions, expected);
    assert!(fixture().function("GuardFunction").unwrap().policy.is_empty());
}

#[test]
fn parameters_decide_conditions() {
    assert!(environment(&[])["PUBLIC_URL"].starts_with("https://"));
    assert_eq!(environment(&[("PublicUrl", "http://localhost:1")])["PUBLIC_URL"], "http://localhost:1");
}

#[test]
fn a_parameter_that_the_template_does_not_have_is_refused() {
    let text = include_str!("../../tests/fixture/template.yaml");
    let refused = read(text, &BTreeMap::from([("Colour".to_owned(), "red".to_owned())]));
    assert_eq!(refused.unwrap_err().to_string(), "Parameters: there is no parameter Colour");
}

#[test]
fn routes_know_their_authorizer_and_open_ones_have_none() {
    let template = fixture();
    let authorizer = |path: &str| {
        let route = template.routes.iter().find(|route| route.path == path).unwrap();
        route.authorizer.clone()
    };
    let guard = authorizer("/closed/{name}").unwrap();
    assert_eq!(guard.function, "GuardFunction");
    assert_eq!(guard.identity_headers, ["authorization"]);
    assert_eq!(guard.remembered, Duration::from_secs(60));
    assert_eq!(authorizer("/open/{name}"), None);
}

#[test]
fn a_schedule_carries_its_input() {
    let schedule = fixture().schedules.remove(0);
    assert_eq!(schedule.name, "EchoFunction.EveryMinute");
    assert_eq!(schedule.every, Duration::from_secs(60));
    assert_eq!(schedule.input, Some(json!({"do": "nothing"})));
}

#[test]
fn what_is_not_known_is_refused_by_its_place() {
    let cases = [
        (
            "Type: AWS::SQS::Queue\n    Condition: HasPublicUrl",
            "Type: AWS::S3::Bucket",
            "Resources.UnusedQueue.Type: the local stack doesn't know the resource type AWS::S3::Bucket",
        ),
        (
            "Handler: bootstrap",
            "Handler: bootstrap\n    FileSystemConfigs: []",
            "Resources.EchoFunction.Properties.FileSystemConfigs: unknown field `FileSystemConfigs`",
        ),
        (
            "TimeoutInMillis: 100",
            "Cache: 100",
            "Resources.EchoFunction.Properties.Events.Hasty.Properties.Cache: unknown field `Cache`",
        ),
        (
            "Type: ScheduleV2",
            "Type: Schedule",
            "Resources.EchoFunction.Properties.Events.EveryMinute.Type: the local stack doesn't know the event type Schedule",
        ),
        (
            "Resource: !GetAtt DataTable.Arn",
            "Resource: !ImportValue there",
            "Resources.EchoFunction.Properties.Policies[1].Statement[0].Resource.Fn::ImportValue: the local stack doesn't know the intrinsic function Fn::ImportValue",
        ),
        (
            "- !Ref LookupPolicy",
            "- AWSXRayDaemonWriteAccess",
            "the template has no managed policy AWSXRayDaemonWriteAccess",
        ),
        (
            "Effect: Allow\n              Action: dynamodb:PutItem",
            "Effect: Deny\n              Action: dynamodb:PutItem",
            "unknown variant `Deny`",
        ),
        ("ForAllValues:StringLike:", "ForAnyValue:StringLike:", "unknown variant `ForAnyValue:StringLike`"),
        (
            "dynamodb:LeadingKeys: a*",
            "dynamodb:Select: a*",
            "WriteData: the local stack doesn't know the condition key dynamodb:Select",
        ),
        (
            "rate(1 minute)",
            "cron(0 12 * * ? *)",
            "Resources.EchoFunction.Properties.Events.EveryMinute.Properties.ScheduleExpression: the local stack knows rate(N minutes)",
        ),
        (
            "Condition: HasPublicUrl",
            "Condition: HasPublicUrl\n    CreationPolicy: {}",
            "Resources.UnusedQueue.CreationPolicy: the local stack doesn't know this",
        ),
        ("!Ref DataTable\n", "!Ref Nothing\n", "there is no parameter or resource Nothing"),
        (
            "!GetAtt SealingKey.Arn",
            "!GetAtt SealingKey.Colour",
            "doesn't know the attribute Colour of AWS::KMS::Key",
        ),
        ("EnableSimpleResponses: true", "EnableSimpleResponses: false", "the local stack needs true"),
    ];
    for (old, new, expected) in cases {
        let error = error(old, new);
        assert!(error.contains(expected), "{error}\nis not\n{expected}");
    }
}

#[test]
fn a_reference_that_leads_back_to_itself_ends_in_an_error() {
    let error = error("!Not [!Equals [!Ref PublicUrl, \"\"]]", "!Not [!Condition HasPublicUrl]");
    assert!(error.contains("refers to itself"), "{error}");
}

#[test]
fn intrinsics_come_out_as_cloudformation_has_them() {
    let cases = [
        (r#"!Join ["-", [a, !Ref "AWS::Region", b]]"#, "a-us-east-1-b"),
        (r#"!Select [1, !Split [",", "a,b,c"]]"#, "b"),
        (
            r#"!Sub "${AWS::StackName}/${!Literal}/${DataTable}""#,
            "bifrost-local/${Literal}/bifrost-local-DataTable",
        ),
        (r#"!Sub ["${a}-${b}", {a: 1, b: !Ref Patience}]"#, "1-2"),
        (r#"!If [HasPublicUrl, yes, no]"#, "no"),
        ("{\"Fn::Join\": [\"\", [x, y]]}", "xy"),
    ];
    for (expression, expected) in cases {
        let template = fixture_with("SECRET: !Ref RootKeySecret", &format!("SECRET: {expression}")).unwrap();
        assert_eq!(
            template.function("EchoFunction").unwrap().environment["SECRET"],
            expected,
            "{expression}"
        );
    }
    let template = fixture_with("SECRET: !Ref RootKeySecret", "SECRET: !Ref AWS::NoValue").unwrap();
    assert_eq!(template.function("EchoFunction").unwrap().environment.get("SECRET"), None);
}
