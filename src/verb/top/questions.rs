//! What is asked before an instance or a group is acted on.

use minicloud_autoscaler::describe::{AutoScalingGroup, Instance};

use super::{
    dialog::{Choice, Question},
    request::Request,
};

pub(super) fn protection(instance: &Instance) -> Question {
    let id = &instance.instance_id;
    let protected = !instance.protected_from_scale_in;
    let text = match protected {
        true => format!("Protect {id} from scale-in?"),
        false => format!("Let scale-in take {id} again?"),
    };
    let request = Request::Protect {
        group: instance.auto_scaling_group_name.to_string(),
        instance: id.clone(),
        protected,
    };
    Question::yes(text, request)
}

pub(super) fn termination(instance: &Instance) -> Question {
    let id = &instance.instance_id;
    let choice = |key, text, decrement| Choice {
        key,
        text,
        request: Request::Terminate {
            instance: id.clone(),
            decrement,
        },
    };
    Question {
        text: format!("Terminate {id}?"),
        choices: vec![
            choice('y', "yes, and the group replaces it", false),
            choice('d', "yes, and lower the desired capacity by one", true),
        ],
    }
}

pub(super) fn standby(instance: &Instance) -> Question {
    let id = &instance.instance_id;
    let group = || instance.auto_scaling_group_name.to_string();
    if instance.lifecycle_state.is_standby() {
        let request = Request::ExitStandby {
            group: group(),
            instance: id.clone(),
        };
        return Question::yes(format!("Put {id} back into service?"), request);
    }
    let choice = |key, text, decrement| Choice {
        key,
        text,
        request: Request::EnterStandby {
            group: group(),
            instance: id.clone(),
            decrement,
        },
    };
    Question {
        text: format!("Drain {id}, and keep it in standby?"),
        choices: vec![
            choice(
                'y',
                "yes, and the group launches another in its place",
                false,
            ),
            choice('d', "yes, and lower the desired capacity by one", true),
        ],
    }
}

/// Begins a refresh, or cancels the one under way.
pub(super) fn refresh(group: &AutoScalingGroup) -> Question {
    let name = &group.auto_scaling_group_name;
    if let Some(refresh) = &group.instance_refresh {
        let done = refresh.percentage_complete;
        let request = Request::CancelRefresh {
            group: name.clone(),
        };
        let text = format!("Cancel the instance refresh of {name}, of which {done} % is done?");
        return Question::yes(text, request);
    }
    let choice = |key, text, skip_matching| Choice {
        key,
        text,
        request: Request::StartRefresh {
            group: name.clone(),
            skip_matching,
        },
    };
    Question {
        text: format!("Replace the instances of {name}, the new ones first?"),
        choices: vec![
            choice('y', "yes, all of them", false),
            choice(
                'o',
                "yes, those of another version of the launch template",
                true,
            ),
        ],
    }
}
