//! Turns the provider presets (`presets/*.toml`) into JSON that is compiled in: a function that looks one up parses that
//! one alone, with the parser it has anyway.

use std::{env, error::Error, fmt::Write, fs, path::Path};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=presets");
    let mut files: Vec<_> =
        fs::read_dir("presets")?.map(|entry| Ok(entry?.path())).collect::<Result<_, std::io::Error>>()?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "toml"));
    files.sort();

    let mut presets = String::from("&[\n");
    for file in files {
        let name = file.file_stem().and_then(|name| name.to_str()).ok_or("a preset's name is no UTF-8")?;
        let preset: serde_json::Value = toml::from_str(&fs::read_to_string(&file)?)
            .map_err(|error| format!("{}: {error}", file.display()))?;
        writeln!(presets, "    ({name:?}, {:?}),", preset.to_string())?;
    }
    presets.push(']');
    fs::write(Path::new(&env::var("OUT_DIR")?).join("presets.rs"), presets)?;
    Ok(())
}
