//! A count over a sliding window, in two numbers.
//!
//! Time is cut into periods as long as the window. What was done in the last window is what was done in this period, and of
//! what was done in the one before the share that still lies in the window, as if it had come evenly. Exact counting would
//! have to keep every moment; this errs by less than what came in one period, and forgets within two.

use std::time::Duration;

/// How often something was done of late.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Window {
    /// Which period `here` counts, from 0.
    period: u32,
    here: u32,
    before: u32,
    /// Somebody was told in this period that it is too much.
    told: bool,
}

impl Window {
    /// How often in the last `length`; `at` is the time since the beginning of all counting.
    pub(super) fn count(self, length: Duration, at: Duration) -> u32 {
        let window = self.rolled(length, at);
        let left_ms = length.as_millis() - at.as_millis() % length.as_millis();
        // Rounded up, so that a small limit is not passed at the first moment of a period.
        let before = (u128::from(window.before) * left_ms).div_ceil(length.as_millis());
        window.here.saturating_add(u32::try_from(before).unwrap_or(u32::MAX))
    }

    /// It was done so many times more.
    pub(super) fn add(&mut self, times: u32, length: Duration, at: Duration) {
        *self = self.rolled(length, at);
        self.here = self.here.saturating_add(times);
    }

    /// Whether nobody was told in this period yet. Now somebody was.
    pub(super) fn tell(&mut self, length: Duration, at: Duration) -> bool {
        *self = self.rolled(length, at);
        !std::mem::replace(&mut self.told, true)
    }

    fn rolled(self, length: Duration, at: Duration) -> Self {
        let period = u32::try_from(at.as_millis() / length.as_millis()).unwrap_or(u32::MAX);
        match period.saturating_sub(self.period) {
            0 => self,
            1 => Self { period, here: 0, before: self.here, told: false },
            _ => Self { period, ..Self::default() },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn what_was_done_slides_out_of_the_window() {
        let mut window = Window::default();
        window.add(60, MINUTE, s(30));
        let counts: Vec<u32> =
            [30, 59, 60, 75, 90, 119, 120].into_iter().map(|at| window.count(MINUTE, s(at))).collect();
        assert_eq!(counts, [60, 60, 60, 45, 30, 1, 0]);
        window.add(6, MINUTE, s(90));
        assert_eq!(window.count(MINUTE, s(90)), 36);
        assert_eq!(window.count(MINUTE, s(1_000)), 0);
    }

    #[test]
    fn telling_is_news_once_in_a_period() {
        let mut window = Window::default();
        let told: Vec<bool> = [1, 2, 59, 60, 61].into_iter().map(|at| window.tell(MINUTE, s(at))).collect();
        assert_eq!(told, [true, false, false, true, false]);
    }

    #[test]
    fn it_never_overflows() {
        let mut window = Window::default();
        window.add(u32::MAX, MINUTE, s(0));
        window.add(1, MINUTE, s(60));
        assert_eq!(window.count(MINUTE, s(60)), u32::MAX);
    }
}
