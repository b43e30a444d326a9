//! What a template may say without any effect on one machine, and why. Everything here was thought about; what is
//! neither here nor understood is refused.

use serde_json::Value;

use super::{Place, TemplateError, intrinsics};

/// Resource types without a local counterpart.
const TYPES: &[(&str, &str)] = &[
    ("AWS::ApiGatewayV2::ApiMapping", "the address is localhost"),
    ("AWS::ApiGatewayV2::DomainName", "the address is localhost"),
    ("AWS::CloudWatch::Alarm", "nobody is on call for a laptop"),
    ("AWS::CloudWatch::CompositeAlarm", "nobody is on call for a laptop"),
    ("AWS::CloudWatch::Dashboard", "the console shows every line"),
    ("AWS::EC2::EIP", "calls leave by the machine's own address"),
    ("AWS::EC2::InternetGateway", "functions use the machine's network"),
    ("AWS::EC2::NatGateway", "functions use the machine's network"),
    ("AWS::EC2::Route", "functions use the machine's network"),
    ("AWS::EC2::RouteTable", "functions use the machine's network"),
    ("AWS::EC2::SecurityGroup", "functions use the machine's network"),
    ("AWS::EC2::Subnet", "functions use the machine's network"),
    ("AWS::EC2::SubnetRouteTableAssociation", "functions use the machine's network"),
    ("AWS::EC2::VPC", "functions use the machine's network"),
    ("AWS::EC2::VPCEndpoint", "functions use the machine's network"),
    ("AWS::EC2::VPCGatewayAttachment", "functions use the machine's network"),
    ("AWS::IAM::Role", "functions have no role but their own policies'"),
    ("AWS::Lambda::Permission", "functions are invoked by nobody but the stack"),
    ("AWS::Logs::LogGroup", "log lines go to the console"),
    ("AWS::Logs::MetricFilter", "there are no metrics"),
    ("AWS::Logs::SubscriptionFilter", "the lines that it would gather are on the console with all others"),
    ("AWS::Route53::RecordSet", "the address is localhost"),
    ("AWS::SNS::Subscription", "there is nobody to tell"),
    ("AWS::SNS::Topic", "there is nobody to tell"),
    ("AWS::SQS::Queue", "it takes schedule events that failed, which the console reports"),
    ("AWS::SQS::QueuePolicy", "there are no queues"),
    ("AWS::Scheduler::ScheduleGroup", "schedules need no grouping"),
];

/// Properties, by resource type, of resources that do have a local counterpart.
const PROPERTIES: &[(&str, &[(&str, &str)])] = &[
    (
        "AWS::Serverless::Function",
        &[
            ("Architectures", "binaries are built for this machine"),
            ("AutoPublishAlias", "there is one version"),
            ("DeadLetterQueue", "failed events are reported on the console"),
            ("DeploymentPreference", "nothing is deployed"),
            ("Description", "for people"),
            ("EphemeralStorage", "functions share the machine's temporary folder"),
            ("EventInvokeConfig", "an event is delivered once; its failure is reported on the console"),
            ("LoggingConfig.SystemLogLevel", "the runner writes its own lines"),
            ("PermissionsBoundary", "the boundary is an account's, and here is none"),
            ("ProvisionedConcurrencyConfig", "instances start on demand"),
            ("RecursiveLoop", "no function can invoke another here"),
            ("RolePath", "there are no roles"),
            ("RuntimeManagementConfig", "there is no managed runtime"),
            ("Tags", "for people and bills"),
            ("Tracing", "there is no X-Ray"),
            ("VpcConfig", "functions use the machine's network"),
        ],
    ),
    (
        "AWS::Serverless::HttpApi",
        &[
            ("AccessLogSettings", "the console reports what goes wrong"),
            ("DefaultRouteSettings", "one person's requests need no throttling"),
            ("Description", "for people"),
            ("DisableExecuteApiEndpoint", "there is one address"),
            ("Domain", "the address is localhost"),
            ("FailOnWarnings", "nothing is imported"),
            ("Name", "for people"),
            ("PropagateTags", "for people and bills"),
            ("RouteSettings", "one person's requests need no throttling"),
            ("Tags", "for people and bills"),
        ],
    ),
    (
        "AWS::DynamoDB::Table",
        &[
            ("BillingMode", "it costs nothing"),
            ("ContributorInsightsSpecification", "there are no metrics"),
            ("DeletionProtectionEnabled", "the data folder is the user's own"),
            ("OnDemandThroughput", "it is as fast as the disk"),
            ("PointInTimeRecoverySpecification", "copy the data folder instead"),
            ("SSESpecification", "what is secret is sealed before it gets here"),
            ("TableClass", "it costs nothing"),
            ("Tags", "for people and bills"),
            ("WarmThroughput", "it is as fast as the disk"),
        ],
    ),
    (
        "AWS::KMS::Key",
        &[
            ("Description", "for people"),
            ("EnableKeyRotation", "a laptop's key is not that old"),
            ("KeyPolicy", "it leaves everything to the functions' policies"),
            ("MultiRegion", "there is one region"),
            ("PendingWindowInDays", "keys are not deleted"),
            ("RotationPeriodInDays", "a laptop's key is not that old"),
            ("Tags", "for people and bills"),
        ],
    ),
    ("AWS::KMS::Alias", &[]),
    ("AWS::IAM::ManagedPolicy", &[("Description", "for people")]),
    ("AWS::SSM::Parameter", &[("Description", "for people"), ("Tier", "it costs nothing")]),
    (
        "AWS::SecretsManager::Secret",
        &[
            ("Description", "for people"),
            ("KmsKeyId", "the secret lies in the data folder"),
            ("ReplicaRegions", "there is one region"),
            ("Tags", "for people and bills"),
        ],
    ),
    ("HttpApi event", &[("RouteSettings", "one person's requests need no throttling")]),
    (
        "ScheduleV2 event",
        &[
            ("DeadLetterConfig", "a failure is reported on the console"),
            ("Description", "for people"),
            ("FlexibleTimeWindow", "schedules are punctual"),
            ("GroupName", "schedules need no grouping"),
            ("KmsKeyArn", "the event does not leave the machine"),
            ("Name", "the template's own name for it is used"),
            ("OmitName", "the template's own name for it is used"),
            ("PermissionsBoundary", "the boundary is an account's, and here is none"),
            ("RetryPolicy", "an event is delivered once; its failure is reported on the console"),
            ("RoleArn", "functions are invoked by nobody but the stack"),
            ("ScheduleExpressionTimezone", "rates know no time zone"),
        ],
    ),
];

