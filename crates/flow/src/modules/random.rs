//! Chance from a seed: the same seed gives the same numbers, so that a simulation can be run twice.

/// `SplitMix64` by Steele, Lea and Flood (2014). For simulated signals and samples, never for secrets.
#[derive(Debug, Clone)]
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// Evenly within 0 and `end`, without `end`.
    pub(super) fn below(&mut self, end: u64) -> u64 {
        // The high half of the product: even enough for samples, and without a division.
        ((u128::from(self.next()) * u128::from(end)) >> 64) as u64
    }

    /// Evenly within -1 and 1.
    pub(super) fn symmetric(&mut self) -> f64 {
        let fraction = (self.next() >> 11) as f64 / (1_u64 << 53) as f64;
        fraction.mul_add(2.0, -1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_published_numbers() {
        let mut random = Random::new(1_234_567);
        assert_eq!([random.next(), random.next()], [6_457_827_717_110_365_317, 3_203_168_211_198_807_973]);
    }

    #[test]
    fn numbers_stay_in_their_range() {
        let mut random = Random::new(7);
        for _ in 0..10_000 {
            assert!(random.below(10) < 10);
            assert!((-1.0..=1.0).contains(&random.symmetric()));
        }
        assert_eq!(random.below(0), 0);
    }
}
