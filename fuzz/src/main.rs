//! `cargo run -p fuzz --release -- TARGET [--seconds N] [--seed S]`: mutates a target's seeds until time is up or the
//! target fails. A failing input is written to `fuzz/artifacts`; `--input FILE` runs one again.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use fuzz::{Mutator, TARGETS, Target};

const USAGE: &str = "usage: fuzz TARGET [--seconds N] [--seed S] [--input FILE]; the targets are:";

struct Arguments {
    target: &'static Target,
    seconds: u64,
    seed: u64,
    input: Option<PathBuf>,
}

fn main() -> ExitCode {
    let Some(arguments) = read_arguments(std::env::args().skip(1)) else {
        eprintln!("{USAGE}");
        for target in TARGETS {
            eprintln!("  {:<18} {}", target.name, target.what);
        }
        return ExitCode::from(2);
    };
    if let Some(path) = &arguments.input {
        return match std::fs::read(path) {
            Ok(input) => {
                (arguments.target.run)(&input);
                ExitCode::SUCCESS
            }
            Err(error) => {
                eprintln!("error: {} cannot be read: {error}", path.display());
                ExitCode::FAILURE
            }
        };
    }
    run(&arguments)
}

fn read_arguments(mut words: impl Iterator<Item = String>) -> Option<Arguments> {
    let target = fuzz::find(&words.next()?)?;
    let mut arguments = Arguments { target, seconds: 60, seed: 0, input: None };
    while let Some(word) = words.next() {
        let value = words.next()?;
        match word.as_str() {
            "--seconds" => arguments.seconds = value.parse().ok()?,
            "--seed" => arguments.seed = value.parse().ok()?,
            "--input" => arguments.input = Some(value.into()),
            _ => return None,
        }
    }
    Some(arguments)
}

#[expect(clippy::disallowed_methods, reason = "how long to go on is asked of a real clock; what is tried is not")]
fn run(arguments: &Arguments) -> ExitCode {
    let target = arguments.target;
    let started = Instant::now();
    let mut mutator = Mutator::new(arguments.seed, target.seeds);
    let mut count: u64 = 0;
    while started.elapsed() < Duration::from_secs(arguments.seconds) {
        let input = mutator.next_input();
        if std::panic::catch_unwind(|| (target.run)(&input)).is_err() {
            return keep(target, arguments.seed, count, &input);
        }
        count += 1;
    }
    println!("{}: {count} inputs in {} s, seed {}, nothing found", target.name, arguments.seconds, arguments.seed);
    ExitCode::SUCCESS
}

fn keep(target: &Target, seed: u64, count: u64, input: &[u8]) -> ExitCode {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("artifacts");
    let path = folder.join(format!("{}-{seed}-{count}", target.name));
    if let Err(error) = std::fs::create_dir_all(&folder).and_then(|()| std::fs::write(&path, input)) {
        eprintln!("error: {} cannot be written: {error}", path.display());
    }
    eprintln!("{} fails on {}: {:?}", target.name, path.display(), String::from_utf8_lossy(input));
    ExitCode::FAILURE
}