/// Sections of the template without local effect.
const SECTIONS: &[(&str, &str)] = &[
    ("AWSTemplateFormatVersion", "there is only one"),
    ("Description", "for people"),
    ("Metadata", "for tools"),
    ("Outputs", "the console prints what a user needs"),
    ("Rules", "they guard a deployment's parameters"),
];

const SECTIONS_READ: &[&str] = &["Conditions", "Globals", "Mappings", "Parameters", "Resources", "Transform"];

/// What may stand beside a resource's `Type` and `Properties`; `Condition` and `Metadata` are read.
const BESIDE_PROPERTIES: &[&str] =
    &["Condition", "DeletionPolicy", "DependsOn", "Metadata", "Properties", "Type", "UpdateReplacePolicy"];

/// Constraints of a parameter are for whoever deploys; defaults are taken to satisfy them.
const OF_A_PARAMETER: &[&str] = &[
    "AllowedPattern",
    "AllowedValues",
    "ConstraintDescription",
    "Default",
    "Description",
    "MaxLength",
    "MaxValue",
    "MinLength",
    "MinValue",
    "NoEcho",
    "Type",
];

pub(super) fn is_type_without_effect(kind: &str) -> bool {
    TYPES.iter().any(|(known, _)| *known == kind)
}

/// The properties that are left when those without effect are taken away. What is taken away still has to be
/// made of known intrinsics.
pub(super) fn without_ignored(kind: &str, properties: &Value, place: &Place) -> Result<Value, TemplateError> {
    let mut left = properties.clone();
    let ignored = PROPERTIES.iter().find(|(known, _)| *known == kind).map_or(&[][..], |(_, ignored)| ignored);
    for (path, _) in ignored {
        let (parents, last) =
            path.rsplit_once('.').map_or((None, *path), |(parents, last)| (Some(parents), last));
        let parent = match parents {
            None => Some(&mut left),
            Some(parents) => left.pointer_mut(&format!("/{}", parents.replace('.', "/"))),
        };
        if let Some(taken) = parent.and_then(Value::as_object_mut).and_then(|parent| parent.remove(last)) {
            intrinsics::check(&taken, &place.key(path))?;
        }
    }
    Ok(left)
}

pub(super) fn check_sections(document: &Value) -> Result<(), TemplateError> {
    let known =
        |name: &str| SECTIONS_READ.contains(&name) || SECTIONS.iter().any(|(section, _)| *section == name);
    only(document, known, &Place::default())?;
    for (section, _) in SECTIONS {
        if let Some(content) = document.get(section) {
            intrinsics::check(content, &Place::default().key(section))?;
        }
    }
    Ok(())
}

pub(super) fn check_beside_properties(resource: &Value, place: &Place) -> Result<(), TemplateError> {
    only(resource, |name| BESIDE_PROPERTIES.contains(&name), place)
}

pub(super) fn check_parameter(declaration: &Value, place: &Place) -> Result<(), TemplateError> {
    only(declaration, |name| OF_A_PARAMETER.contains(&name), place)
}

fn only(object: &Value, known: impl Fn(&str) -> bool, place: &Place) -> Result<(), TemplateError> {
    let Some(entries) = object.as_object() else {
        return Err(TemplateError::at(place, "is not a mapping"));
    };
    match entries.keys().find(|name| !known(name)) {
        Some(unknown) => Err(TemplateError::at(&place.key(unknown), "the local stack doesn't know this")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_ignored_thing_says_why() {
        let reasons =
            TYPES.iter().chain(SECTIONS).chain(PROPERTIES.iter().flat_map(|(_, ignored)| ignored.iter()));
        for (name, why) in reasons {
            assert!(!why.is_empty(), "{name}");
        }
    }
}
