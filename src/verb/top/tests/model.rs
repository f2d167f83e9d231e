use hyper::{Method, StatusCode};
use minicloud_autoscaler::{
    api::FaultDetail,
    command::CapacityUpdate,
    instance::LifecycleState,
    scaling_process::{ScalingProcess, SuspendedProcess},
};
use tokio::time::Instant;

use super::{
    super::{
        dialog::Dialog,
        keys::Message,
        model::{Effect, Model, Notice},
        request::Request,
        series::Window,
    },
    answer,
    keys::press_all,
    later, model, view,
};
use crate::{endpoint::Endpoint, failure::Failure, http_client::HttpError};

fn endpoint() -> Endpoint {
    "http://127.0.0.1:8090".parse().unwrap()
}

fn shown(model: &Model) -> &str {
    &model.group().unwrap().auto_scaling_group_name
}

fn selected(model: &Model) -> &str {
    model.instance().unwrap().instance_id.as_str()
}

#[test]
fn capacity_is_changed_after_form_and_confirmation() {
    let mut model = model(Instant::now());
    assert_eq!(press_all(&mut model, "s2\t\t9\n"), Effect::None);
    let Some(Dialog::Question(question)) = &model.dialog else {
        panic!("{:?}", model.dialog);
    };
    assert_eq!(
        question.text,
        "Change web: desired from 3 to 2, max from 4 to 9?"
    );
    let update = CapacityUpdate {
        desired_capacity: Some(2),
        max_size: Some(9),
        ..CapacityUpdate::default()
    };
    let group = "web".to_owned();
    assert_eq!(
        press_all(&mut model, "y"),
        Effect::Perform(Request::Scale { group, update })
    );
    assert_eq!(model.dialog, None);
}

#[test]
fn form_says_what_cannot_be_asked_for() {
    for (keys, fault) in [
        ("s\n", "nothing is another than it was"),
        ("s\u{8}\n", "desired: write a number up to 4294967295"),
        ("s\t9999999999\n", "min: write a number up to 4294967295"),
    ] {
        let mut model = model(Instant::now());
        press_all(&mut model, keys);
        let Some(Dialog::Capacity(form)) = &model.dialog else {
            panic!("{:?}", model.dialog);
        };
        assert_eq!(form.fault.as_deref(), Some(fault));
    }
}

#[test]
fn nothing_is_done_unconfirmed() {
    for keys in [
        "dn", "rn", "r\u{1b}", "u\n", "tn", "t\n", "pn", "t\u{1b}", "s2\nn", "s2\u{1b}",
    ] {
        let mut model = model(Instant::now());
        assert_eq!(press_all(&mut model, keys), Effect::None, "{keys:?}");
        assert_eq!(model.dialog, None, "{keys:?}");
    }
}

#[test]
fn selected_instance_is_what_keys_act_on() {
    let mut model = model(Instant::now());
    let instance = |id: &str| id.parse().unwrap();
    let decrement = |instance| Request::Terminate {
        instance,
        decrement: true,
    };
    assert_eq!(
        press_all(&mut model, "jjtd"),
        Effect::Perform(decrement(instance("i-0000000b")))
    );
    model.done(Ok("Terminating instance: i-0000000b".to_owned()));
    let unprotect = Request::Protect {
        group: "web".to_owned(),
        instance: instance("i-0000000a"),
        protected: false,
    };
    assert_eq!(press_all(&mut model, "kkpy"), Effect::Perform(unprotect));
}

#[test]
fn instance_in_standby_is_put_back_and_another_drained() {
    let now = Instant::now();
    let mut model = model(now);
    let (group, instance) = ("web".to_owned(), "i-0000000a".parse().unwrap());
    let drain = Request::EnterStandby {
        group,
        instance,
        decrement: true,
    };
    assert_eq!(press_all(&mut model, "dd"), Effect::Perform(drain));
    model.done(Ok("drained".to_owned()));
    let mut view = view();
    let group = std::sync::Arc::make_mut(&mut view.auto_scaling_groups[0]);
    group.instances[0].lifecycle_state = LifecycleState::Standby;
    model.answered(answer(view), now);
    let (group, instance) = ("web".to_owned(), "i-0000000a".parse().unwrap());
    let back = Request::ExitStandby { group, instance };
    assert_eq!(press_all(&mut model, "dy"), Effect::Perform(back));
}

#[test]
fn refresh_is_of_all_or_of_other_versions() {
    for (keys, skip_matching) in [("ry", false), ("ro", true)] {
        let mut model = model(Instant::now());
        let group = "web".to_owned();
        let start = Request::StartRefresh {
            group,
            skip_matching,
        };
        assert_eq!(press_all(&mut model, keys), Effect::Perform(start));
    }
}

