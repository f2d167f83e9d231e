//! Frames as they are drawn, in `screens.txt`.

use std::sync::Arc;

use minicloud_autoscaler::{
    instance_refresh::InstanceRefresh,
    scaling_process::{ScalingProcess, SuspendedProcess},
};
use ratatui::{Terminal, backend::TestBackend, buffer::Buffer, style::Color};
use tokio::time::Instant;
use unicode_width::UnicodeWidthStr;

use super::{
    super::{
        model::Model,
        view::{self, Theme},
    },
    answer,
    keys::press_all,
    later, model, view as stored_view,
};
use crate::{failure::Failure, golden, http_client::HttpError};

const GOLDEN: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/src/verb/top/tests/screens.txt"
);

fn buffer(model: &Model, has_colors: bool, now: Instant, (width, height): (u16, u16)) -> Buffer {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    let theme = Theme { has_colors };
    terminal
        .draw(|frame| view::draw(frame, model, theme, now))
        .unwrap();
    terminal.backend().buffer().clone()
}

/// Its lines, without the blanks at their ends.
fn text(buffer: &Buffer) -> String {
    let width = usize::from(buffer.area.width);
    let rows = buffer.content().chunks(width.max(1)).map(|row| {
        let (mut line, mut column) = (String::new(), 0);
        while let Some(cell) = row.get(column) {
            line.push_str(cell.symbol());
            column += cell.symbol().width().max(1);
        }
        line.trim_end().to_owned() + "\n"
    });
    rows.collect()
}

fn screen(model: &Model, now: Instant, size: (u16, u16)) -> String {
    text(&buffer(model, true, now, size))
}

fn lost(model: &mut Model) {
    let endpoint: crate::endpoint::Endpoint = "http://127.0.0.1:8090".parse().unwrap();
    let reason = "Connection refused (os error 111)".to_owned();
    let error = HttpError::Connect {
        endpoint: endpoint.clone(),
        reason,
    };
    model.not_answered(&Failure::no_answer(&endpoint, &error));
}

fn refresh() -> InstanceRefresh {
    serde_json::from_value(serde_json::json!({
        "instance_refresh_id": "r-1", "auto_scaling_group_name": "web", "status": "InProgress",
        "status_reason": "process Terminate is suspended since 2026-01-01T09:00:00Z, by a user",
        "start_time": "2026-01-01T09:58:00Z", "percentage_complete": 50,
        "instances_to_update": 1, "preferences": {},
        "desired_configuration": {
            "launch_template": { "launch_template_name": "web", "version": "2" },
        },
    }))
    .unwrap()
}

#[test]
fn screens_are_as_written_down() {
    let now = Instant::now();
    let after = |keys: &str| {
        let mut model = model(now);
        press_all(&mut model, keys);
        model
    };
    let mut reconnecting = model(now);
    lost(&mut reconnecting);
    let mut told = model(now);
    told.done(Ok("web wants 2, from 1 to 4".to_owned()));
    let mut holding = stored_view();
    let group = Arc::make_mut(&mut holding.auto_scaling_groups[0]);
    group.conditions.clear();
    group.instance_refresh = Some(refresh());
    group.suspended_processes = vec![SuspendedProcess {
        process_name: ScalingProcess::Terminate,
        suspension_reason: "User suspended at 2026-01-01T09:00:00Z".to_owned(),
    }];
    let mut held = model(now);
    held.answered(answer(holding), now);
    let mut empty = stored_view();
    empty.auto_scaling_groups.clear();
    let mut nothing = model(now);
    nothing.answered(answer(empty), now);
    let (small, large) = ((80, 24), (120, 40));
    let screens = [
        ("a group", small, model(now), now),
        ("a group, larger", large, model(now), now),
        ("another group, without anything", small, after("\t"), now),
        ("the second instance is selected", small, after("j"), now),
        ("the help", small, after("?"), now),
        ("the form of a capacity", small, after("s2\t"), now),
        ("the form of a capacity, wrong", small, after("s\n"), now),
        ("a capacity to confirm", small, after("s2\n"), now),
        ("a termination to confirm", small, after("t"), now),
        ("a drain to confirm", small, after("d"), now),
        ("a refresh to confirm", small, after("r"), now),
        ("the processes", small, after("u"), now),
        (
            "a refresh under way, and a process suspended",
            small,
            held,
            now,
        ),
        ("what became of it", small, told, now),
        (
            "the control plane is away",
            small,
            reconnecting,
            later(now, 12),
        ),
        ("no group at all", small, nothing, now),
        ("a terminal that is too small", (60, 20), model(now), now),
    ];
    let page: String = screens
        .iter()
        .map(|(name, size, model, now)| {
            format!(
                "# {name}, {} x {}\n{}\n",
                size.0,
                size.1,
                screen(model, *now, *size)
            )
        })
        .collect();
    golden::check(GOLDEN, &page);
}

#[test]
fn drawn_at_every_size() {
    let now = Instant::now();
    for keys in ["", "s", "t", "u", "?", "\t"] {
        let mut model = model(now);
        press_all(&mut model, keys);
        for width in (0..200).step_by(23) {
            for height in (0..70).step_by(7) {
                buffer(&model, true, now, (width, height));
            }
        }
    }
}

#[test]
fn without_colors_there_are_none_and_the_same_words() {
    let now = Instant::now();
    let mut model = model(now);
    lost(&mut model);
    for keys in ["", "?", "s", "t"] {
        press_all(&mut model, keys);
        let (plain, colored) = (
            buffer(&model, false, now, (80, 24)),
            buffer(&model, true, now, (80, 24)),
        );
        assert_eq!(text(&plain), text(&colored));
        let has_color = |buffer: &Buffer| {
            let mut cells = buffer.content().iter();
            cells.any(|cell| cell.fg != Color::Reset || cell.bg != Color::Reset)
        };
        assert!(!has_color(&plain));
        assert!(has_color(&colored));
    }
}

#[test]
fn hostile_text_steers_nothing_and_stays_in_its_place() {
    let now = Instant::now();
    let hostile = "\u{1b}[2J\u{1b}]0;x\u{7}\r\n\u{202e}\u{9b}31m日本".repeat(50);
    let mut view = stored_view();
    let group = Arc::make_mut(&mut view.auto_scaling_groups[0]);
    group.auto_scaling_group_name.clone_from(&hostile);
    group.conditions[0].message.clone_from(&hostile);
    let instance = &mut group.instances[0];
    instance.availability_zone = hostile.as_str().into();
    instance.launch_template.version = hostile.as_str().into();
    instance.address = Some(hostile.as_str().into());
    let mut answer = answer(view.clone());
    let of_group = answer.group.as_mut().unwrap();
    of_group.name.clone_from(&hostile);
    for activity in &mut of_group.activities {
        activity.cause.clone_from(&hostile);
        activity.description.clone_from(&hostile);
        activity.status_message = Some(hostile.clone());
    }
    let mut model = Model::new(hostile.clone(), view, None, now);
    model.answered(answer, now);
    model.done(Ok(hostile.clone()));
    for keys in ["", "s", "1\n", "n", "t"] {
        press_all(&mut model, keys);
        let drawn = buffer(&model, true, now, (80, 24));
        let symbols = drawn
            .content()
            .iter()
            .flat_map(|cell| cell.symbol().chars());
        let steers = |c: &char| c.is_control() || *c == '\u{202e}';
        assert_eq!(symbols.filter(steers).count(), 0, "{}", text(&drawn));
    }
    let drawn = screen(&model, now, (80, 24));
    assert!(
        drawn.contains("q quit"),
        "the last line is in its place:\n{drawn}"
    );
}
