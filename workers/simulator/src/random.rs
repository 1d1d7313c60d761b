//! Chance that is the same on every machine: SplitMix64, and what is drawn from it.

/// A stream of random numbers.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// In `[0, 1)`.
    pub fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    pub fn between(&mut self, from: f64, to: f64) -> f64 {
        from + (to - from) * self.unit()
    }

    /// Of mean 0 and deviation 1 (Box and Muller).
    pub fn normal(&mut self) -> f64 {
        let (a, b) = (1.0 - self.unit(), self.unit());
        (-2.0 * a.ln()).sqrt() * (std::f64::consts::TAU * b).cos()
    }

    /// Half of all draws are below `median`.
    pub fn log_normal(&mut self, median: f64, sigma: f64) -> f64 {
        median * (sigma * self.normal()).exp()
    }

    pub fn exponential(&mut self, mean: f64) -> f64 {
        -(1.0 - self.unit()).ln() * mean
    }

    /// The sum of `count` log-normal draws: one by one, or where they are many by what their mean and variance say of the sum.
    pub fn log_normal_sum(&mut self, count: u64, median: f64, sigma: f64) -> f64 {
        if count <= 1_000 {
            return (0..count).map(|_| self.log_normal(median, sigma)).sum();
        }
        let mean = median * (sigma * sigma / 2.0).exp();
        let variance = mean * mean * ((sigma * sigma).exp() - 1.0);
        count as f64 * mean + (count as f64 * variance).sqrt() * self.normal()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_have_the_mean_that_they_should() {
        let mut random = Random::new(1);
        let mean = |mut draw: Box<dyn FnMut() -> f64>| (0..100_000).map(|_| draw()).sum::<f64>() / 100_000.0;
        let mut other = random.clone();
        let mut third = random.clone();
        assert!((mean(Box::new(move || random.unit())) - 0.5).abs() < 0.01);
        assert!(mean(Box::new(move || other.normal())).abs() < 0.02);
        assert!((mean(Box::new(move || third.exponential(7.0))) - 7.0).abs() < 0.2);
    }

    #[test]
    fn a_sum_of_many_is_about_what_it_is_one_by_one() {
        let mut random = Random::new(2);
        let one_by_one: f64 = (0..100_000).map(|_| random.log_normal(0.2, 0.3)).sum();
        let at_once = random.log_normal_sum(100_000, 0.2, 0.3);
        assert!((one_by_one / at_once - 1.0).abs() < 0.01, "{one_by_one} {at_once}");
    }
}
