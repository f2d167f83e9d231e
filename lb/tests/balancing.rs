//! Which target a request goes to: shares, and what keeps a client or a key where it was.

use std::{collections::BTreeMap, time::Duration};

use minicloud_lb::Config;
use minicloud_lb_api::{
    Action, Forward, HashKey, LoadBalancingAlgorithm, Snapshot, Stickiness, TargetGroupAttributes,
    TargetGroupTuple,
};
use tokio::time::Instant;

use crate::harness::{Lb, Reply, Target, config, get, group, is_healthy};

/// How many requests each target answered.
async fn shares(lb: &Lb, count: usize) -> BTreeMap<String, usize> {
    let mut client = lb.connect().await;
    let mut shares = BTreeMap::new();
    for _ in 0..count {
        client.send(&get("/")).await;
        let reply = client.reply().await;
        assert_eq!(reply.status, 200);
        *shares.entry(reply.text().to_owned()).or_default() += 1;
        if reply.says_close() {
            client = lb.connect().await;
        }
    }
    shares
}

fn share(shares: &BTreeMap<String, usize>, target: &Target) -> usize {
    let name = target.address.to_string();
    shares.get(&name).copied().unwrap_or(0)
}

async fn plain<const N: usize>() -> [Target; N] {
    let mut targets = Vec::new();
    for _ in 0..N {
        targets.push(Target::plain().await);
    }
    targets.try_into().ok().unwrap()
}

/// Without second tries of what is late: who answers is then who was chosen.
async fn start(targets: &[&Target]) -> Lb {
    start_with(config(), targets).await
}

async fn start_with(config: Config, targets: &[&Target]) -> Lb {
    let lb = Lb::start_with(config, targets).await;
    lb.apply(|snapshot| attributes(snapshot).retry.hedging = false)
        .await;
    lb
}

fn attributes(snapshot: &mut Snapshot) -> &mut TargetGroupAttributes {
    &mut snapshot.target_groups[0].attributes
}

#[tokio::test]
async fn new_targets_share_grows() {
    let [old, new] = plain().await;
    let lb = start(&[&old]).await;
    let duration = Duration::from_secs(5);
    lb.apply(|snapshot| attributes(snapshot).slow_start = duration)
        .await;
    lb.register(&[&old, &new]).await;
    lb.until_target(&new, is_healthy).await;
    let start = Instant::now();
    let first = share(&shares(&lb, 200).await, &new);
    let weight = 0.1 + 0.9 * start.elapsed().as_secs_f64() / duration.as_secs_f64();
    println!("of the first 200 requests {first} went to the new target");
    // At the end of the 200 it gets `weight` for each 1 of the other, before that less.
    let most = 200.0 * weight / (1.0 + weight) + 5.0 * 200_f64.sqrt() / 2.0;
    assert!((first as f64) < most.min(100.0), "{first} of 200, {weight}");
    tokio::time::sleep_until(start + duration + Duration::from_secs(1)).await;
    assert_eq!(share(&shares(&lb, 200).await, &new), 100, "full turns");
}

/// The balancer's own cookie is written anew with every answer.
fn cookie(reply: &Reply, name: &str) -> Option<String> {
    let fields = reply.headers.get("set-cookie")?;
    let mut cookies = fields.split(" | ");
    let cookie = cookies.find(|cookie| cookie.starts_with(&format!("{name}=")))?;
    cookie.split(';').next().map(ToOwned::to_owned)
}

async fn ask_with(lb: &Lb, path: &str, cookie: &str) -> Reply {
    let mut client = lb.connect().await;
    let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\nCookie: x=y; {cookie}\r\n\r\n");
    client.send(request).await;
    client.reply().await
}

