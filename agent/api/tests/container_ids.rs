use minicloud_agent_api::container_id;

const OUTER: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const INNER: &str = "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210";

#[test]
fn ids_of_every_runtime_are_found() {
    for path in [
        format!("/docker/{INNER}"),
        format!("/docker/{INNER}/"),
        format!("/minicloud/web/{INNER}"),
        format!("/docker/{OUTER}/{INNER}"),
        format!("/system.slice/docker-{INNER}.scope"),
        format!("/kubepods/burstable/pod1234/{INNER}"),
        format!("/kubepods.slice/kubepods-pod1.slice/cri-containerd-{INNER}.scope"),
        format!("/system.slice/kubepods-pod1.slice:cri-containerd:{INNER}"),
        format!("/machine.slice/libpod-{INNER}.scope"),
    ] {
        assert_eq!(container_id(&path), Some(INNER), "{path}");
    }
}

#[test]
fn other_paths_have_no_id() {
    for path in [
        String::new(),
        "/".to_owned(),
        "/docker".to_owned(),
        "/system.slice/docker.service".to_owned(),
        "/process/i-0123456789abcdef0".to_owned(),
        format!("/docker/{}", &INNER[1..]),
        format!("/docker/{INNER}0"),
        format!("/docker/{}", INNER.to_uppercase()),
        format!("/docker/{INNER}/init"),
        format!("/machine.slice/libpod-conmon-{INNER}.scope"),
        format!("/docker/{}é", &INNER[2..]),
    ] {
        assert_eq!(container_id(&path), None, "{path}");
    }
}
