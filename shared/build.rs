//! Turns data files into tables that are compiled in.
//!
//! The provider presets (`presets/*.toml`) become JSON: a function that looks one up parses that one alone, with the
//! parser it has anyway. The providers' errors (`provider_errors.toml`) become lines of text that are read when an error
//! has come: a table of slices would cost every function a relocation per cell at its start.

use std::{env, error::Error, fmt::Write, fs, path::Path};

use serde_json::Value;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    let out = env::var("OUT_DIR")?;
    fs::write(Path::new(&out).join("presets.rs"), presets()?)?;
    fs::write(Path::new(&out).join("provider_errors.rs"), provider_errors()?)?;
    Ok(())
}

fn presets() -> Result<String> {
    println!("cargo::rerun-if-changed=presets");
    let mut files: Vec<_> = fs::read_dir("presets")?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "toml"));
    files.sort();

    let mut presets = String::from("&[\n");
    for file in files {
        let name = file.file_stem().and_then(|name| name.to_str()).ok_or("a preset's name is no UTF-8")?;
        let preset = parsed(&file)?;
        writeln!(presets, "    ({name:?}, {:?}),", preset.to_string())?;
    }
    presets.push(']');
    Ok(presets)
}

/// The rows that count for everyone, and the families.
fn provider_errors() -> Result<String> {
    const FILE: &str = "provider_errors.toml";
    println!("cargo::rerun-if-changed={FILE}");
    let table = parsed(Path::new(FILE))?;
    let mut text = format!("({:?}, &[\n", rows(&table["errors"])?);
    for (name, family) in table["families"].as_object().ok_or("there are no families")? {
        let title = family["title"].as_str().ok_or_else(|| format!("{name} has no title"))?;
        let hosts: Vec<_> =
            family["hosts"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let code_in_text = family.get("code_in_text").and_then(Value::as_str);
        let rows = rows(&family["errors"]).map_err(|error| format!("{name}: {error}"))?;
        writeln!(
            text,
            "    Family {{ title: {title:?}, hosts: &{hosts:?}, code_in_text: {code_in_text:?}, rows: {rows:?} }},"
        )?;
    }
    text.push_str("])");
    Ok(text)
}

/// A line for each code, its cells parted by tabs.
fn rows(errors: &Value) -> Result<String> {
    let mut rows = String::new();
    for error in errors.as_array().ok_or("there are no errors")? {
        let cell = |name: &str| error.get(name).and_then(Value::as_str);
        let needed = |name: &str| cell(name).ok_or_else(|| format!("{error} has no {name}"));
        let codes: Vec<_> = match error.get("codes") {
            Some(codes) => codes.as_array().into_iter().flatten().filter_map(Value::as_str).collect(),
            None => vec![needed("code")?],
        };
        let place = if cell("pattern").is_some() { "pattern" } else { cell("where").unwrap_or("error") };
        let pattern = cell("pattern").unwrap_or_default().to_lowercase();
        let (class, title, fix) = (needed("class")?, needed("title")?, needed("fix")?);
        // Which facts are right is for people; that each has a page behind it can be checked here.
        needed("source")?;
        for code in codes {
            let line = [place, code, &pattern, class, title, fix];
            if line.iter().any(|cell| cell.contains(['\t', '\n'])) {
                return Err(format!("{code} holds a tab or a line break").into());
            }
            rows += &line.join("\t");
            rows.push('\n');
        }
    }
    Ok(rows)
}

fn parsed(file: &Path) -> Result<Value> {
    toml::from_str(&fs::read_to_string(file)?).map_err(|error| format!("{}: {error}", file.display()).into())
}
