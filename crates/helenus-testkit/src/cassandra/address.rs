//! Loopback addresses and ports for the nodes of a cluster.
//!
//! All nodes listen on the same ports, each on an address of its own; only JMX, which Cassandra binds to 127.0.0.1, gets a port
//! for each node. Ports are looked at before a node starts, so that a clash is an error that names the address.

use std::fmt;
use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::str::FromStr;
use std::sync::atomic::{AtomicU16, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};

use super::error::{Error, Result};
use super::yaml::{NATIVE_PORT, STORAGE_PORT};

/// The first three numbers of the addresses of a cluster's nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressPrefix {
    /// This prefix; the middle two numbers of 127.a.b.
    Fixed(u8, u8),
    /// The first of 127.0.1 to 127.0.200 that no other cluster uses, so that clusters can run beside each other.
    Auto,
}

impl Default for AddressPrefix {
    fn default() -> Self {
        Self::Fixed(0, 0)
    }
}

/// Parsed from `127.0.3`, with or without a dot at the end, or `auto`.
impl FromStr for AddressPrefix {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        if text == "auto" {
            return Ok(Self::Auto);
        }
        let numbers: Vec<_> = text
            .trim_end_matches('.')
            .split('.')
            .map(str::parse::<u8>)
            .collect();
        match numbers[..] {
            [Ok(127), Ok(a), Ok(b)] => Ok(Self::Fixed(a, b)),
            _ => Err(Error::Option {
                option: "address prefix".to_owned(),
                reason: format!("{text:?} is neither 127.A.B nor auto"),
            }),
        }
    }
}

impl fmt::Display for AddressPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(a, b) => write!(f, "127.{a}.{b}."),
            Self::Auto => f.write_str("auto"),
        }
    }
}

/// The addresses of one cluster, taken as long as this lives.
#[derive(Debug)]
pub(crate) struct Addresses {
    prefix: (u8, u8),
    first_host: u8,
    /// Held so that no other process chooses the same prefix.
    _lock: Option<File>,
}

impl Addresses {
    /// Settles the prefix and sees that the ports of `nodes` nodes are free. Locks are files in `directory`.
    pub(crate) fn reserve(
        prefix: AddressPrefix,
        first_host: u8,
        nodes: usize,
        directory: &Path,
    ) -> Result<Self> {
        match prefix {
            AddressPrefix::Fixed(a, b) => {
                let addresses = Self {
                    prefix: (a, b),
                    first_host,
                    _lock: None,
                };
                // A cluster whose owner was killed a moment ago may still be on its way out.
                let deadline = Instant::now() + PATIENCE;
                loop {
                    match addresses.check_all(nodes) {
                        Err(Error::AddressInUse { .. }) if Instant::now() < deadline => sleep(POLL),
                        checked => return checked.map(|()| addresses),
                    }
                }
            }
            AddressPrefix::Auto => {
                std::fs::create_dir_all(directory).map_err(Error::io("create", directory))?;
                for b in AUTO {
                    let path = directory.join(format!("127.0.{b}.lock"));
                    let lock = File::create(&path).map_err(Error::io("create", &path))?;
                    if lock.try_lock().is_err() {
                        continue;
                    }
                    let addresses = Self {
                        prefix: (0, b),
                        first_host,
                        _lock: Some(lock),
                    };
                    match addresses.check_all(nodes) {
                        Err(Error::AddressInUse { .. }) => continue,
                        checked => return checked.map(|()| addresses),
                    }
                }
                Err(Error::NoFreePrefix {
                    first: format!("127.0.{}", AUTO.start()),
                    last: format!("127.0.{}", AUTO.end()),
                })
            }
        }
    }

    /// The address of the node with this number, counted from 1.
    pub(crate) fn of(&self, number: usize) -> Result<Ipv4Addr> {
        let (a, b) = self.prefix;
        let out = || Error::OutOfAddresses {
            number,
            prefix: format!("127.{a}.{b}."),
        };
        let host = usize::from(self.first_host).checked_add(number).ok_or_else(out)? - 1;
        let host = u8::try_from(host)
            .ok()
            .filter(|host| *host < 255)
            .ok_or_else(out)?;
        Ok(Ipv4Addr::new(127, a, b, host))
    }

    fn check_all(&self, nodes: usize) -> Result<()> {
        (1..=nodes).try_for_each(|number| check_ports(self.of(number)?))
    }
}

/// Sees that a node's own ports are free.
pub(crate) fn check_ports(address: Ipv4Addr) -> Result<()> {
    for (port, purpose) in [(NATIVE_PORT, "CQL"), (STORAGE_PORT, "storage")] {
        let address = SocketAddr::from((address, port));
        check_free(address).map_err(|source| Error::AddressInUse {
            address,
            purpose,
            source,
        })?;
    }
    Ok(())
}

