//! What the tests of spools and streams share.

use std::path::PathBuf;

use crate::disk::SimulatedDisk;

/// Places at which files are damaged, each time anew: those that a quick run has time for, unless
/// `HEADWATER_DAMAGE_PLACES` asks for more.
pub(crate) fn places(usual: u32) -> u32 {
    std::env::var("HEADWATER_DAMAGE_PLACES").map_or(usual, |number| number.parse().unwrap())
}

/// The segments on a disk.
pub(crate) fn segments(disk: &SimulatedDisk) -> Vec<PathBuf> {
    disk.paths().into_iter().filter(|path| path.extension().is_some_and(|extension| extension == "log")).collect()
}

/// A file as it stands in a fixture.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.chunks(32).map(|line| line.iter().map(|byte| format!("{byte:02x}")).collect::<String>() + "\n").collect()
}

/// A file that stands in a fixture.
pub(crate) fn frozen_bytes(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}
