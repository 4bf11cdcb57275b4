//! cassandra.yaml of a node, made from its options.
//!
//! Only keys without a usable default are written, one on a line with its value as JSON, which YAML contains. The names of
//! keys follow the family: 4.0 puts units into names, 4.1 and later into values.

use std::fmt::Write as _;
use std::net::Ipv4Addr;
use std::path::Path;

use serde_json::{Map, Value, json};

use super::error::{Error, Result};
use super::options::{ClusterOptions, ProtocolLimits};
use super::tls::{STORE_PASSWORD, TlsMode};
use super::version::Family;

/// What differs between the nodes of one cluster.
pub(crate) struct NodeSettings<'a> {
    pub(crate) address: Ipv4Addr,
    pub(crate) seeds: &'a [Ipv4Addr],
    /// Tokens for a node that is there from the beginning; `None` for one that joins.
    pub(crate) initial_tokens: Option<Vec<i64>>,
    pub(crate) data: &'a Path,
    /// Directory of the key and trust stores.
    pub(crate) tls: &'a Path,
}

/// The text of cassandra.yaml.
pub(crate) fn cassandra_yaml(options: &ClusterOptions, node: &NodeSettings<'_>) -> Result<String> {
    let mut keys = base(options, node);
    merge(&mut keys, family_keys(options));
    merge(&mut keys, limits(options.version.family(), &options.limits)?);
    if options.tls != TlsMode::Off {
        keys.insert(
            "client_encryption_options".to_owned(),
            client_encryption(options.tls, node.address, node.tls),
        );
    }
    for (path, value) in &options.yaml {
        set(&mut keys, path, value.clone())?;
    }
    let mut text = String::new();
    for (key, value) in &keys {
        // Writing into a string cannot fail.
        let _ = writeln!(text, "{key}: {value}");
    }
    Ok(text)
}

fn base(options: &ClusterOptions, node: &NodeSettings<'_>) -> Map<String, Value> {
    let seeds: Vec<String> = node.seeds.iter().map(Ipv4Addr::to_string).collect();
    let data = |name: &str| node.data.join(name);
    let mut keys = object(json!({
        "cluster_name": "helenus test cluster",
        "num_tokens": options.num_tokens,
        "partitioner": "org.apache.cassandra.dht.Murmur3Partitioner",
        "seed_provider": [{
            "class_name": "org.apache.cassandra.locator.SimpleSeedProvider",
            "parameters": [{ "seeds": seeds.join(",") }],
        }],
        "data_file_directories": [data("data")],
        "commitlog_directory": data("commitlog"),
        "saved_caches_directory": data("saved_caches"),
        "hints_directory": data("hints"),
        "cdc_raw_directory": data("cdc_raw"),
        "commitlog_sync": "periodic",
        "commit_failure_policy": "stop",
        "disk_failure_policy": "stop",
        "listen_address": node.address,
        "rpc_address": node.address,
        "storage_port": STORAGE_PORT,
        "native_transport_port": NATIVE_PORT,
        "endpoint_snitch": "GossipingPropertyFileSnitch",
        "authenticator": if options.authentication { "PasswordAuthenticator" } else { "AllowAllAuthenticator" },
        "authorizer": if options.authorization { "CassandraAuthorizer" } else { "AllowAllAuthorizer" },
        "role_manager": "CassandraRoleManager",
        "auto_snapshot": false,
        "concurrent_reads": 8,
        "concurrent_writes": 8,
        "concurrent_counter_writes": 8,
        "native_transport_max_threads": 16,
    }));
    if let Some(tokens) = &node.initial_tokens {
        let tokens: Vec<String> = tokens.iter().map(i64::to_string).collect();
        keys.insert("initial_token".to_owned(), tokens.join(",").into());
        keys.insert("auto_bootstrap".to_owned(), false.into());
    }
    keys
}

