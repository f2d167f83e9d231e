/// A vertical scale from 0 to a round number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Axis {
    top: f64,
    step: f64,
}

/// Marks above 0 that fit without crowding.
const MARKS: f64 = 3.0;

impl Axis {
    /// The smallest round scale that has room for `highest`; of counts in whole steps.
    pub(super) fn up_to(highest: f64, is_count: bool) -> Self {
        let highest = match highest.is_finite() && highest > 0.0 {
            true => highest,
            false => 1.0,
        };
        let rough = highest / MARKS;
        let magnitude = 10_f64.powf(rough.log10().floor());
        let steps = [1.0, 2.0, 2.5, 5.0, 10.0].map(|step| step * magnitude);
        // What is exact in decimal need not be in binary.
        let enough = |step: &f64| *step * (1.0 + 1e-9) >= rough;
        let step = steps.into_iter().find(enough).unwrap_or(rough);
        let step = if is_count { step.ceil() } else { step };
        let top = step * (highest / step - 1e-9).ceil().max(1.0);
        Self { top, step }
    }

    /// Pixels from the top of a plot of `height`.
    pub(super) fn y(&self, value: f64, height: f64) -> f64 {
        // Room above, for the highest mark's label.
        let room = height - 16.0;
        height - room * (value / self.top).clamp(0.0, 1.0)
    }

    pub(super) fn marks(&self) -> impl Iterator<Item = f64> + use<> {
        let Self { top, step } = *self;
        let count = (top / step).round() as u32;
        (0..=count).map(move |index| f64::from(index) * step)
    }
}

/// Ages to be marked along a span of so many seconds, with what is written there.
pub(super) fn time_marks(span: f64) -> impl Iterator<Item = (f64, String)> {
    let steps = [15.0, 60.0, 180.0, 600.0, 900.0, 3600.0, 21_600.0];
    let step = steps
        .into_iter()
        .find(|step| span / step <= 5.0)
        .unwrap_or(span);
    let count = (span / step).floor() as u32;
    // The one at the left edge would be cut.
    let ages = (0..=count).map(move |index| f64::from(index) * step);
    ages.filter(move |age| *age < span * 0.97)
        .map(|age| (age, ago(age)))
}

/// `now`, `-40 s`, `-5 min`, `-6 h`.
pub(super) fn ago(seconds: f64) -> String {
    let seconds = seconds.round() as u64;
    match seconds {
        0 => "now".to_owned(),
        1..120 if seconds != 60 => format!("-{seconds} s"),
        _ if seconds.is_multiple_of(3600) => format!("-{} h", seconds / 3600),
        _ if seconds.is_multiple_of(60) => format!("-{} min", seconds / 60),
        _ => format!("-{} min {} s", seconds / 60, seconds % 60),
    }
}
