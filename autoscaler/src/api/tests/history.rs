use rand::{SeedableRng, rngs::SmallRng};

use super::*;
use crate::describe::Activity;

#[tokio::test]
async fn history_is_paged_and_outlives_groups() {
    let (api, core) = api();
    let router = router(api, Access::Loopback);
    let mut rng = SmallRng::seed_from_u64(1);
    let id = "i-0123abcd".parse().unwrap();
    let now = "2026-01-01T00:00:00Z".parse().unwrap();
    for group in ["web", "gone", "web", "web"] {
        let activity = Activity::adopt(group, &id, now, &mut rng);
        core.store.put_activity(&activity).unwrap();
    }
    for (path, expected) in [
        ("/v1/groups/web/activities", 3),
        ("/v1/activities", 3),
        ("/v1/activities?include_deleted_groups=true", 4),
        ("/v1/groups/gone/activities?include_deleted_groups=true", 1),
    ] {
        let (status, body) = get_json(&router, path).await;
        assert_eq!(status, StatusCode::OK, "{path}: {body}");
        assert_eq!(
            body["activities"].as_array().unwrap().len(),
            expected,
            "{path}"
        );
        assert!(body.get("next_token").is_none(), "{path}: {body}");
    }
    let (status, _) = get_json(&router, "/v1/groups/gone/activities").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    let (_, first) = get_json(&router, "/v1/groups/web/activities?max_records=2").await;
    let token = first["next_token"].as_str().unwrap();
    let path = format!("/v1/groups/web/activities?max_records=2&next_token={token}");
    let (_, second) = get_json(&router, &path).await;
    assert_eq!(second["activities"].as_array().unwrap().len(), 1);
    assert_ne!(first["activities"][0], second["activities"][0]);
    assert!(second.get("next_token").is_none());
}
