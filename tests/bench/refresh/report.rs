//! The figures as tables in Markdown, with the goals of the design beside them.

use std::fmt::Write as _;
use std::time::Duration;

use crate::build::RELEASE;
use crate::load::Load;
use crate::machine::Machine;
use crate::{CALLERS, During, FEW, MANY, ROUNDS, SLOW, Swept};

const TIME_GOAL: Duration = Duration::from_secs(60);
const MEMORY_GOAL: u64 = 128_000_000;
const WRITES_GOAL: f64 = 3.0;

pub(crate) fn table(
    few: &[(usize, Swept)],
    many: &Swept,
    item: usize,
    alone: &Load,
    during: &During,
) -> String {
    let mut text = format!("\n| a sweep of {FEW} due grants, stored: |");
    let mut rule = String::from("\n| --- |");
    for (stored, _) in few {
        let _ = write!(text, " {stored} |");
        rule.push_str(" --- |");
    }
    text.push_str(&rule);
    let mut row = |what: &str, cell: &dyn Fn(&Swept) -> String| {
        let _ = write!(text, "\n| {what} |");
        for (_, swept) in few {
            let _ = write!(text, " {} |", cell(swept));
        }
    };
    row("processor time per refresh", &|swept| milliseconds(swept.cpu.per(swept.refreshed()).total()));
    row("time per refresh, all told", &|swept| milliseconds(swept.took.div_f64(swept.refreshed() as f64)));
    row("DynamoDB reads per refresh, in calls", &|swept| format!("{:.2}", swept.reads()));
    row("DynamoDB writes per refresh", &|swept| format!("{:.2}", swept.writes()));
    row("KMS calls per refresh", &|swept| format!("{:.2}", swept.kms()));

    let _ =
        write!(text, "\n\n| one sweep of {MANY} due grants at {SLOW:?} | | goal |\n| --- | --- | --- |\n");
    let mut row = |what: &str, value: String, goal: &str, met: Option<bool>| {
        let met = met.map_or("", |met| if met { ": met" } else { ": **missed**" });
        let _ = writeln!(text, "| {what} | {value} | {goal}{met} |");
    };
    let seconds = format!("{:.1} s", many.took.as_secs_f64());
    row("time", seconds, "60 s", Some(many.took <= TIME_GOAL && many.refreshed() == MANY));
    row("report", many.report.to_string().replace('"', ""), "", None);
    row("requests at the provider at once", many.at_once.to_string(), "", None);
    row("processor time per refresh", milliseconds(many.cpu.per(many.refreshed()).total()), "", None);
    let memory = format!("{:.1} MB", many.memory.peak as f64 / 1e6);
    row("resident, peak", memory, "128 MB", Some(many.memory.peak <= MEMORY_GOAL));
    let writes = many.writes();
    row("DynamoDB writes per grant", format!("{writes:.2}"), "3", Some(writes <= WRITES_GOAL));
    row("DynamoDB reads per grant, in calls", format!("{:.2}", many.reads()), "", None);
    row("KMS calls per grant", format!("{:.2}", many.kms()), "1, for its data key", Some(many.kms() <= 1.0));
    row("size of a grant's item", format!("{item} bytes"), "", None);
    let units = item.div_ceil(1024);
    // The journal is one write of the item; the tokens are another, and move it in the index: out there, and in here.
    row("write units per grant, from that size", format!("{}", 2 * units + 2), "", None);

    let _ =
        write!(text, "\n| tokens asked for by {CALLERS} callers | per second | p99 |\n| --- | --- | --- |\n");
    let _ =
        writeln!(text, "| no sweep | {:.0} | {} |", alone.per_second(), milliseconds(alone.percentile(99)));
    let worst = milliseconds(during.worst);
    let _ = writeln!(text, "| a sweep of {MANY} grants runs | {:.0} | {worst} at worst |", during.per_second);
    text
}

pub(crate) fn conditions(before: &Machine, after: &Machine) -> String {
    let functions = if RELEASE { "as deployed" } else { "debug builds, worth nothing as figures" };
    let Machine { cores, processor, system, rustc, load } = before;
    let load_after = &after.load;
    format!(
        "
{cores} cores of {processor}, {system}, {rustc}; load average {load} before, {load_after} after.
Functions: {functions}. Each grant is an organization's own, with a data key of its own; all are on one connection. The
middle one of {ROUNDS} sweeps (processor time). DynamoDB and KMS are embedded, in memory, without TLS, and share the
cores with the refresher and the provider; the provider speaks no TLS either.
"
    )
}

impl Swept {
    pub(crate) fn refreshed(&self) -> usize {
        self.report["refreshed"].as_u64().and_then(|count| usize::try_from(count).ok()).unwrap_or(0).max(1)
    }

    fn each(&self, is_counted: impl Fn(&str) -> bool) -> f64 {
        let counted = self.calls.iter().filter(|(call, _)| is_counted(call)).map(|(_, count)| count);
        counted.sum::<u64>() as f64 / self.refreshed() as f64
    }

    fn writes(&self) -> f64 {
        self.each(|call| {
            ["UpdateItem", "PutItem", "TransactWriteItems"].iter().any(|write| call.ends_with(write))
        })
    }

    fn reads(&self) -> f64 {
        let reads = ["DynamoDB.GetItem", "DynamoDB.BatchGetItem", "DynamoDB.Query"];
        self.each(|call| reads.contains(&call))
    }

    fn kms(&self) -> f64 {
        self.each(|call| call.starts_with("KMS."))
    }
}

fn milliseconds(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1e3)
}