fn family_keys(options: &ClusterOptions) -> Map<String, Value> {
    let mut keys = match options.version.family() {
        Family::V4_0 => json!({
            "commitlog_sync_period_in_ms": 10000,
            "commitlog_total_space_in_mb": 256,
            "file_cache_size_in_mb": 64,
            "enable_user_defined_functions": options.user_defined_functions,
            "enable_materialized_views": options.materialized_views,
            "enable_sasi_indexes": options.sasi_indexes,
        }),
        Family::V4_1 | Family::V5_0 => json!({
            "commitlog_sync_period": "10000ms",
            "commitlog_total_space": "256MiB",
            "file_cache_size": "64MiB",
            "user_defined_functions_enabled": options.user_defined_functions,
            "materialized_views_enabled": options.materialized_views,
            "sasi_indexes_enabled": options.sasi_indexes,
        }),
    };
    if options.version.family() >= Family::V5_0 {
        // Without it 5.0 keeps to what 4.x can read back, and hides features of its own.
        keys["storage_compatibility_mode"] = "NONE".into();
        keys["memtable_allocation_type"] = "heap_buffers".into();
        keys["dynamic_data_masking_enabled"] = options.dynamic_data_masking.into();
    }
    object(keys)
}

/// The limits on clients. With a small heap Cassandra's defaults refuse statements of 10 MB, so these are wider.
fn limits(family: Family, limits: &ProtocolLimits) -> Result<Map<String, Value>> {
    let in_flight = limits.max_request_data_in_flight.unwrap_or(128 * MIB);
    let per_ip = limits
        .max_request_data_in_flight_per_ip
        .unwrap_or(in_flight.min(64 * MIB));
    let mut keys = if family == Family::V4_0 {
        for (option, set) in [
            ("max_message_size", limits.max_message_size.is_some()),
            (
                "max_requests_per_second",
                limits.max_requests_per_second.is_some(),
            ),
        ] {
            if set {
                return Err(Error::Option {
                    option: option.to_owned(),
                    reason: "Cassandra 4.0 has no such limit".to_owned(),
                });
            }
        }
        object(json!({
            "native_transport_max_concurrent_requests_in_bytes": in_flight,
            "native_transport_max_concurrent_requests_in_bytes_per_ip": per_ip,
        }))
    } else {
        let message = limits
            .max_message_size
            .unwrap_or(in_flight.min(per_ip).min(16 * MIB));
        object(json!({
            "native_transport_max_request_data_in_flight": format!("{in_flight}B"),
            "native_transport_max_request_data_in_flight_per_ip": format!("{per_ip}B"),
            "native_transport_max_message_size": format!("{message}B"),
        }))
    };
    let mut add = |key: &str, value: Option<Value>| {
        if let Some(value) = value {
            keys.insert(format!("native_transport_{key}"), value);
        }
    };
    if family == Family::V4_0 {
        add("max_frame_size_in_mb", limits.max_frame_size_mib.map(Value::from));
    } else {
        add(
            "max_frame_size",
            limits.max_frame_size_mib.map(|mib| format!("{mib}MiB").into()),
        );
        add(
            "rate_limiting_enabled",
            limits.max_requests_per_second.map(|_| true.into()),
        );
        add(
            "max_requests_per_second",
            limits.max_requests_per_second.map(Value::from),
        );
    }
    add(
        "max_concurrent_connections",
        limits.max_concurrent_connections.map(Value::from),
    );
    add(
        "max_concurrent_connections_per_ip",
        limits.max_concurrent_connections_per_ip.map(Value::from),
    );
    add("max_threads", limits.max_threads.map(Value::from));
    add(
        "allow_older_protocols",
        limits.allow_older_protocols.map(Value::from),
    );
    Ok(keys)
}

fn client_encryption(mode: TlsMode, address: Ipv4Addr, stores: &Path) -> Value {
    json!({
        "enabled": true,
        "optional": false,
        "keystore": stores.join(format!("{address}.p12")),
        "keystore_password": STORE_PASSWORD,
        "require_client_auth": mode == TlsMode::Mutual,
        "truststore": stores.join("trust.p12"),
        "truststore_password": STORE_PASSWORD,
        "store_type": "PKCS12",
    })
}

