//! `GET /providers`

use bifrost_tests::{Role, TestApp};
use serde_json::json;

#[tokio::test]
async fn the_catalogue_is_a_list_like_the_others_for_any_caller() {
    let app = TestApp::shared().await;
    let acme = app.organization("Acme").await;
    for caller in [app.root(), app.key(Role::Workflow, &acme).await] {
        let answer = caller.get("/providers").await.expect(200);
        assert_eq!(answer, json!({"items": [], "next_cursor": null}));
    }
    app.anonymous().get("/providers").await.gateway(401, "Unauthorized");
}
