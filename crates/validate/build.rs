//! Embeds the schemas of `conf/schema`, without what only editors need.

use std::error::Error;
use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs};

use serde_json::Value;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("../../conf/schema");
    println!("cargo::rerun-if-changed={}", folder.display());
    let mut files = Vec::new();
    for entry in fs::read_dir(&folder)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if let Some(plugin) = name.strip_suffix(".schema.json") {
            let mut schema = serde_json::from_slice(&fs::read(folder.join(&name))?)?;
            strip(&mut schema);
            files.push((plugin.to_owned(), schema.to_string()));
        }
    }
    files.sort();
    let mut source = String::from("&[\n");
    for (plugin, schema) in files {
        writeln!(source, "    ({plugin:?}, {schema:?}),")?;
    }
    source.push(']');
    fs::write(Path::new(&env::var("OUT_DIR")?).join("schemas.rs"), source)?;
    Ok(())
}

/// Removes descriptions and the like. The object `properties` has names of keys instead of keywords.
fn strip(value: &mut Value) {
    match value {
        Value::Object(schema) => {
            for keyword in ["$id", "$schema", "allOf", "description", "title"] {
                schema.remove(keyword);
            }
            for (keyword, value) in schema.iter_mut() {
                match value {
                    Value::Object(properties) if keyword == "properties" => {
                        properties.values_mut().for_each(strip);
                    }
                    value => strip(value),
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(strip),
        _ => {}
    }
}
