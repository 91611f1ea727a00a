//! Where an axis has its ticks, and how an instant becomes a pixel.

/// A time axis from `left` to `right`, pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Axis {
    /// First and last instant, nanoseconds.
    pub(super) window: (u64, u64),
    /// Where the first is.
    pub(super) left: i32,
    /// Where the last is.
    pub(super) right: i32,
}

impl Axis {
    /// The pixel of an instant.
    pub(super) fn pixel(&self, at_ns: u64) -> i32 {
        let (from, to) = self.window;
        let part = (at_ns as f64 - from as f64) / (to - from).max(1) as f64;

        self.left + (part * f64::from(self.right - self.left)).round() as i32
    }

    /// Whether an instant is on it.
    pub(super) fn contains(&self, at_ns: u64) -> bool {
        (self.window.0..=self.window.1).contains(&at_ns)
    }

    /// Round numbers of milliseconds relative to `zero_ns`, with their instants: about ten of them.
    pub(super) fn ticks(&self, zero_ns: u64) -> Vec<(u64, String)> {
        let ms = |ns: u64| (ns as f64 - zero_ns as f64) / 1e6;
        let (from, to) = (ms(self.window.0), ms(self.window.1));
        let step = step((to - from) / 10.0);
        let decimals = usize::from(step < 1.0) + usize::from(step < 0.1);
        let (first, last) = ((from / step).ceil() as i64, (to / step).floor() as i64);

        (first..=last)
            .map(|number| {
                let ms = number as f64 * step;

                (
                    (zero_ns as f64 + ms * 1e6) as u64,
                    format!("{ms:.decimals$}"),
                )
            })
            .collect()
    }
}

/// The next of 1, 2, 5, 10, … that is at least `least`.
fn step(least: f64) -> f64 {
    let magnitude = 10f64.powf(least.max(1e-3).log10().floor());

    [1.0, 2.0, 5.0, 10.0]
        .map(|factor| factor * magnitude)
        .into_iter()
        .find(|step| *step >= least)
        .unwrap_or(10.0 * magnitude)
}

#[cfg(test)]
mod tests {
    use super::*;

    const AXIS: Axis = Axis {
        window: (1_000_000_000, 1_100_000_000),
        left: 200,
        right: 1200,
    };

    #[test]
    fn ends_are_at_the_ends() {
        let pixels = [1_000_000_000, 1_050_000_000, 1_100_000_000].map(|at| AXIS.pixel(at));

        assert_eq!(pixels, [200, 700, 1200]);
    }

    #[test]
    fn ticks_are_round_numbers_from_zero() {
        let ticks = AXIS.ticks(1_015_000_000);

        let labels: Vec<&str> = ticks.iter().map(|(_, label)| label.as_str()).collect();
        assert_eq!(
            labels,
            ["-10", "0", "10", "20", "30", "40", "50", "60", "70", "80"]
        );
        assert_eq!(ticks[1].0, 1_015_000_000);
    }

    #[test]
    fn short_windows_have_decimals() {
        let axis = Axis {
            window: (0, 4_000_000),
            ..AXIS
        };

        assert_eq!(axis.ticks(0)[1], (500_000, "0.5".to_owned()));
    }
}
