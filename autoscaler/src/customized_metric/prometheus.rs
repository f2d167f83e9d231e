//! Prometheus' `/api/v1/query` (prometheus.io, "HTTP API", instant queries).

use serde::Deserialize;

use crate::scaling_policy::PrometheusQuery;

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    error: Option<String>,
    #[serde(default)]
    data: Option<Data>,
}

#[derive(Deserialize)]
struct Data {
    #[serde(rename = "resultType")]
    result_type: String,
    result: serde_json::Value,
}

#[derive(Deserialize)]
struct Series {
    value: Value,
}

/// A time in seconds, which is the server's business, and the figure as text.
#[derive(Deserialize)]
struct Value(
    #[expect(dead_code, reason = "the wire's first member")] f64,
    String,
);

pub(super) fn url(query: &PrometheusQuery) -> String {
    let base = query.url.trim_end_matches('/');
    format!("{base}/api/v1/query?query={}", encoded(&query.query))
}

fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut url, byte| {
        match byte {
            b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'-' | b'_' | b'.' | b'~' => {
                url.push(byte.into());
            }
            byte => url.push_str(&format!("%{byte:02X}")),
        }
        url
    })
}

/// The one figure of the answer; `None` where there is none now, or it is not a number.
pub(super) fn figure(text: &str) -> Result<Option<f64>, String> {
    let answer: Answer = serde_json::from_str(text)
        .map_err(|error| format!("the answer is not that of a Prometheus server: {error}"))?;
    if let Some(error) = answer.error {
        return Err(format!("the query failed: {error}"));
    }
    let foreign = |error| format!("the answer is not that of a Prometheus server: {error}");
    let Some(Data {
        result_type,
        result,
    }) = answer.data
    else {
        return Err("the answer holds no data".to_owned());
    };
    let value = match result_type.as_str() {
        "scalar" => serde_json::from_value::<Value>(result).map_err(foreign)?,
        "vector" => {
            let series: Vec<Series> = serde_json::from_value(result).map_err(foreign)?;
            let count = series.len();
            let mut series = series.into_iter();
            match (series.next(), count) {
                (None, _) => return Ok(None),
                (Some(only), 1) => only.value,
                _ => {
                    return Err(format!(
                        "the query gives {count} series; make one of them with sum(..), avg(..) or max(..)"
                    ));
                }
            }
        }
        other => {
            return Err(format!(
                "the query gives a {other}, neither a vector nor a scalar"
            ));
        }
    };
    let number: f64 = value
        .1
        .parse()
        .map_err(|_| format!("`{}` is not a number", value.1))?;
    Ok(Some(number).filter(|number| number.is_finite()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_figure_comes_of_a_vector_or_a_scalar() {
        let answer = |data: &str| format!("{{\"status\":\"success\",\"data\":{data}}}");
        let series = "{\"metric\":{\"a\":\"b\"},\"value\":[1435781451.781,\"2.5\"]}";
        let vector = |series: &str| {
            answer(&format!(
                "{{\"resultType\":\"vector\",\"result\":[{series}]}}"
            ))
        };
        assert_eq!(figure(&vector(series)), Ok(Some(2.5)));
        assert_eq!(
            figure(&answer("{\"resultType\":\"scalar\",\"result\":[1,\"7\"]}")),
            Ok(Some(7.0))
        );
        assert_eq!(figure(&vector("")), Ok(None));
        let nan = "{\"metric\":{},\"value\":[1,\"NaN\"]}";
        assert_eq!(figure(&vector(nan)), Ok(None));
        for (text, says) in [
            (vector(&format!("{series},{series}")), "2 series"),
            (
                answer("{\"resultType\":\"matrix\",\"result\":[]}"),
                "neither a vector",
            ),
            (
                "{\"status\":\"error\",\"errorType\":\"bad_data\",\"error\":\"parse error\"}"
                    .to_owned(),
                "parse error",
            ),
            ("<html>".to_owned(), "not that of a Prometheus"),
        ] {
            let error = figure(&text).unwrap_err();
            assert!(error.contains(says), "{text}: {error}");
        }
    }

    #[test]
    fn promql_is_encoded() {
        let query = PrometheusQuery {
            url: "http://prometheus:9090/".to_owned(),
            query: "sum(rate(x{a=\"b\"}[1m]))".to_owned(),
        };
        assert_eq!(
            url(&query),
            "http://prometheus:9090/api/v1/query?query=sum%28rate%28x%7Ba%3D%22b%22%7D%5B1m%5D%29%29"
        );
    }
}