/// Binds and does not listen: to whoever watches for the node's port to open, one that listens for a moment looks like the node.
pub(crate) fn check_free(address: SocketAddr) -> std::io::Result<()> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    // As servers bind: connections that linger do not count, a socket that listens does.
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())
}

/// A free port on 127.0.0.1 for JMX. It lies below the range from which systems give out ports for outgoing connections, and
/// two calls in this process do not return the same one.
pub(crate) fn free_jmx_port() -> Result<u16> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Processes that start at the same time begin at different places.
    let spread = (std::process::id() as u16).wrapping_mul(61);
    let mut last = None;
    for _ in 0..JMX_PORTS.len() {
        let turn = NEXT.fetch_add(1, Ordering::Relaxed).wrapping_add(spread);
        let port = JMX_PORTS.start + turn % JMX_PORTS.len() as u16;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        match check_free(address) {
            Ok(()) => return Ok(port),
            Err(source) => {
                last = Some(Error::AddressInUse {
                    address,
                    purpose: "JMX",
                    source,
                })
            }
        }
    }
    Err(last.unwrap_or(Error::NoFreePrefix {
        first: "127.0.0.1".to_owned(),
        last: "127.0.0.1".to_owned(),
    }))
}

const PATIENCE: Duration = Duration::from_secs(3);
const POLL: Duration = Duration::from_millis(50);
const AUTO: std::ops::RangeInclusive<u8> = 1..=200;
const JMX_PORTS: std::ops::Range<u16> = 20_000..30_000;

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;

    use super::*;

    #[test]
    fn prefixes_are_parsed_and_printed() {
        for (text, prefix) in [
            ("127.0.3", AddressPrefix::Fixed(0, 3)),
            ("127.9.1.", AddressPrefix::Fixed(9, 1)),
        ] {
            assert_eq!(text.parse::<AddressPrefix>().unwrap(), prefix);
        }
        assert_eq!("auto".parse::<AddressPrefix>().unwrap(), AddressPrefix::Auto);
        assert_eq!(AddressPrefix::Fixed(0, 3).to_string(), "127.0.3.");
        for text in ["10.0.0", "127.0", "127.0.256", "127.0.0.1", ""] {
            assert!(text.parse::<AddressPrefix>().is_err(), "{text}");
        }
    }

    #[test]
    fn node_numbers_count_on_from_the_first_host_and_stop_at_254() {
        let addresses = Addresses {
            prefix: (0, 7),
            first_host: 10,
            _lock: None,
        };
        assert_eq!(addresses.of(1).unwrap(), Ipv4Addr::new(127, 0, 7, 10));
        assert_eq!(addresses.of(245).unwrap(), Ipv4Addr::new(127, 0, 7, 254));
        assert!(matches!(
            addresses.of(246),
            Err(Error::OutOfAddresses { number: 246, .. })
        ));
    }

    #[test]
    fn a_taken_port_is_named() {
        let address = Ipv4Addr::new(127, 0, 250, 1);
        check_ports(address).unwrap();
        let _listener = TcpListener::bind((address, NATIVE_PORT)).unwrap();
        let error = check_ports(address).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("127.0.250.1:9042, needed as the CQL port"),
            "{error}"
        );
    }

    #[test]
    fn looking_at_a_port_never_takes_a_connection() {
        let address = Ipv4Addr::new(127, 0, 250, 2);
        let (watched, patience) = ((address, NATIVE_PORT).into(), Duration::from_millis(1));
        let stop = Arc::new(AtomicBool::new(false));
        let watching = std::thread::spawn({
            let stop = Arc::clone(&stop);
            move || {
                let mut taken = 0;
                while !stop.load(Ordering::Relaxed) {
                    taken += usize::from(TcpStream::connect_timeout(&watched, patience).is_ok());
                }
                taken
            }
        });
        for _ in 0..20_000 {
            check_ports(address).unwrap();
        }
        stop.store(true, Ordering::Relaxed);
        assert_eq!(watching.join().unwrap(), 0);
    }

    #[test]
    fn automatic_prefixes_differ_while_they_are_held() {
        let locks = std::env::temp_dir().join(format!("helenus-address-test-{}", std::process::id()));
        let one = Addresses::reserve(AddressPrefix::Auto, 1, 1, &locks).unwrap();
        let two = Addresses::reserve(AddressPrefix::Auto, 1, 1, &locks).unwrap();
        assert_ne!(one.of(1).unwrap(), two.of(1).unwrap());
        drop(one);
        let _ = std::fs::remove_dir_all(&locks);
    }
}
