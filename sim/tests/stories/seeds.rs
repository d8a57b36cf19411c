//! Which seeds are told: a few by default, more or a single one when the environment says so.

/// Whether a single seed is replayed: then its story is printed when it fails.
pub(crate) fn is_replay() -> bool {
    std::env::var_os("HEADWATER_SIM_SEED").is_some()
}

/// Tells one story for each seed. A seed that fails is printed with the way to replay it.
pub(crate) fn for_each_seed(count: u64, mut story: impl FnMut(u64)) {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seeds = match (number("HEADWATER_SIM_SEED"), number("HEADWATER_SIM_SEEDS")) {
        (Some(seed), _) => seed..seed + 1,
        (None, count_wanted) => 0..count_wanted.unwrap_or(count),
    };
    for seed in seeds {
        let telling = Telling(seed);
        story(seed);
        drop(telling);
    }
}

/// Tells the seed when its story panics.
struct Telling(u64);

impl Drop for Telling {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let Self(seed) = self;
            let test = std::thread::current().name().unwrap_or_default().to_owned();
            eprintln!("seed {seed} fails; replay it with: HEADWATER_SIM_SEED={seed} cargo test -p sim {test}");
        }
    }
}