/// Evenly spaced tokens: node `index` of `nodes` gets every `nodes`-th of them, so that neighbours on the ring differ.
pub(crate) fn even_tokens(index: usize, nodes: usize, num_tokens: u32) -> Vec<i64> {
    let all = nodes as u128 * u128::from(num_tokens);
    (0..u128::from(num_tokens))
        .map(|turn| {
            let place = ((turn * nodes as u128 + index as u128) << 64) / all;
            // The ring begins at i64::MIN, which is not itself a token: half a step in.
            let step = (1u128 << 64) / all;
            (i128::from(i64::MIN) + (place + step / 2) as i128) as i64
        })
        .collect()
}

/// Sets the value at a dotted path, making maps on the way.
fn set(keys: &mut Map<String, Value>, path: &str, value: Value) -> Result<()> {
    let fail = |reason: &str| Error::Option {
        option: format!("yaml {path}"),
        reason: reason.to_owned(),
    };
    let (parents, leaf) = path
        .rsplit_once('.')
        .map_or((None, path), |(parents, leaf)| (Some(parents), leaf));
    let mut map = keys;
    for name in parents
        .into_iter()
        .flat_map(|parents| parents.split('.'))
        .chain([leaf])
    {
        if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            return Err(fail(
                "a key is made of letters, digits and '_', with dots between levels",
            ));
        }
    }
    for name in parents.into_iter().flat_map(|parents| parents.split('.')) {
        let entry = map.entry(name).or_insert_with(|| json!({}));
        map = entry
            .as_object_mut()
            .ok_or_else(|| fail("leads into a value that is not a map"))?;
    }
    map.insert(leaf.to_owned(), value);
    Ok(())
}