#[tokio::test]
async fn clients_stay_with_their_target_through_changes() {
    let [a, b, c, d] = plain().await;
    let lb = start(&[&a, &b, &c]).await;
    lb.apply(|snapshot| {
        attributes(snapshot).stickiness = Some(Stickiness::LbCookie {
            duration: Duration::from_secs(60),
        });
    })
    .await;
    let mut clients = Vec::new();
    for _ in 0..12 {
        let reply = lb.get("/").await;
        clients.push((
            cookie(&reply, "MINICLOUDLB").unwrap(),
            reply.text().to_owned(),
        ));
    }
    let served: std::collections::BTreeSet<_> = clients.iter().map(|(_, at)| at).collect();
    assert_eq!(served.len(), 3, "all have clients");

    c.set_draining();
    lb.register(&[&d, &b, &a, &c]).await;
    lb.until_target(&d, is_healthy).await;
    let left = c.address.to_string();
    for (cookie_sent, at) in &clients {
        for _ in 0..3 {
            let reply = ask_with(&lb, "/", cookie_sent).await;
            assert_eq!(reply.status, 200);
            assert_ne!(reply.text(), left, "a draining target gets nobody");
            if *at != left {
                assert_eq!(reply.text(), at);
            }
        }
    }
    // Who lost its target has a new one, and stays there.
    let (lost, _) = clients.iter().find(|(_, at)| *at == left).unwrap();
    let reply = ask_with(&lb, "/", lost).await;
    let (found, at) = (
        cookie(&reply, "MINICLOUDLB").unwrap(),
        reply.text().to_owned(),
    );
    for _ in 0..5 {
        assert_eq!(ask_with(&lb, "/", &found).await.text(), at);
    }
    // An unhealthy target keeps nobody either, and has its clients back afterwards.
    let (of_a, _) = clients
        .iter()
        .find(|(_, at)| *at == a.address.to_string())
        .unwrap();
    a.set_unhealthy(true);
    lb.until_target(&a, |target| !is_healthy(target)).await;
    assert_ne!(ask_with(&lb, "/", of_a).await.text(), a.address.to_string());
    a.set_unhealthy(false);
    lb.until_target(&a, is_healthy).await;
    assert_eq!(ask_with(&lb, "/", of_a).await.text(), a.address.to_string());
}

#[tokio::test]
async fn application_cookie_keeps_clients_while_it_lasts() {
    let login = || {
        Target::scripted(|mut conn, mut head| async move {
            loop {
                let name = conn.stream.local_addr().unwrap().to_string();
                let cookie = match head.contains("/login") {
                    true => "Set-Cookie: session=s1; Path=/\r\n",
                    false => "",
                };
                conn.write(format!(
                    "HTTP/1.1 200 OK\r\n{cookie}Content-Length: {}\r\n\r\n{name}",
                    name.len()
                ))
                .await?;
                head = conn.head().await?;
            }
        })
    };
    let (a, b) = (login().await, login().await);
    let lb = start(&[&a, &b]).await;
    lb.apply(|snapshot| {
        attributes(snapshot).stickiness = Some(Stickiness::AppCookie {
            cookie_name: "session".into(),
            duration: Duration::from_secs(60),
        });
    })
    .await;
    assert_eq!(
        cookie(&lb.get("/").await, "MINICLOUDAPP"),
        None,
        "nobody logged in"
    );
    let reply = lb.get("/login").await;
    let (at, ours) = (
        reply.text().to_owned(),
        cookie(&reply, "MINICLOUDAPP").unwrap(),
    );
    for _ in 0..6 {
        let with_both = ask_with(&lb, "/", &format!("session=s1; {ours}")).await;
        assert_eq!(with_both.text(), at);
    }
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..6 {
        seen.insert(ask_with(&lb, "/", &ours).await.text().to_owned());
    }
    assert_eq!(seen.len(), 2, "without the application's it says nothing");
}

fn weighted(weights: [u32; 2], stickiness: Duration) -> Action {
    let tuple = |(name, weight): (&str, u32)| TargetGroupTuple {
        target_group: name.into(),
        weight,
    };
    Action::Forward(Forward {
        target_groups: ["web", "canary"]
            .into_iter()
            .zip(weights)
            .map(tuple)
            .collect(),
        target_group_stickiness: stickiness,
    })
}

