use super::*;

fn chart(series: Vec<Series>) -> Chart {
    Chart {
        id: "it",
        title: "It",
        unit: Unit::Percent,
        span: 100.0,
        longest_gap: 10.0,
        series,
        threshold: None,
        flags: Vec::new(),
        least_top: 100.0,
    }
}

fn series(shape: Shape, values: &[(f64, Option<f64>)]) -> Series {
    Series {
        label: "one".to_owned(),
        class: "s-one",
        shape,
        values: values.to_vec(),
    }
}

fn paths(chart: &Chart) -> Vec<String> {
    let axis = Axis::up_to(100.0, false);
    let drawn = chart.stacked();
    chart
        .paths(&drawn, &axis)
        .into_iter()
        .map(|path| path.d)
        .collect()
}

#[test]
fn scale_ends_at_a_round_number() {
    let marks =
        |highest, is_count| -> Vec<f64> { Axis::up_to(highest, is_count).marks().collect() };
    assert_eq!(marks(100.0, false), [0.0, 50.0, 100.0]);
    assert_eq!(marks(2.0, true), [0.0, 1.0, 2.0]);
    assert_eq!(marks(1.0, true), [0.0, 1.0]);
    assert_eq!(marks(7.3, true), [0.0, 3.0, 6.0, 9.0]);
    let top = marks(0.0123, false).pop().unwrap();
    assert!((top - 0.015).abs() < 1e-12, "{top}");
    assert_eq!(marks(0.0, false).first(), Some(&0.0));
    assert_eq!(marks(f64::NAN, false), marks(1.0, false));
}

#[test]
fn lines_and_steps_go_from_left_to_right() {
    let values = [(100.0, Some(0.0)), (95.0, Some(100.0)), (90.0, Some(50.0))];
    let line = chart(vec![series(Shape::Line, &values)]);
    assert_eq!(paths(&line), ["M0.0 150.0L50.0 16.0L100.0 83.0"]);
    let step = chart(vec![series(Shape::Step, &values)]);
    assert_eq!(paths(&step), ["M0.0 150.0H50.0V16.0H100.0V83.0"]);
}

#[test]
fn missing_values_break_a_line() {
    let values = [
        (100.0, Some(0.0)),
        (98.0, None),
        (96.0, Some(0.0)),
        // Nobody looked for longer than the longest gap.
        (50.0, Some(0.0)),
        (49.0, Some(0.0)),
    ];
    let line = chart(vec![series(Shape::Line, &values)]);
    assert_eq!(
        paths(&line),
        ["M0.0 150.0h1M40.0 150.0h1M500.0 150.0L510.0 150.0"]
    );
}

#[test]
fn stacked_series_lie_on_those_before_them() {
    let values = [(100.0, Some(50.0)), (95.0, Some(50.0))];
    let stack = chart(vec![
        series(Shape::Stack, &values),
        series(Shape::Stack, &values),
    ]);
    assert_eq!(
        paths(&stack),
        [
            "M0.0 83.0L50.0 83.0L50.0 150.0L0.0 150.0Z",
            "M0.0 16.0L50.0 16.0L50.0 83.0L0.0 83.0Z",
        ]
    );
}

#[test]
fn figure_has_a_legend_a_table_and_no_style() {
    let mut chart = chart(vec![series(
        Shape::Line,
        &[(2.0, Some(41.26)), (1.0, None), (0.0, Some(43.0))],
    )]);
    chart.threshold = Some(("target".to_owned(), 80.0));
    chart.flags = vec![Flag {
        age: 50.0,
        class: "flag-out",
        label: "<script>alert(1)</script>".to_owned(),
    }];
    let html = chart.to_html().unwrap();
    for part in [
        "target 80 %",
        "one <b>43 %</b>",
        "<th scope=\"row\">now</th><td class=\"number\">43 %</td>",
        "<th scope=\"row\">-1 s</th><td class=\"number\">-</td>",
        "<th scope=\"row\">-2 s</th><td class=\"number\">41.3 %</td>",
        "&#60;script&#62;alert(1)",
    ] {
        assert!(html.contains(part), "{part} is not in {html}");
    }
    assert!(!html.contains("style=") && !html.contains("<script"));
}

#[test]
fn time_is_marked_without_crowding() {
    let marks = |span| -> Vec<String> { time_marks(span).map(|(_, label)| label).collect() };
    assert_eq!(
        marks(300.0),
        ["now", "-1 min", "-2 min", "-3 min", "-4 min"]
    );
    assert_eq!(
        marks(900.0),
        ["now", "-3 min", "-6 min", "-9 min", "-12 min"]
    );
    assert_eq!(marks(86_400.0), ["now", "-6 h", "-12 h", "-18 h"]);
}
