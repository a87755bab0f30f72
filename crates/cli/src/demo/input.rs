//! The keys of a demo: single keys on a terminal, else lines.

use std::io::{self, IsTerminal, Read};
use std::thread;

use rustix::termios::{
    LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr,
};
use tokio::sync::mpsc;

/// Most keys that wait; the terminal keeps what comes on top.
const KEYS_MAX: usize = 16;

/// What Ctrl-D sends where the terminal does not turn it into an end.
const END_OF_TRANSMISSION: u8 = 4;

/// What a key asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    /// Kill the leader.
    Kill,
    /// Restart what is down.
    Restart,
    /// Show how the members are.
    Status,
    /// End the demo.
    Quit,
    /// Nothing that is known.
    Other,
}

/// Where keys come from. Dropping it gives the terminal back as it was.
#[derive(Debug)]
pub(crate) struct Input {
    keys: Option<mpsc::Receiver<Key>>,
    _terminal: Option<Terminal>,
}

impl Input {
    /// No keys at all, ever.
    pub(crate) fn none() -> Self {
        Self { keys: None, _terminal: None }
    }

    /// Standard input.
    pub(crate) fn open() -> Self {
        let terminal = Terminal::of_single_keys();
        let (sender, keys) = mpsc::channel(KEYS_MAX);
        // It cannot be told to end, and ends with the process.
        thread::spawn(move || read_keys(io::stdin(), &sender));
        Self { keys: Some(keys), _terminal: terminal }
    }

    /// Waits for a key. The end of standard input is [`Key::Quit`].
    pub(crate) async fn next(&mut self) -> Key {
        match &mut self.keys {
            Some(keys) => keys.recv().await.unwrap_or(Key::Quit),
            None => std::future::pending().await,
        }
    }
}

fn read_keys(mut input: impl Read, sender: &mpsc::Sender<Key>) {
    let mut byte = [0];
    while input.read(&mut byte).is_ok_and(|count| 0 < count) {
        let Some(key) = key_of(byte[0]) else { continue };
        if sender.blocking_send(key).is_err() {
            return;
        }
    }
}

fn key_of(byte: u8) -> Option<Key> {
    match byte.to_ascii_lowercase() {
        b'k' => Some(Key::Kill),
        b'r' => Some(Key::Restart),
        b's' => Some(Key::Status),
        b'q' | END_OF_TRANSMISSION => Some(Key::Quit),
        byte if byte.is_ascii_whitespace() => None,
        _ => Some(Key::Other),
    }
}

/// A terminal that gives each key at once and shows none. Ctrl-C goes on to be a signal.
#[derive(Debug)]
struct Terminal {
    before: Termios,
}

impl Terminal {
    /// Changes the terminal on standard input, if there is one.
    fn of_single_keys() -> Option<Self> {
        let input = io::stdin();
        if !input.is_terminal() {
            return None;
        }
        let before = tcgetattr(&input).ok()?;
        let mut wanted = before.clone();
        wanted.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO);
        wanted.special_codes[SpecialCodeIndex::VMIN] = 1;
        wanted.special_codes[SpecialCodeIndex::VTIME] = 0;
        tcsetattr(&input, OptionalActions::Now, &wanted).ok()?;
        Some(Self { before })
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // A terminal that is gone needs nothing back.
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.before);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_one_by_one_with_or_without_lines() {
        let (sender, mut keys) = mpsc::channel(KEYS_MAX);
        read_keys(&b"kR\ns x\nq"[..], &sender);
        drop(sender);
        let expected = [Key::Kill, Key::Restart, Key::Status, Key::Other, Key::Quit];
        let read: Vec<Key> = std::iter::from_fn(|| keys.blocking_recv()).collect();
        assert_eq!(read, expected);
    }

    #[test]
    fn the_end_of_the_input_quits() {
        let (sender, keys) = mpsc::channel(KEYS_MAX);
        drop(sender);
        let mut input = Input { keys: Some(keys), _terminal: None };
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        assert_eq!(runtime.block_on(input.next()), Key::Quit);
    }
}