#[tokio::test]
async fn groups_get_their_weights_and_keep_their_clients() {
    let [web, canary] = plain().await;
    let lb = start(&[&web]).await;
    let second = vec![canary.registration()];
    lb.apply(|snapshot| {
        snapshot.target_groups.push(group("canary", second));
        snapshot.listeners[0].default_action = weighted([4, 1], Duration::ZERO);
    })
    .await;
    lb.until_target(&canary, is_healthy).await;
    let got = share(&shares(&lb, 500).await, &canary);
    println!("a weight of 1 in 5 got {got} of 500");
    // A hundred, give or take five standard deviations.
    assert!((56..=144).contains(&got), "{got} of 500");

    lb.apply(|snapshot| {
        snapshot.listeners[0].default_action = weighted([1, 1], Duration::from_secs(60));
    })
    .await;
    let mut clients = Vec::new();
    for _ in 0..20 {
        let reply = lb.get("/").await;
        clients.push((
            cookie(&reply, "MINICLOUDTG").unwrap(),
            reply.text().to_owned(),
        ));
    }
    lb.apply(|snapshot| {
        snapshot.listeners[0].default_action = weighted([999, 1], Duration::from_secs(60));
    })
    .await;
    for (cookie, at) in &clients {
        assert_eq!(ask_with(&lb, "/", cookie).await.text(), at);
    }
    lb.apply(|snapshot| {
        snapshot.listeners[0].default_action = weighted([0, 1], Duration::from_secs(60));
    })
    .await;
    for (cookie, _) in &clients {
        let at = ask_with(&lb, "/", cookie).await;
        assert_eq!(
            at.text(),
            canary.address.to_string(),
            "a weight of 0 keeps nobody"
        );
    }
}

async fn owners(lb: &Lb) -> BTreeMap<String, String> {
    let mut owners = BTreeMap::new();
    for number in 0..40 {
        let path = format!("/{number}");
        let reply = lb.get(&path).await;
        assert_eq!(reply.text(), lb.get(&path).await.text(), "the same again");
        owners.insert(path, reply.text().to_owned());
    }
    owners
}

#[tokio::test]
async fn keys_stay_with_their_target_through_changes() {
    let [a, b, c] = plain().await;
    let lb = start(&[&a, &b, &c]).await;
    lb.apply(|snapshot| {
        attributes(snapshot).load_balancing_algorithm_type =
            LoadBalancingAlgorithm::ConsistentHash(HashKey::Path);
    })
    .await;
    let before = owners(&lb).await;
    for target in [&a, &b, &c] {
        let name = target.address.to_string();
        assert!(
            before.values().any(|owner| *owner == name),
            "each owns some"
        );
    }
    lb.register(&[&c, &a]).await;
    let after = owners(&lb).await;
    let gone = b.address.to_string();
    for (path, owner) in &before {
        assert!(*owner == gone || after[path] == *owner, "{path} moved");
    }
    lb.register(&[&a, &b, &c]).await;
    lb.until_target(&b, is_healthy).await;
    assert_eq!(owners(&lb).await, before, "all is as it was");

    lb.apply(|snapshot| {
        attributes(snapshot).load_balancing_algorithm_type =
            LoadBalancingAlgorithm::ConsistentHash(HashKey::SourceIp);
    })
    .await;
    assert_eq!(shares(&lb, 20).await.len(), 1, "one client, one target");
}

#[tokio::test]
async fn own_zone_comes_first_without_cross_zone() {
    let [near, far] = plain().await;
    let config = Config {
        availability_zone: Some("zone-a".into()),
        ..config()
    };
    let lb = start_with(config, &[&near, &far]).await;
    lb.apply(|snapshot| {
        let group = &mut snapshot.target_groups[0];
        group.targets[0].availability_zone = Some("zone-a".into());
        group.targets[1].availability_zone = Some("zone-b".into());
    })
    .await;
    assert_eq!(share(&shares(&lb, 20).await, &far), 10, "zones share");
    lb.apply(|snapshot| attributes(snapshot).cross_zone = false)
        .await;
    assert_eq!(share(&shares(&lb, 20).await, &far), 0);
    near.set_unhealthy(true);
    lb.until_target(&near, |target| !is_healthy(target)).await;
    assert_eq!(
        share(&shares(&lb, 20).await, &far),
        20,
        "rather far than down"
    );
}
