//! New inputs from old ones: a few small changes at random places, as fuzzers make them.

use sim::Chance;

/// What often stands at an edge: lengths, signs, wildcards, quotes, brackets.
const TELLING: &[&[u8]] = &[
    b"\0",
    b"\x01",
    b"\x7f",
    b"\x80",
    b"\xff",
    b"\xff\xff",
    b"\xff\xff\xff\x7f",
    b"/",
    b"+",
    b"#",
    b"$",
    b"\"",
    b"'",
    b"\\",
    b"{",
    b"}",
    b"[",
    b"]",
    b"(",
    b")",
    b"-",
    b".",
    b"0",
    b"1e999",
    b"\n",
    b" ",
    b"=",
    b"\xc3\xa9",
    b"\xed\xa0\x80",
];

/// The longest input that is made.
const BYTES_MAX: usize = 4096;

/// Makes inputs for one target; the same seed makes the same inputs.
#[derive(Debug)]
pub struct Mutator {
    chance: Chance,
    seeds: &'static [&'static [u8]],
}

impl Mutator {
    pub fn new(seed: u64, seeds: &'static [&'static [u8]]) -> Self {
        Self { chance: Chance::new(seed), seeds }
    }

    /// The next input: mostly a changed seed, sometimes bytes from nowhere.
    pub fn next_input(&mut self) -> Vec<u8> {
        let chance = &mut self.chance;
        if self.seeds.is_empty() || chance.one_in(10) {
            let count = chance.below(64);
            return (0..count).map(|_| chance.bits() as u8).collect();
        }
        let mut input = chance.pick(self.seeds).to_vec();
        for _ in 0..chance.between(1, 8) {
            self.change(&mut input);
        }
        input.truncate(BYTES_MAX);
        input
    }

    fn change(&mut self, input: &mut Vec<u8>) {
        let chance = &mut self.chance;
        let at = chance.below(input.len() + 1);
        let end = at + chance.between(0, 8).min(input.len() - at);
        match chance.below(7) {
            0 => {
                if let Some(byte) = input.get_mut(at) {
                    *byte ^= 1 << chance.below(8);
                }
            }
            1 => {
                if let Some(byte) = input.get_mut(at) {
                    *byte = chance.bits() as u8;
                }
            }
            2 => drop(input.drain(at..end)),
            3 => drop(input.splice(at..at, chance.pick(TELLING).iter().copied())),
            4 => drop(input.splice(at..end, chance.pick(TELLING).iter().copied())),
            5 => {
                let copied = input[at..end].to_vec();
                let to = chance.below(input.len() + 1);
                drop(input.splice(to..to, copied));
            }
            _ => {
                let other = chance.pick(self.seeds);
                let from = chance.below(other.len() + 1);
                let until = from + chance.between(0, 40).min(other.len() - from);
                drop(input.splice(at..end, other[from..until].iter().copied()));
            }
        }
    }
}
