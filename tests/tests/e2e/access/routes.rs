//! The operations that the rules are about are the routes of the template, and these the folders of `functions/`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use bifrost::model::access::Operation;
use bifrost_local::template::{self, Method, Template};

/// Functions that no route leads to.
const WITHOUT_ROUTE: [&str; 6] = ["auditor", "authorizer", "census", "cleaner", "refresher", "resealer"];

pub(crate) fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

pub(crate) fn the_template() -> Template {
    let text = std::fs::read_to_string(workspace().join("infra/template.yaml")).unwrap();
    template::read(&text, &BTreeMap::new()).unwrap()
}

/// The function whose routes are pages: it asks the table itself, for each thing that a page shows or does. What it lets
/// through is tested in `tests/browser`.
const CONSOLE: &str = "console";

/// Function, method and path.
type Route = (String, String, String);

fn operations() -> BTreeSet<Route> {
    let route = |operation: &Operation| {
        (operation.function().to_owned(), operation.method().to_owned(), operation.path().to_owned())
    };
    Operation::ALL.iter().map(route).collect()
}

#[test]
fn every_route_of_the_template_is_an_operation_and_every_operation_a_route() {
    let template = the_template();
    let route = |route: &template::Route| {
        let Method::Only(method) = &route.method else { panic!("{} takes any method", route.path) };
        (template.function(&route.function).unwrap().package.clone(), method.clone(), route.path.clone())
    };
    let (pages, routes): (BTreeSet<Route>, BTreeSet<Route>) =
        template.routes.iter().map(route).partition(|(function, ..)| function == CONSOLE);
    assert_eq!(operations(), routes);
    assert!(pages.iter().all(|(.., path)| path.starts_with("/console")), "{pages:?}");
}

#[test]
fn every_folder_of_a_function_is_one_that_an_operation_or_nobody_asks_for() {
    let functions = workspace().join("functions");
    let asked_for: BTreeSet<_> = operations().into_iter().map(|(function, ..)| function).collect();
    let others = WITHOUT_ROUTE.iter().chain([&CONSOLE]).map(|name| (*name).to_owned());
    assert_eq!(folders(&functions, ""), asked_for.into_iter().chain(others).collect());
}

/// The packages below a folder, named by their way from there.
fn folders(folder: &Path, prefix: &str) -> BTreeSet<String> {
    let entries = std::fs::read_dir(folder).unwrap().map(Result::unwrap);
    let below = entries.filter(|entry| entry.file_type().unwrap().is_dir());
    below
        .flat_map(|entry| {
            let name = format!("{prefix}{}", entry.file_name().to_str().unwrap());
            let is_package = entry.path().join("Cargo.toml").exists();
            if is_package { BTreeSet::from([name]) } else { folders(&entry.path(), &format!("{name}-")) }
        })
        .collect()
}