#[test]
fn process_is_chosen_by_number_and_confirmed() {
    let now = Instant::now();
    let mut model = model(now);
    let mut free = view();
    let group = std::sync::Arc::make_mut(&mut free.auto_scaling_groups[0]);
    group.suspended_processes.clear();
    model.answered(answer(free), now);
    assert_eq!(press_all(&mut model, "u1"), Effect::None);
    let (group, processes) = ("web".to_owned(), vec![ScalingProcess::Launch]);
    let suspend = Request::Suspend { group, processes };
    assert_eq!(press_all(&mut model, "y"), Effect::Perform(suspend));
    model.done(Ok("suspended: Launch".to_owned()));
    let mut view = view();
    let group = std::sync::Arc::make_mut(&mut view.auto_scaling_groups[0]);
    group.suspended_processes = vec![SuspendedProcess {
        process_name: ScalingProcess::Launch,
        suspension_reason: "User suspended at 2026-01-01T09:00:00Z".to_owned(),
    }];
    model.answered(answer(view), now);
    let (group, processes) = ("web".to_owned(), vec![ScalingProcess::Launch]);
    let resume = Request::Resume { group, processes };
    assert_eq!(press_all(&mut model, "u1y"), Effect::Perform(resume));
    model.done(Ok("no process is suspended".to_owned()));
    for (keys, suspends) in [("uay", true), ("uny", false)] {
        let (group, processes) = ("web".to_owned(), Vec::new());
        let all = match suspends {
            true => Request::Suspend { group, processes },
            false => Request::Resume { group, processes },
        };
        assert_eq!(press_all(&mut model, keys), Effect::Perform(all));
        model.done(Ok("done".to_owned()));
    }
    for keys in ["u0", "ux", "u1x"] {
        assert_eq!(press_all(&mut model, keys), Effect::None);
        assert_eq!(model.dialog, None);
    }
}

#[test]
fn one_action_at_a_time() {
    let mut model = model(Instant::now());
    assert!(matches!(press_all(&mut model, "ty"), Effect::Perform(_)));
    assert_eq!(press_all(&mut model, "ty"), Effect::None);
    assert!(
        model.dialog.is_some(),
        "it can be confirmed once the first is over"
    );
    model.done(Ok("done".to_owned()));
    assert!(matches!(press_all(&mut model, "y"), Effect::Perform(_)));
}

#[test]
fn refusal_shows_the_text_of_the_fault() {
    let mut model = model(Instant::now());
    let fault = FaultDetail {
        code: "ValidationError".to_owned(),
        message: "desired_capacity: 9 is above max_size".to_owned(),
        faults: Vec::new(),
    };
    let status = StatusCode::BAD_REQUEST;
    model.done(Err(Failure::refused(
        &endpoint(),
        &Method::PATCH,
        "/v1/groups/web",
        status,
        &fault,
    )));
    let text = "desired_capacity: 9 is above max_size (ValidationError)";
    assert_eq!(model.notice, Some(Notice::Refused(text.to_owned())));
}

#[test]
fn selection_stays_with_its_instance_and_passes_on_where_it_goes() {
    let now = Instant::now();
    let mut model = model(now);
    press_all(&mut model, "jjj");
    assert_eq!(selected(&model), "i-0000000c");
    press_all(&mut model, "j");
    assert_eq!(selected(&model), "i-0000000c", "it is the last");
    let without = |gone: &str| {
        let mut view = view();
        let group = std::sync::Arc::make_mut(&mut view.auto_scaling_groups[0]);
        group
            .instances
            .retain(|one| one.instance_id.as_str() != gone);
        answer(view)
    };
    model.answered(without("i-0000000a"), now);
    assert_eq!(selected(&model), "i-0000000c");
    model.answered(without("i-0000000c"), now);
    assert_eq!(selected(&model), "i-0000000b");
}

#[test]
fn other_group_and_other_window_begin_without_figures() {
    let now = Instant::now();
    let mut model = model(now);
    assert_eq!(model.update(Message::NextGroup), Effect::Ask);
    assert_eq!(shown(&model), "idle");
    assert!(model.series.end().is_none() && model.activities.is_empty());
    // What was asked before.
    model.answered(answer(view()), now);
    assert!(model.series.end().is_none() && model.activities.is_empty());
    model.update(Message::PreviousGroup);
    assert_eq!(shown(&model), "web");
    model.answered(answer(view()), now);
    let end = model.series.end();
    assert!(end.is_some());
    assert_eq!(model.question().start_time, end);
    assert_eq!(model.update(Message::OtherWindow), Effect::Ask);
    assert_eq!(model.question().window, Window::Day);
    assert_eq!(model.question().start_time, None);
}

#[test]
fn group_that_goes_gives_way_to_another() {
    let now = Instant::now();
    let mut model = model(now);
    let mut view = view();
    view.auto_scaling_groups.remove(0);
    model.answered(answer(view.clone()), now);
    assert_eq!(shown(&model), "idle");
    view.auto_scaling_groups.clear();
    model.answered(answer(view), now);
    assert!(model.group().is_none());
    for keys in ["s", "p", "t", "d", "r", "u", "j", "\t"] {
        assert_eq!(press_all(&mut model, keys), Effect::None);
        assert_eq!(model.dialog, None);
    }
}

#[test]
fn silence_ends_with_an_answer() {
    let now = Instant::now();
    let mut model = model(now);
    let error = HttpError::NoAnswer {
        endpoint: endpoint(),
    };
    model.not_answered(&Failure::no_answer(&endpoint(), &error));
    assert!(model.silence.is_some());
    assert_eq!(shown(&model), "web", "what was known is shown on");
    model.answered(answer(view()), later(now, 9));
    assert_eq!(model.silence, None);
}

#[test]
fn clock_that_went_back_hides_nothing() {
    let now = Instant::now();
    let mut model = model(now);
    let mut view = view();
    view.time = "2026-01-01T09:00:00Z".parse().unwrap();
    let time = view.time;
    model.answered(answer(view), now);
    assert_eq!(model.series.end(), Some(time));
}
