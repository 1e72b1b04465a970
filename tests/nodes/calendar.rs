//! Windows by an injected clock, over the end of daylight saving time: the operator's own passes on the real API server, two
//! nights in seconds.

use crate::support::{Ground, Operators, layer_spec, slot_of};
use cherokee_api::status::RoleState::{self, Asleep, Awake, Draining};
use cherokee_operator::{Operator, SetClock, Settings, SimulatedGpus};
use chrono::{DateTime, Utc};
use serde_json::json;
use std::sync::Arc;

/// In Chicago the night of the second date has two hours from one to two.
const NIGHTS: [(&str, bool, bool, RoleState); 11] = [
    // Time, whether the worker by day and the dream worker are to run, and the state of the dream role.
    ("2027-11-06T06:59:49Z", false, false, Asleep),
    ("2027-11-06T06:59:50Z", false, true, Asleep),
    ("2027-11-06T07:00:00Z", false, true, Awake),
    ("2027-11-06T10:59:50Z", true, true, Awake),
    ("2027-11-06T11:00:00Z", true, true, Draining),
    ("2027-11-06T11:00:10Z", true, false, Asleep),
    ("2027-11-07T03:00:09Z", true, false, Asleep),
    ("2027-11-07T03:00:10Z", false, false, Asleep),
    ("2027-11-07T07:30:00Z", false, false, Asleep),
    ("2027-11-07T08:00:00Z", false, true, Awake),
    ("2027-11-07T12:00:10Z", true, false, Asleep),
];

#[tokio::test]
async fn two_nights_by_the_injected_clock_turn_the_workers_on_and_off_to_the_second() {
    let ground = Ground::new("t-clock").await;
    let away = Operators::scaled(&ground, 0).await;
    let mut spec = layer_spec();
    spec["timeZone"] = json!("America/Chicago");
    for (role, schedule, duration) in [(0, "0 6 * * *", "16h"), (1, "0 2 * * *", "4h")] {
        spec["roles"][role]["activation"] = json!("Scheduled");
        spec["roles"][role]["windows"] = json!([{"schedule": schedule, "duration": duration}]);
    }
    ground.apply("c", spec).await;

    let at = |time: &str| time.parse::<DateTime<Utc>>().expect("a time");
    let clock = Arc::new(SetClock::at(at(NIGHTS[0].0)));
    let operator = Arc::new(Operator::new(ground.client.clone(), clock.clone(), settings()));
    let watching = tokio::spawn({
        let operator = operator.clone();
        async move { operator.watch().await }
    });
    operator.listed().await;
    for (time, by_day, dreams, state) in NIGHTS {
        clock.set(at(time));
        operator.reconcile(&ground.namespace, "c").await.expect("a pass");
        let status = ground.clusters().get("c").await.expect("the resource").status.expect("its status");
        let seen = status.roles.iter().find(|role| role.name == "dream").expect("the role").state;
        let mut on = [false; 2];
        for (on, role) in on.iter_mut().zip(["conscious", "dream"]) {
            let deployment = ground.deployments().get(&slot_of(&status, role)).await.expect("its Deployment");
            *on = deployment.spec.and_then(|spec| spec.replicas) == Some(1);
        }
        assert_eq!((on, seen), ([by_day, dreams], state), "{time}");
    }
    watching.abort();
    drop(away);
    ground.remove().await;
}

/// Images that nobody has: this is about when a worker is wanted, and none has to run.
fn settings() -> Settings {
    Settings {
        image: "localhost/none:0".into(),
        worker_image: "localhost/none:0".into(),
        redis_image: "localhost/none:0".into(),
        image_pull_policy: "Never".into(),
        simulated_gpus: SimulatedGpus::Allow,
        identity: "test".into(),
        namespace: "cherokee-system".into(),
    }
}
