//! Every request comes back from its bytes, in every version.

use proptest::prelude::*;

use super::*;
use crate::testing::{any_consistency, any_version};

/// Parts of a request that outlive it.
#[derive(Clone, Debug)]
struct Parts {
    text: String,
    id: Vec<u8>,
    values: Vec<(String, Option<Option<Vec<u8>>>)>,
    names: bool,
    levels: (ConsistencyLevel, Option<ConsistencyLevel>),
    numbers: (Option<i32>, Option<i64>, Option<i32>),
    paging_state: Option<Vec<u8>>,
    keyspace: Option<String>,
    switches: (bool, bool),
    continuous: Option<(i32, i32, i32)>,
    stream: i16,
}

fn any_parts() -> impl Strategy<Value = Parts> {
    use proptest::collection::vec;
    use proptest::option::of;
    (
        (
            ".{0,20}",
            vec(any::<u8>(), 0..20),
            vec((".{0,3}", of(of(vec(any::<u8>(), 0..5)))), 0..4),
        ),
        (any::<bool>(), (any_consistency(), of(any_consistency()))),
        any::<(Option<i32>, Option<i64>, Option<i32>)>(),
        of(vec(any::<u8>(), 0..9)),
        (
            of("[a-z]{1,9}"),
            any::<(bool, bool)>(),
            any::<Option<(i32, i32, i32)>>(),
            0..i16::MAX,
        ),
    )
        .prop_map(
            |(
                (text, id, values),
                (names, levels),
                numbers,
                paging_state,
                (keyspace, switches, continuous, stream),
            )| Parts {
                text,
                id,
                values,
                names,
                levels,
                numbers,
                paging_state,
                keyspace,
                switches,
                continuous,
                stream,
            },
        )
}

impl Parts {
    fn encode_values(&self, names: bool, version: ProtocolVersion) -> (Vec<u8>, bool) {
        let mut bytes = Vec::new();
        let mut has_unset = false;
        for (name, value) in &self.values {
            if names {
                write::string(&mut bytes, name, "name").unwrap();
            }
            match value {
                None if version.features().unset_values => {
                    has_unset = true;
                    write::int(&mut bytes, -2);
                }
                None => write::int(&mut bytes, -1),
                Some(value) => write::bytes(&mut bytes, value.as_deref(), "value").unwrap(),
            }
        }
        (bytes, has_unset)
    }

    fn values<'a>(&self, names: bool, (bytes, has_unset): &'a (Vec<u8>, bool)) -> Values<'a> {
        Values {
            count: self.values.len() as u16,
            names: names && !self.values.is_empty(),
            has_unset: *has_unset,
            bytes,
        }
    }

    fn parameters<'a>(&'a self, values: Values<'a>, version: ProtocolVersion) -> QueryParameters<'a> {
        let features = version.features();
        QueryParameters {
            consistency: self.levels.0,
            values,
            skip_metadata: self.switches.0,
            page_size: self.numbers.0,
            page_size_in_bytes: self.switches.1 && features.continuous_paging,
            paging_state: self.paging_state.as_deref(),
            serial_consistency: self.levels.1,
            timestamp: self.numbers.1,
            keyspace: self.keyspace.as_deref().filter(|_| features.keyspace_per_request),
            now_in_seconds: self.numbers.2.filter(|_| features.now_in_seconds),
            continuous_paging: self.continuous.filter(|_| features.continuous_paging).map(
                |(max_pages, pages_per_second, next_pages)| ContinuousPaging {
                    max_pages,
                    pages_per_second,
                    next_pages: match features.continuous_paging_backpressure {
                        true => next_pages,
                        false => 0,
                    },
                },
            ),
        }
    }
}

proptest! {
    #[test]
    fn every_request_comes_back(parts in any_parts(), version in any_version(), tracing: bool) {
        let features = version.features();
        let named = parts.encode_values(parts.names, version);
        let values = parts.values(parts.names, &named);
        let positional = parts.encode_values(false, version);
        let parameters = parts.parameters(values, version);
        let entries = [
            BatchEntry::Query { text: &parts.text, values: parts.values(false, &positional) },
            BatchEntry::Prepared { id: &parts.id, values: parts.values(false, &positional) },
        ];
        let result_metadata_id = match features.result_metadata_id {
            crate::MetadataIdSupport::Present => Some(&parts.id[..]),
            crate::MetadataIdSupport::Absent => None,
        };
        let mut requests = vec![
            Request::Startup(Startup::new().with(&parts.text, parts.text.clone())),
            Request::Options,
            Request::Query(Query { text: &parts.text, parameters }),
            Request::Prepare(Prepare { text: &parts.text, keyspace: parameters.keyspace }),
            Request::Execute(Execute { id: &parts.id, result_metadata_id, parameters }),
            Request::Batch(Batch {
                kind: BatchKind::Counter,
                statements: entries.to_vec(),
                consistency: parameters.consistency,
                serial_consistency: parameters.serial_consistency,
                timestamp: parameters.timestamp,
                keyspace: parameters.keyspace,
                now_in_seconds: parameters.now_in_seconds,
            }),
            Request::Register(Register { events: vec![EventKind::StatusChange] }),
            Request::AuthResponse(AuthResponse { token: parts.paging_state.as_deref() }),
        ];
        if features.continuous_paging {
            requests.push(Request::Revise(Revise::Cancel { stream: parts.stream.into() }));
        }
        let payload = CustomPayload::from([
            ("a".to_owned(), parts.paging_state.clone().map(Bytes::from)),
            ("b".to_owned(), None),
        ]);
        let options = RequestOptions {
            tracing,
            custom_payload: Some(&payload).filter(|_| features.custom_payload && parts.names),
            compression: None,
        };
        let (mut shortest, mut general) = (vec![7], vec![7]);
        let stream = StreamId::new(0x102).unwrap();
        for parameters in [parameters, QueryParameters { paging_state: None, keyspace: None, now_in_seconds: None,
            continuous_paging: None, page_size_in_bytes: false, ..parameters }] {
            let execute = Execute { id: &parts.id, result_metadata_id, parameters };
            for options in [options, RequestOptions::default()] {
                let start = shortest.len();
                encode_execute(&execute, version, stream, &options, &mut shortest).unwrap();
                encode_request(&Request::Execute(execute), version, stream, &options, &mut general).unwrap();
                // What leaves the values out is the same around them.
                let mut around = shortest[..start].to_vec();
                let bare = !options.tracing && options.custom_payload.is_none();
                let plain = PlainExecute::of(&execute).filter(|_| bare);
                if let Some(at) = plain.and_then(|plain| plain.encode_around(version, stream, &mut around)) {
                    around.splice(at..at, execute.parameters.values.bytes.iter().copied());
                    prop_assert_eq!(&around, &shortest);
                } else {
                    prop_assert_eq!(&around, &shortest[..start]);
                }
            }
        }
        prop_assert_eq!(shortest, general);
        for request in requests {
            let (header, body) = split(&encode(&request, version, &options));
            let decoded = Request::decode(&header, &body).unwrap();
            prop_assert_eq!(&decoded.request, &request);
            prop_assert_eq!(decoded.tracing, tracing);
            prop_assert_eq!(decoded.custom_payload.as_ref(), options.custom_payload);
            assert_robust(&header, &body);
        }
    }
}
