use crate::harness::{Lb, Target, get};

#[tokio::test]
async fn request_is_answered_by_a_target() {
    let target = Target::plain().await;
    let lb = Lb::start(&[&target]).await;
    let reply = lb.get("/").await;
    assert_eq!(
        (reply.status, reply.text()),
        (200, target.address.to_string().as_str())
    );
    lb.until_idle().await;
    let mut client = lb.connect().await;
    for _ in 0..3 {
        client.send(&get("/")).await;
        assert_eq!(client.reply().await.status, 200);
    }
    lb.until_idle().await;
    assert_eq!(
        lb.metric(r#"minicloud_lb_requests_total{code="200",group="web",method="GET"}"#),
        4
    );
    lb.lb.shutdown().await;
}
