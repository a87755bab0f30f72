//! `txn`: conditions, and what to do if they hold or not, read line by line as etcdctl reads them.

use std::ffi::OsString;
use std::io::{self, BufRead};

use clap::{Args, Command, FromArgMatches};
use quorate_etcdapi::etcdserverpb::request_op::Request;
use quorate_etcdapi::etcdserverpb::{RequestOp, TxnRequest};

use super::compare::compare;
use super::kv::{DelFlags, GetFlags, PutFlags};
use super::words::words;
use super::{block_on, kv_client};
use crate::client_flags::Context;
use crate::connect::Kind;
use crate::etcdctl;
use crate::exit::{Exit, Failure, Personality};
use crate::output;

/// The end of the help of `txn`.
pub(crate) const NOTES: &str = "\
Example:
  quorate txn <<'END'
  mod(\"key\") > \"0\"

  put key \"it was there\"

  put key \"it was not\"
  get other --prefix

  END

Conditions come first, one on a line, then what is done if all hold, then what
is done otherwise; an empty line ends each part. Conditions compare
version(KEY), create(KEY), mod(KEY), value(KEY) or lease(KEY), with =, !=, < or
>. Keys and values may be quoted; put, get and del take their flags.";

/// What shows whether a transaction happened.
const LOOK: &str = "`quorate get KEY -w json` tells each key's mod_revision; a transaction that \
    begins with mod(KEY) = ... does no harm when it is sent again";

/// The flags of `txn`.
#[derive(Args, Debug)]
pub(crate) struct TxnFlags {
    /// Ask for each part in turn
    #[arg(short, long)]
    interactive: bool,
}

/// Runs one transaction.
pub(crate) fn run(flags: &TxnFlags, context: &Context) -> Result<(), Failure> {
    context.assert_form_of_keys()?;
    let mut input = io::stdin().lock();
    let personality = context.personality;
    let operation = |line: &str| operation(line, personality);
    prompt(flags, "compares:")?;
    let compare = part(&mut input, compare)?;
    prompt(flags, "success requests (get, put, del):")?;
    let success = part(&mut input, operation)?;
    prompt(flags, "failure requests (get, put, del):")?;
    let failure = part(&mut input, operation)?;
    let request = TxnRequest { compare, success, failure };
    let is_read =
        |operation: &RequestOp| matches!(operation.request, Some(Request::RequestRange(_)));
    let mut operations = request.success.iter().chain(&request.failure);
    let kind = if operations.all(is_read) { Kind::Read } else { Kind::Write };
    let send = |channel| {
        let request = request.clone();
        async move { kv_client(channel).txn(request).await }
    };
    let sent = block_on(context.session.call(kind, send));
    let response = sent.map_err(|failure| failure.if_unknown(|| LOOK.to_owned()))?;
    context.printer.print(&response)
}

fn prompt(flags: &TxnFlags, text: &str) -> Result<(), Failure> {
    if flags.interactive { output::say(text) } else { Ok(()) }
}

/// Reads lines up to an empty one.
fn part<T>(
    input: &mut impl BufRead,
    each: impl Fn(&str) -> Result<T, Failure>,
) -> Result<Vec<T>, Failure> {
    let mut read = Vec::new();
    loop {
        let mut line = Vec::new();
        let count = input.read_until(b'\n', &mut line);
        count.map_err(|error| Failure::new(Exit::InvalidInput, error.to_string()))?;
        if line.pop() != Some(b'\n') {
            // Its last line may be half of what was meant.
            return Err(Failure::new(Exit::InvalidInput, "EOF")
                .with_advice("Each of the three parts ends with an empty line"));
        }
        let line = String::from_utf8(line).map_err(|error| {
            Failure::new(Exit::InvalidInput, format!("a line is no text: {error}"))
        })?;
        match line.trim() {
            "" => return Ok(read),
            line => read.push(each(line)?),
        }
    }
}

fn invalid(line: &str) -> Failure {
    Failure::new(Exit::InvalidInput, format!("invalid txn request: {line}"))
}

/// Reads one operation, written as the command for it alone.
fn operation(line: &str, personality: Personality) -> Result<RequestOp, Failure> {
    let words = words(line).ok_or_else(|| invalid(line))?;
    if words.len() < 2 {
        return Err(invalid(line));
    }
    let arguments: Vec<OsString> = words.into_iter().map(OsString::from).collect();
    let matches = parser(personality)
        .try_get_matches_from(arguments)
        .map_err(|error| etcdctl::failure_of_operation(&error, line))?;
    let (name, matches) = matches.subcommand().ok_or_else(|| invalid(line))?;
    let request = match name {
        "put" => {
            let flags = PutFlags::from_arg_matches(matches).map_err(|_| invalid(line))?;
            if flags.reads_value() {
                return Err(Failure::usage(
                    "put command needs 1 argument and input from stdin or 2 arguments",
                ));
            }
            Request::RequestPut(flags.request())
        }
        "get" => {
            let flags = GetFlags::from_arg_matches(matches).map_err(|_| invalid(line))?;
            Request::RequestRange(flags.request())
        }
        _ => {
            let flags = DelFlags::from_arg_matches(matches).map_err(|_| invalid(line))?;
            Request::RequestDeleteRange(flags.request())
        }
    };
    Ok(RequestOp { request: Some(request) })
}

fn parser(personality: Personality) -> Command {
    let parser = Command::new("txn")
        .multicall(true)
        .args_override_self(true)
        .disable_help_flag(true)
        .disable_help_subcommand(true)
        .subcommand(PutFlags::augment_args(Command::new("put")))
        .subcommand(GetFlags::augment_args(Command::new("get")))
        .subcommand(DelFlags::augment_args(Command::new("del")));
    match personality {
        Personality::Quorate => parser,
        Personality::Etcdctl => etcdctl::lenient(parser),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_are_written_as_commands() {
        let put = operation(r#"put a "x y" --prev-kv"#, Personality::Quorate).unwrap();
        let Some(Request::RequestPut(put)) = put.request else { panic!("it is a put") };
        assert_eq!((&put.key[..], &put.value[..], put.prev_kv), (&b"a"[..], &b"x y"[..], true));
        let get = operation("get a z --limit=1", Personality::Quorate).unwrap();
        let Some(Request::RequestRange(get)) = get.request else { panic!("it is a range") };
        assert_eq!((&get.range_end[..], get.limit), (&b"z"[..], 1));
        let del = operation("del a --prefix=true", Personality::Etcdctl).unwrap();
        let Some(Request::RequestDeleteRange(del)) = del.request else { panic!("it deletes") };
        assert_eq!(&del.range_end[..], b"b");
    }

    #[test]
    fn what_is_no_operation_is_refused() {
        let exit = |line| operation(line, Personality::Etcdctl).unwrap_err().exit();
        assert_eq!(exit("frob a"), Exit::InvalidInput);
        assert_eq!(exit("put"), Exit::InvalidInput);
        assert_eq!(exit("put a"), Exit::Usage);
        assert_eq!(exit("get a --order=X"), Exit::BadFeature);
        assert_eq!(exit("del a --prefix --from-key"), Exit::Usage);
        assert_eq!(exit("get a --nonsense"), Exit::InvalidInput);
    }

    #[test]
    fn a_part_ends_with_an_empty_line_and_not_with_the_input() {
        let number = |line: &str| line.parse::<u8>().map_err(|_| Failure::error("no number"));
        let mut input = &b"1\n 2 \n \n3\n"[..];
        assert_eq!(part(&mut input, number), Ok(vec![1, 2]));
        assert_eq!(part(&mut input, number).unwrap_err().message(), "EOF");
        assert_eq!(part(&mut &b"1"[..], number).unwrap_err().message(), "EOF");
    }
}