fn merge(into: &mut Map<String, Value>, from: Map<String, Value>) {
    into.extend(from);
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

const MIB: u64 = 1024 * 1024;
/// Port of the CQL protocol on every node.
pub(crate) const NATIVE_PORT: u16 = 9042;
/// Port on which nodes talk to each other.
pub(crate) const STORAGE_PORT: u16 = 7000;

#[cfg(test)]
mod tests {
    use super::*;

    fn yaml(options: &ClusterOptions) -> Map<String, Value> {
        let node = NodeSettings {
            address: Ipv4Addr::new(127, 0, 0, 2),
            seeds: &[Ipv4Addr::new(127, 0, 0, 1)],
            initial_tokens: Some(vec![-5, 7]),
            data: Path::new("/tmp/n"),
            tls: Path::new("/tmp/tls"),
        };
        let text = cassandra_yaml(options, &node).unwrap();
        text.lines()
            .map(|line| line.split_once(": ").unwrap())
            .map(|(key, value)| (key.to_owned(), serde_json::from_str(value).unwrap()))
            .collect()
    }

    fn options(version: &str) -> ClusterOptions {
        ClusterOptions::new(version.parse().unwrap())
    }

    #[test]
    fn a_node_is_told_its_address_seeds_tokens_and_directories() {
        let keys = yaml(&options("5.0"));
        assert_eq!(keys["rpc_address"], "127.0.0.2");
        assert_eq!(keys["seed_provider"][0]["parameters"][0]["seeds"], "127.0.0.1");
        assert_eq!(keys["initial_token"], "-5,7");
        assert_eq!(keys["auto_bootstrap"], false);
        assert_eq!(keys["data_file_directories"][0], "/tmp/n/data");
        assert_eq!(keys["storage_compatibility_mode"], "NONE");
    }

    #[test]
    fn features_follow_the_key_names_of_the_family() {
        let features = |version| {
            options(version)
                .user_defined_functions(true)
                .materialized_views(true)
                .sasi_indexes(true)
        };
        let keys = yaml(&features("4.0"));
        for key in [
            "enable_user_defined_functions",
            "enable_materialized_views",
            "enable_sasi_indexes",
        ] {
            assert_eq!(keys[key], true, "{key}");
        }
        for version in ["4.1", "5.0"] {
            let keys = yaml(&features(version));
            for key in [
                "user_defined_functions_enabled",
                "materialized_views_enabled",
                "sasi_indexes_enabled",
            ] {
                assert_eq!(keys[key], true, "{version} {key}");
            }
        }
        let masking = |version| yaml(&options(version).all_features()).remove("dynamic_data_masking_enabled");
        assert_eq!(masking("5.0"), Some(true.into()));
        assert_eq!(masking("4.1"), None);
        assert!(!yaml(&options("4.1")).contains_key("storage_compatibility_mode"));
    }

    #[test]
    fn limits_carry_the_unit_the_family_expects() {
        let limits = ProtocolLimits {
            max_frame_size_mib: Some(8),
            max_request_data_in_flight: Some(4 * MIB),
            max_concurrent_connections: Some(3),
            allow_older_protocols: Some(false),
            ..ProtocolLimits::default()
        };
        let keys = yaml(&options("4.0").limits(limits));
        assert_eq!(keys["native_transport_max_frame_size_in_mb"], 8);
        assert_eq!(
            keys["native_transport_max_concurrent_requests_in_bytes_per_ip"],
            4 * MIB
        );
        let keys = yaml(&options("5.0").limits(limits));
        assert_eq!(keys["native_transport_max_frame_size"], "8MiB");
        assert_eq!(keys["native_transport_max_request_data_in_flight"], "4194304B");
        // A message may not be larger than what may be in flight: Cassandra would refuse to start.
        assert_eq!(keys["native_transport_max_message_size"], "4194304B");
        assert_eq!(keys["native_transport_max_concurrent_connections"], 3);
        assert_eq!(keys["native_transport_allow_older_protocols"], false);
    }

    #[test]
    fn a_limit_that_the_version_lacks_is_an_error() {
        let limits = ProtocolLimits {
            max_message_size: Some(1),
            ..ProtocolLimits::default()
        };
        let error = super::limits(Family::V4_0, &limits).unwrap_err();
        assert!(matches!(error, Error::Option { option, .. } if option == "max_message_size"));
    }

    #[test]
    fn overrides_win_and_reach_into_maps() {
        let keys = yaml(
            &options("5.0")
                .tls(TlsMode::Mutual)
                .yaml("client_encryption_options.optional", true)
                .yaml("num_tokens", 4)
                .yaml(
                    "memtable.configurations.default",
                    json!({"class_name": "TrieMemtable"}),
                ),
        );
        assert_eq!(keys["client_encryption_options"]["optional"], true);
        assert_eq!(keys["client_encryption_options"]["require_client_auth"], true);
        assert_eq!(keys["client_encryption_options"]["store_type"], "PKCS12");
        assert_eq!(keys["num_tokens"], 4);
        assert_eq!(
            keys["memtable"]["configurations"]["default"]["class_name"],
            "TrieMemtable"
        );
    }

    #[test]
    fn an_override_cannot_break_the_file() {
        for path in ["", "a..b", "a: 1\nb", "num_tokens.x", " a"] {
            let mut keys = object(json!({"num_tokens": 16}));
            assert!(
                matches!(set(&mut keys, path, json!(1)), Err(Error::Option { .. })),
                "{path:?}"
            );
        }
    }

    #[test]
    fn tokens_are_distinct_ordered_and_even() {
        for (nodes, num_tokens) in [(1, 1), (3, 16), (5, 256), (64, 1)] {
            let mut all: Vec<i64> = (0..nodes)
                .flat_map(|index| even_tokens(index, nodes, num_tokens))
                .collect();
            all.sort_unstable();
            let gaps = all
                .windows(2)
                .map(|pair| i128::from(pair[1]) - i128::from(pair[0]));
            let step = (1i128 << 64) / all.len() as i128;
            assert_eq!(all.len(), nodes * num_tokens as usize);
            assert!(
                gaps.into_iter().all(|gap| (gap - step).abs() <= 1),
                "{nodes} nodes"
            );
            assert!(all[0] > i64::MIN);
        }
    }
}
