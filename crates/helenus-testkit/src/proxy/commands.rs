//! The control lines of a proxy on the command line: one command a line.
//!
//! ```text
//! delay responses 5 20        each frame waits 5 to 20 milliseconds; `delay responses 0 0` ends that
//! bandwidth requests 100000   bytes in a second; 0 is without limit
//! reorder responses 8         eight frames are put in another order; 0 ends that
//! hold responses              nothing passes; `release responses` lets it
//! stop requests               the sender is not read from; `read requests` reads again
//! cut responses 12            the next frame ends after 12 bytes, and so does the connection
//! reset responses 12          the same, by a TCP reset
//! flip responses payload      one bit of the next frame: header, header-checksum, payload, payload-checksum
//! lose responses              the next frame does not arrive
//! repeat responses            the next frame arrives twice
//! close                       all connections; `abort` does it by TCP resets
//! clear                       no conditions and no strikes any more
//! ```

use std::str::FromStr;
use std::time::Duration;

use helenus_protocol::Direction;

use super::{Part, Proxy, Strike};

/// A control line that means nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{line:?}: {reason}")]
pub struct CommandError {
    line: String,
    reason: String,
}

impl Proxy {
    /// Does what a control line says; see `helenus-testkit proxy --help`.
    ///
    /// # Errors
    /// [`CommandError`] says what is wrong with the line; nothing was done.
    pub fn command(&self, line: &str) -> Result<(), CommandError> {
        let mut words = Words(line.split_whitespace());
        self.obey(&mut words).map_err(|reason| CommandError {
            line: line.to_owned(),
            reason,
        })
    }

    fn obey(&self, words: &mut Words<'_>) -> Result<(), String> {
        let name = words.next("a command")?;
        match name {
            "close" | "abort" | "clear" => {
                words.end()?;
                match name {
                    "clear" => self.clear(),
                    _ => self.close_connections(name == "abort"),
                }
                return Ok(());
            }
            _ => {}
        }
        let direction = words.direction()?;
        let change = match name {
            "delay" => {
                let (least, most): (u64, u64) =
                    (words.number("milliseconds")?, words.number("milliseconds")?);
                if least > most {
                    return Err(format!("{least} is more than {most}"));
                }
                let delay = (Duration::from_millis(least), Duration::from_millis(most));
                words.end()?;
                self.change(direction, |now| now.delay = (most > 0).then_some(delay));
                return Ok(());
            }
            "bandwidth" => {
                let bytes: u32 = words.number("bytes in a second")?;
                words.end()?;
                self.change(direction, |now| now.bandwidth = (bytes > 0).then_some(bytes));
                return Ok(());
            }
            "reorder" => {
                let count: usize = words.number("a number of frames")?;
                words.end()?;
                self.change(direction, |now| now.reorder = (count > 0).then_some(count));
                return Ok(());
            }
            "hold" | "release" | "stop" | "read" => {
                words.end()?;
                self.change(direction, |now| match name {
                    "hold" | "release" => now.held = name == "hold",
                    _ => now.unread = name == "stop",
                });
                return Ok(());
            }
            "cut" => Strike::Cut(words.number("a number of bytes")?),
            "reset" => Strike::Reset(words.number("a number of bytes")?),
            "flip" => Strike::Flip(words.part()?),
            "lose" => Strike::Lose,
            "repeat" => Strike::Repeat,
            _ => return Err(format!("there is no command {name:?}")),
        };
        words.end()?;
        self.strike(direction, change);
        Ok(())
    }
}

struct Words<'a>(std::str::SplitWhitespace<'a>);

impl<'a> Words<'a> {
    fn next(&mut self, what: &str) -> Result<&'a str, String> {
        self.0.next().ok_or_else(|| format!("{what} is missing"))
    }

    fn direction(&mut self) -> Result<Direction, String> {
        match self.next("requests or responses")? {
            "requests" => Ok(Direction::Request),
            "responses" => Ok(Direction::Response),
            other => Err(format!("{other:?} is neither requests nor responses")),
        }
    }

    fn part(&mut self) -> Result<Part, String> {
        match self.next("a part")? {
            "header" => Ok(Part::Header),
            "header-checksum" => Ok(Part::HeaderChecksum),
            "payload" => Ok(Part::Payload),
            "payload-checksum" => Ok(Part::PayloadChecksum),
            other => Err(format!("a frame has no part {other:?}")),
        }
    }

    fn number<N: FromStr>(&mut self, what: &str) -> Result<N, String> {
        let word = self.next(what)?;
        word.parse().map_err(|_| format!("{word:?} is not {what}"))
    }

    fn end(&mut self) -> Result<(), String> {
        match self.0.next() {
            None => Ok(()),
            Some(word) => Err(format!("{word:?} is too much")),
        }
    }
}
