//! Minimum, median and maximum of what several runs measured.
//!
//! A value that a run does not have, e.g. when it was first answered if it never was, is `f64::INFINITY`: worse than all others.

/// Of one figure over all runs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// The least.
    pub min: f64,
    /// As [`median`] has it.
    pub median: f64,
    /// The greatest.
    pub max: f64,
}

impl Spread {
    /// The spread of `values`, in any order. `None` without values.
    pub fn of(values: &[f64]) -> Option<Self> {
        Some(Self {
            min: values.iter().copied().min_by(f64::total_cmp)?,
            median: median(values)?,
            max: values.iter().copied().max_by(f64::total_cmp)?,
        })
    }
}

/// The value in the middle of `values`, in any order; of an even number of them the mean of the two in the middle. `None`
/// without values.
pub fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();

    sorted.sort_by(f64::total_cmp);

    let above = *sorted.get(sorted.len() / 2)?;

    if sorted.len() % 2 == 1 {
        return Some(above);
    }

    Some(f64::midpoint(sorted[sorted.len() / 2 - 1], above))
}

/// Which of `values` is the one in the middle; of an even number of them the lesser of the two. `None` without values.
pub fn middle(values: &[f64]) -> Option<usize> {
    let mut order: Vec<usize> = (0..values.len()).collect();

    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));

    order.get(values.len().checked_sub(1)? / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_odd_number_is_the_one_in_the_middle() {
        assert_eq!(median(&[9.0, 1.0, 5.0]), Some(5.0));
        assert_eq!(median(&[7.0]), Some(7.0));
    }

    #[test]
    fn the_median_of_an_even_number_is_between_the_two_in_the_middle() {
        assert_eq!(median(&[9.0, 1.0, 4.0, 5.0]), Some(4.5));
        assert_eq!(median(&[2.0, 1.0]), Some(1.5));
    }

    #[test]
    fn nothing_has_no_median() {
        assert_eq!(median(&[]), None);
        assert_eq!(middle(&[]), None);
        assert_eq!(Spread::of(&[]), None);
    }

    #[test]
    fn a_missing_value_is_worse_than_all_others() {
        let never = f64::INFINITY;

        assert_eq!(median(&[never, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[never, 1.0]), Some(never));
        assert_eq!(median(&[never, 1.0, never]), Some(never));
    }

    #[test]
    fn the_middle_is_a_run_that_there_was() {
        assert_eq!(middle(&[9.0, 1.0, 5.0]), Some(2));
        assert_eq!(middle(&[9.0, 1.0, 4.0, 5.0]), Some(2));
        assert_eq!(middle(&[3.0]), Some(0));
    }

    #[test]
    fn a_spread_does_not_depend_on_the_order() {
        let spread = Spread {
            min: 1.0,
            median: 3.0,
            max: 7.0,
        };

        assert_eq!(Spread::of(&[7.0, 1.0, 3.0]), Some(spread));
        assert_eq!(Spread::of(&[3.0, 7.0, 1.0]), Some(spread));
    }
}
