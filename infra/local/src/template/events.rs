//! What invokes a function: routes of the HTTP API, and schedules.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use super::model::{Authorizer, Method, Route, Schedule};
use super::properties::{Event, HttpApiEvent, ScheduleEvent, ScheduleState, typed};
use super::{Place, TemplateError, ignored};

/// What an HTTP API waits for a function at most, and by default.
const LONGEST_PATIENCE: Duration = Duration::from_secs(30);

/// The one HTTP API of a template.
pub(super) struct Api {
    pub(super) id: String,
    pub(super) authorizers: BTreeMap<String, Authorizer>,
    pub(super) default_authorizer: Option<String>,
}

pub(super) fn route(api: &Api, function: &str, event: Event, place: &Place) -> Result<Route, TemplateError> {
    let properties = ignored::without_ignored("HttpApi event", &event.properties, place)?;
    let event: HttpApiEvent = typed(properties, place)?;
    if event.api_id != api.id {
        return Err(TemplateError::at(&place.key("ApiId"), "is not the template's HTTP API"));
    }
    if !event.path.starts_with('/') {
        return Err(TemplateError::at(&place.key("Path"), "does not start with /"));
    }
    let patience = event.timeout_in_millis.map_or(LONGEST_PATIENCE, Duration::from_millis);
    Ok(Route {
        method: match event.method.to_uppercase().as_str() {
            "ANY" | "*" => Method::Any,
            method => Method::Only(method.to_owned()),
        },
        path: event.path,
        function: function.to_owned(),
        authorizer: authorizer(api, event.auth.authorizer, place)?,
        patience: patience.min(LONGEST_PATIENCE),
    })
}

fn authorizer(api: &Api, named: Option<String>, place: &Place) -> Result<Option<Authorizer>, TemplateError> {
    let Some(name) = named.or_else(|| api.default_authorizer.clone()).filter(|name| name != "NONE") else {
        return Ok(None);
    };
    match api.authorizers.get(&name) {
        Some(authorizer) => Ok(Some(authorizer.clone())),
        None => Err(TemplateError::at(&place.key("Auth"), format!("the HTTP API has no authorizer {name}"))),
    }
}

pub(super) fn schedule(
    name: &str,
    function: &str,
    event: Event,
    place: &Place,
) -> Result<Schedule, TemplateError> {
    let properties = ignored::without_ignored("ScheduleV2 event", &event.properties, place)?;
    let event: ScheduleEvent = typed(properties, place)?;
    let every = rate(&event.schedule_expression).ok_or_else(|| {
        let problem = format!("the local stack knows rate(N minutes), not {:?}", event.schedule_expression);
        TemplateError::at(&place.key("ScheduleExpression"), problem)
    })?;
    let input = event.input.map(|input| serde_json::from_str::<Value>(&input)).transpose();
    Ok(Schedule {
        name: format!("{function}.{name}"),
        function: function.to_owned(),
        every,
        input: input
            .map_err(|error| TemplateError::at(&place.key("Input"), format!("is not JSON: {error}")))?,
        enabled: event.state != Some(ScheduleState::Disabled),
    })
}

/// `rate(1 minute)`, `rate(5 minutes)`, `rate(1 hour)`, `rate(2 days)`.
fn rate(expression: &str) -> Option<Duration> {
    let (count, unit) = expression.strip_prefix("rate(")?.strip_suffix(')')?.split_once(' ')?;
    let seconds = match unit.trim_end_matches('s') {
        "minute" => 60,
        "hour" => 60 * 60,
        "day" => 24 * 60 * 60,
        _ => return None,
    };
    count.parse::<u64>().ok().filter(|count| *count > 0).map(|count| Duration::from_secs(count * seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_counted_in_minutes_hours_and_days() {
        assert_eq!(rate("rate(1 minute)"), Some(Duration::from_secs(60)));
        assert_eq!(rate("rate(5 minutes)"), Some(Duration::from_secs(300)));
        assert_eq!(rate("rate(2 hours)"), Some(Duration::from_secs(7200)));
        assert_eq!(rate("rate(0 minutes)"), None);
        assert_eq!(rate("cron(0 12 * * ? *)"), None);
    }
}
