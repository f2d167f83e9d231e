//! One figure out of a Prometheus text exposition.

use std::collections::BTreeMap;

use minicloud_agent_api::Sample;
use tokio::time::Instant;

use crate::scaling_policy::{Scrape, SeriesStatistic};

/// Series that one figure is made of; a matcher that lets more pass is a slip.
const MAX_SERIES: usize = 10_000;

type Labels = Vec<(String, String)>;

/// Counters as they were, by their labels.
#[derive(Debug, Default)]
pub(super) struct Rates {
    read: Option<(Instant, BTreeMap<Labels, f64>)>,
}

/// What `text` says of the metric now; `None` where it has no such series, or is read for the
/// first time and is a counter.
pub(super) fn figure(
    scrape: &Scrape,
    text: &str,
    rates: &mut Rates,
    now: Instant,
) -> Result<Option<f64>, String> {
    let samples = minicloud_agent_api::parse(text).map_err(|error| error.to_string())?;
    let of_metric = samples
        .into_iter()
        .filter(|sample| sample.name == scrape.metric_name && matches(scrape, sample))
        .filter(|sample| sample.value.is_finite());
    let series: BTreeMap<_, _> = of_metric
        .map(|sample| (sample.labels, sample.value))
        .collect();
    if series.len() > MAX_SERIES {
        return Err(format!(
            "{} series of {} match; name more labels",
            series.len(),
            scrape.metric_name
        ));
    }
    let values = match is_counter(&scrape.metric_name, text) {
        false => series.into_values().collect(),
        true => rates.advance(series, now),
    };
    Ok(summary(scrape.statistic, &values))
}

fn matches(scrape: &Scrape, sample: &Sample) -> bool {
    let mut wanted = scrape.labels.iter();
    wanted.all(|(name, value)| sample.label(name).unwrap_or_default() == value)
}

/// By the exposition's own word, else by the ending that names of counters have.
fn is_counter(name: &str, text: &str) -> bool {
    let mut types = text.lines().filter_map(|line| {
        let mut words = line.strip_prefix('#')?.split_ascii_whitespace();
        let is_type = words.next() == Some("TYPE") && words.next() == Some(name);
        is_type.then(|| words.next().unwrap_or_default())
    });
    match types.next() {
        Some(kind) => kind == "counter",
        None => name.ends_with("_total"),
    }
}

impl Rates {
    /// Rise a second since the last reading, of every series that was there then.
    fn advance(&mut self, series: BTreeMap<Labels, f64>, now: Instant) -> Vec<f64> {
        let mut rates = Vec::new();
        if let Some((then, before)) = &self.read {
            let seconds = (now - *then).as_secs_f64();
            for (labels, value) in &series {
                let Some(last) = before.get(labels).filter(|_| seconds > 0.0) else {
                    continue;
                };
                // One that fell began anew.
                let risen = if value >= last { value - last } else { *value };
                rates.push(risen / seconds);
            }
        }
        self.read = Some((now, series));
        rates
    }
}

fn summary(statistic: SeriesStatistic, values: &[f64]) -> Option<f64> {
    let sum = || values.iter().sum::<f64>();
    if values.is_empty() {
        return None;
    }
    #[expect(clippy::cast_precision_loss, reason = "at most ten thousand series")]
    match statistic {
        SeriesStatistic::Sum => Some(sum()),
        SeriesStatistic::Average => Some(sum() / values.len() as f64),
        SeriesStatistic::Max => values.iter().copied().reduce(f64::max),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn scrape(metric_name: &str, labels: &[(&str, &str)], statistic: SeriesStatistic) -> Scrape {
        Scrape {
            url: "http://127.0.0.1/metrics".to_owned(),
            metric_name: metric_name.to_owned(),
            labels: labels
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            statistic,
        }
    }

    #[test]
    fn gauges_are_summed_averaged_and_compared() {
        let text = "jobs{queue=\"a\"} 3\njobs{queue=\"b\",kind=\"x\"} 5\njobs_waiting 9\njobs{queue=\"c\"} NaN\n";
        for (labels, statistic, expected) in [
            (&[][..], SeriesStatistic::Sum, Some(8.0)),
            (&[], SeriesStatistic::Average, Some(4.0)),
            (&[], SeriesStatistic::Max, Some(5.0)),
            (&[("queue", "a")], SeriesStatistic::Sum, Some(3.0)),
            // A label that is not there is empty, as in PromQL.
            (&[("kind", "")], SeriesStatistic::Sum, Some(3.0)),
            // No such series is no figure, not 0.
            (&[("queue", "z")], SeriesStatistic::Sum, None),
            (&[("queue", "c")], SeriesStatistic::Max, None),
        ] {
            let scrape = scrape("jobs", labels, statistic);
            let found = figure(&scrape, text, &mut Rates::default(), Instant::now());
            assert_eq!(found, Ok(expected), "{labels:?} {statistic:?}");
        }
    }

    #[test]
    fn counters_are_rates_and_may_begin_anew() {
        let scrape = scrape("hits_total", &[], SeriesStatistic::Sum);
        let (mut rates, start) = (Rates::default(), Instant::now());
        for (second, text, expected) in [
            (0, "hits_total{i=\"a\"} 100\n", None),
            (5, "hits_total{i=\"a\"} 150\n", Some(10.0)),
            // One that is new counts from the next reading on; the other was restarted.
            (
                10,
                "hits_total{i=\"a\"} 20\nhits_total{i=\"b\"} 1000\n",
                Some(4.0),
            ),
            (
                15,
                "hits_total{i=\"a\"} 20\nhits_total{i=\"b\"} 1010\n",
                Some(2.0),
            ),
        ] {
            let now = start + Duration::from_secs(second);
            assert_eq!(
                figure(&scrape, text, &mut rates, now),
                Ok(expected),
                "{second}"
            );
        }
    }

    #[test]
    fn the_exposition_s_type_goes_before_the_name() {
        for (name, text, counter) in [
            ("x_total", "x_total 1\n", true),
            ("x_total", "# TYPE x_total gauge\nx_total 1\n", false),
            ("x", "# TYPE x counter\nx 1\n", true),
            ("x", "# TYPE xy counter\nx 1\n", false),
        ] {
            assert_eq!(is_counter(name, text), counter, "{text}");
        }
    }

    #[test]
    fn what_is_no_exposition_is_refused() {
        let scrape = scrape("x", &[], SeriesStatistic::Sum);
        let page = "<html>It works!</html>";
        assert!(figure(&scrape, page, &mut Rates::default(), Instant::now()).is_err());
    }
}
