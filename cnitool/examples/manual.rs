//! `manual FOLDER`: write cnitool's man pages and shell completions into a folder.

#![allow(
    dead_code,
    reason = "of the command line, only its description is needed here"
)]

#[path = "../src/arguments/mod.rs"]
mod arguments;
#[path = "../src/help.rs"]
mod help;

use std::error::Error;
use std::fs;
use std::path::PathBuf;

use clap::CommandFactory as _;
use clap_complete::{Shell, generate_to};

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args_os().nth(1).ok_or("usage: manual FOLDER")?;
    let folder = PathBuf::from(folder);
    let (pages, completions) = (folder.join("man"), folder.join("completions"));
    fs::create_dir_all(&pages)?;
    fs::create_dir_all(&completions)?;
    let command = arguments::CommandLine::command();
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        generate_to(shell, &mut command.clone(), "cnitool", &completions)?;
    }
    clap_mangen::generate_to(command, &pages)?;
    Ok(())
}
