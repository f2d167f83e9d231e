use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use jiff::SignedDuration;
use minicloud_autoscaler::scaling_process::ScalingProcess;

/// `90s`, `500ms`, `1m 30s`; a bare number is refused, for nobody knows its unit.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    if let Ok(seconds) = text.parse::<u64>() {
        return Err(format!("has no unit: write `{seconds}s` for seconds"));
    }
    text.parse::<SignedDuration>()
        .ok()
        .and_then(|duration| Duration::try_from(duration).ok())
        .filter(|duration| !duration.is_zero() && *duration <= Duration::from_secs(86_400))
        .ok_or_else(|| "is not a time up to a day: write for example `90s` or `2m`".to_owned())
}

/// The same in whole seconds, of which there may be none.
pub(super) fn whole_seconds(text: &str) -> Result<u32, String> {
    if text == "0s" {
        return Ok(0);
    }
    let duration = duration(text)?;
    let seconds = u32::try_from(duration.as_secs()).ok();
    seconds
        .filter(|_| duration.subsec_nanos() == 0)
        .ok_or_else(|| "is no number of whole seconds: write for example `10s`".to_owned())
}

/// `Name: value`.
pub(super) fn header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text
        .split_once(':')
        .ok_or("has no colon: write for example `Host: shop.example`")?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}

/// One of the processes by its name, which a shell completes.
pub(super) fn scaling_process() -> impl TypedValueParser<Value = ScalingProcess> {
    let names = ScalingProcess::ALL.map(ScalingProcess::as_str);
    PossibleValuesParser::new(names).try_map(|name| name.parse::<ScalingProcess>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_have_a_colon() {
        let parsed = header("Host:  a:80").unwrap();
        assert_eq!(parsed, ("Host".to_owned(), "a:80".to_owned()));
        assert!(header("Host").is_err());
    }

    #[test]
    fn seconds_are_whole() {
        assert_eq!(whole_seconds("0s"), Ok(0));
        assert_eq!(whole_seconds("1m 30s"), Ok(90));
        for bad in ["500ms", "90", "2d"] {
            assert!(whole_seconds(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn durations_have_a_unit() {
        assert_eq!(duration("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("1m 30s"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        for bad in ["", "90", "-90s", "0s", "90x", "2d"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
        assert!(duration("90").unwrap_err().contains("`90s`"));
    }
}
