//! Targets that fail requests while their health checks pass.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use minicloud_lb_api::{AnomalyResult, TargetHealthDescription};

use crate::harness::{Lb, Target, is_healthy};

/// Answers as it is told.
async fn moody() -> (Target, Arc<AtomicBool>) {
    let fails = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&fails);
    let target = Target::scripted(move |mut conn, mut head| {
        let fails = Arc::clone(&told);
        async move {
            loop {
                conn.read_body(&head).await?;
                let status = if fails.load(Ordering::SeqCst) {
                    500
                } else {
                    200
                };
                conn.answer(status, "said").await?;
                head = conn.head().await?;
            }
        }
    })
    .await;
    (target, fails)
}

fn is_anomalous(target: &TargetHealthDescription) -> bool {
    let detection = target.anomaly_detection;
    detection.is_some_and(|detection| detection.result == AnomalyResult::Anomalous)
}

fn is_ejected(target: &TargetHealthDescription) -> bool {
    let detection = target.anomaly_detection;
    detection.is_some_and(|detection| detection.mitigation_in_effect)
}

/// Sends until a report satisfies `is_reached`.
async fn send_until(lb: &Lb, is_reached: impl Fn(&[TargetHealthDescription]) -> bool) {
    let sending = async {
        loop {
            lb.get("/").await;
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
    };
    tokio::select! {
        () = sending => {}
        _ = lb.until(|report| is_reached(&report.targets)) => {}
    }
}

#[tokio::test]
async fn failing_target_is_ejected_and_comes_back() {
    let (sound, _) = moody().await;
    let (bad, fails) = moody().await;
    let lb = Lb::start(&[&sound, &bad]).await;
    let of = |targets: &[TargetHealthDescription], is: fn(&TargetHealthDescription) -> bool| {
        let id = bad.id();
        targets
            .iter()
            .any(|target| target.target.id == id && is(target))
    };
    fails.store(true, Ordering::SeqCst);
    send_until(&lb, |targets| of(targets, is_ejected)).await;
    // Those that were sent before that was published are over.
    lb.until_idle().await;
    let before = bad.requests();
    for _ in 0..50 {
        assert_eq!(lb.get("/").await.status, 200);
    }
    assert_eq!(bad.requests(), before, "it gets nothing");
    lb.until_target(&bad, is_healthy).await;

    fails.store(false, Ordering::SeqCst);
    let came_back = |targets: &[TargetHealthDescription]| !of(targets, is_ejected);
    send_until(&lb, came_back).await;
    let before = bad.requests();
    while bad.requests() == before {
        assert_eq!(lb.get("/").await.status, 200);
    }
}

#[tokio::test]
async fn last_target_is_never_ejected() {
    let (one, one_fails) = moody().await;
    let (other, other_fails) = moody().await;
    let lb = Lb::start(&[&one, &other]).await;
    one_fails.store(true, Ordering::SeqCst);
    other_fails.store(true, Ordering::SeqCst);
    // Both fail alike: that is not the target's doing.
    let asked = |targets: &[TargetHealthDescription]| {
        targets.iter().all(|target| target.request_count > 50)
    };
    send_until(&lb, asked).await;
    lb.until(|report| !report.targets.iter().any(is_ejected))
        .await;
    assert_eq!(lb.get("/").await.status, 500, "asked, not refused");

    // Alone it is told to be bad, and is asked all the same.
    lb.register(&[&one]).await;
    send_until(&lb, |targets| targets.iter().any(is_anomalous)).await;
    let report = lb.until(|report| report.targets.len() == 1).await;
    assert!(!is_ejected(&report.targets[0]));
    assert_eq!(lb.get("/").await.status, 500);
    one_fails.store(false, Ordering::SeqCst);
    assert_eq!(lb.get("/").await.status, 200);
}

#[tokio::test]
async fn ejection_is_the_groups_choice() {
    let (sound, _) = moody().await;
    let (bad, fails) = moody().await;
    let lb = Lb::start(&[&sound, &bad]).await;
    lb.apply(|snapshot| snapshot.target_groups[0].attributes.anomaly_mitigation = false)
        .await;
    fails.store(true, Ordering::SeqCst);
    send_until(&lb, |targets| targets.iter().any(is_anomalous)).await;
    let before = bad.requests();
    for _ in 0..10 {
        lb.get("/").await;
    }
    assert!(bad.requests() > before, "told, not kept away");
}
