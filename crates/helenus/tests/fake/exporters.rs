//! Metrics as Prometheus and OpenTelemetry get them.

#[cfg(feature = "prometheus")]
#[tokio::test]
async fn prometheus_gets_counts_with_labels_and_histograms() {
    let node = helenus_testkit::fake::FakeNode::start(crate::common::script())
        .await
        .unwrap();
    let session = crate::common::session(&node).await;
    for _ in 0..3 {
        session.query("X", ()).await.unwrap();
    }
    session.close().await;
    session.query("X", ()).await.unwrap_err();
    let text = session.metrics().to_prometheus().unwrap();
    let port = node.address().port();
    let labels = format!(
        "server_address=\"127.0.0.1\",server_port=\"{port}\",cassandra_coordinator_dc=\"datacenter1\""
    );
    for line in [
        "# TYPE helenus_requests_succeeded counter".to_owned(),
        "helenus_requests_succeeded_total 3".to_owned(),
        "helenus_requests_failed_total{error_type=\"session_closed\"} 1".to_owned(),
        format!("helenus_attempts_answered_total{{{labels}}} 3"),
        format!("helenus_connections_opened_total{{{labels}}} 1"),
        "# TYPE helenus_requests_in_flight gauge".to_owned(),
        "# TYPE db_client_operation_duration_seconds histogram".to_owned(),
        "db_client_operation_duration_seconds_count{db_system_name=\"cassandra\",outcome=\"success\"} 3"
            .to_owned(),
        format!("helenus_attempt_duration_seconds_bucket{{le=\"+Inf\",{labels}}} 3"),
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
    assert!(text.ends_with("# EOF\n"));
}

#[cfg(feature = "opentelemetry")]
mod opentelemetry {
    use std::collections::BTreeMap;
    use std::sync::{Arc, Mutex};

    use helenus::OpenTelemetryMetrics;
    use helenus_protocol::ErrorCode;
    use helenus_testkit::fake::{FakeNode, Reply};
    use opentelemetry::KeyValue;
    use opentelemetry::metrics::{
        AsyncInstrument, AsyncInstrumentBuilder, Callback, Histogram, HistogramBuilder, InstrumentProvider,
        Meter, ObservableCounter, SyncInstrument,
    };

    use crate::common::{builder, script};

    type Attributes = BTreeMap<String, String>;
    /// The callbacks of a counter, by its name.
    type Counter = (String, Vec<Callback<u64>>);

    /// A meter that keeps what it is told.
    #[derive(Clone, Default)]
    struct Kept {
        durations: Arc<Mutex<Vec<Attributes>>>,
        counters: Arc<Mutex<Vec<Counter>>>,
    }

    fn map(attributes: &[KeyValue]) -> Attributes {
        let pairs = attributes.iter();
        pairs
            .map(|pair| (pair.key.to_string(), pair.value.to_string()))
            .collect()
    }

    impl SyncInstrument<f64> for Kept {
        fn measure(&self, measurement: f64, attributes: &[KeyValue]) {
            assert!(measurement > 0.0);
            self.durations.lock().unwrap().push(map(attributes));
        }
    }

    impl InstrumentProvider for Kept {
        fn f64_histogram(&self, builder: HistogramBuilder<'_, Histogram<f64>>) -> Histogram<f64> {
            assert_eq!(builder.name, "db.client.operation.duration");
            Histogram::new(Arc::new(self.clone()))
        }

        fn u64_observable_counter(
            &self,
            builder: AsyncInstrumentBuilder<'_, ObservableCounter<u64>, u64>,
        ) -> ObservableCounter<u64> {
            let counter = (builder.name.to_string(), builder.callbacks);
            self.counters.lock().unwrap().push(counter);
            ObservableCounter::new()
        }
    }

    #[derive(Default)]
    struct Observed(Mutex<Vec<(u64, Attributes)>>);

    impl AsyncInstrument<u64> for Observed {
        fn observe(&self, measurement: u64, attributes: &[KeyValue]) {
            self.0.lock().unwrap().push((measurement, map(attributes)));
        }
    }

    #[tokio::test]
    async fn opentelemetry_gets_durations_by_the_conventions_and_counts_when_it_collects() {
        let kept = Kept::default();
        let meter = Meter::new(Arc::new(kept.clone()));
        let refuse = vec![Reply::error(ErrorCode::Overloaded, "no").into()];
        let node = FakeNode::start(script().on_statement("DELETE", refuse))
            .await
            .unwrap();
        let tracker = Arc::new(OpenTelemetryMetrics::new(&meter));
        let cluster = builder(&node).request_tracker(tracker).build().unwrap();
        let session = cluster.connect().await.unwrap();
        OpenTelemetryMetrics::observe(&meter, {
            let session = session.clone();
            move || session.metrics()
        });
        session.query("SELECT 1", ()).await.unwrap();
        session.query("DELETE", ()).await.unwrap_err();
        let durations = kept.durations.lock().unwrap();
        assert_eq!(durations.len(), 2);
        assert_eq!(durations[0]["db.operation.name"], "SELECT");
        assert_eq!(durations[0]["db.system.name"], "cassandra");
        assert_eq!(durations[0]["server.port"], node.address().port().to_string());
        assert!(!durations[0].contains_key("error.type"));
        assert_eq!(durations[1]["error.type"], "overloaded");

        let collect = |name: &str| {
            let counters = kept.counters.lock().unwrap();
            let (_, callbacks) = counters.iter().find(|(found, _)| found == name).unwrap();
            let observed = Observed::default();
            for callback in callbacks {
                callback(&observed);
            }
            observed.0.into_inner().unwrap()
        };
        assert_eq!(collect("helenus.requests.succeeded"), [(1, Attributes::new())]);
        let failed = collect("helenus.attempts.failed");
        assert_eq!((failed.len(), failed[0].0), (1, 1));
        assert_eq!(failed[0].1["error.type"], "overloaded");
        assert_eq!(failed[0].1["server.address"], "127.0.0.1");
    }
}
