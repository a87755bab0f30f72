//! Conditions of a transaction as text: `mod("key") > "0"`.

use quorate_etcdapi::etcdserverpb::Compare;
use quorate_etcdapi::etcdserverpb::compare::{CompareResult, CompareTarget, TargetUnion};

use crate::exit::{Exit, Failure};
use crate::output::unquoted;

/// Reads one condition.
pub(crate) fn compare(line: &str) -> Result<Compare, Failure> {
    let (target, rest) = line.split_once('(').ok_or_else(|| malformed(line))?;
    let (key, result, value) = parts(rest).ok_or_else(|| malformed(line))?;
    let (target, union) = union_of(target, &value).map_err(|wrong| match wrong {
        Wrong::Target => malformed(&format!("{line} (unknown target {target})")),
        Wrong::Number => invalid(format!("invalid txn compare request: {line}")),
    })?;
    Ok(Compare {
        result: result.into(),
        target: target.into(),
        key: key.into(),
        target_union: Some(union),
        ..Compare::default()
    })
}

/// What is wrong with a condition that is written well.
#[derive(Debug)]
enum Wrong {
    /// There is nothing of this name to compare.
    Target,
    /// It is compared with a number, and this is none.
    Number,
}

fn malformed(line: &str) -> Failure {
    invalid(format!("malformed comparison: {line}"))
}

fn invalid(message: String) -> Failure {
    Failure::new(Exit::InvalidInput, message)
}

/// The key, the comparison and the value. What comes after the value is ignored, as by etcdctl.
fn parts(text: &str) -> Option<(Vec<u8>, CompareResult, Vec<u8>)> {
    let (key, rest) = unquoted(text)?;
    let rest = rest.strip_prefix(')')?.trim_start_matches(' ');
    let (operator, rest) = rest.split_once(' ')?;
    let result = match operator {
        "=" => CompareResult::Equal,
        "!=" => CompareResult::NotEqual,
        ">" => CompareResult::Greater,
        "<" => CompareResult::Less,
        _ => return None,
    };
    let (value, _) = unquoted(rest.trim_start_matches(' '))?;
    Some((key, result, value))
}

fn union_of(target: &str, value: &[u8]) -> Result<(CompareTarget, TargetUnion), Wrong> {
    let number = |radix| {
        let text = std::str::from_utf8(value).map_err(|_| Wrong::Number)?;
        i64::from_str_radix(text, radix).map_err(|_| Wrong::Number)
    };
    Ok(match target {
        "ver" | "version" => (CompareTarget::Version, TargetUnion::Version(number(10)?)),
        "c" | "create" => (CompareTarget::Create, TargetUnion::CreateRevision(number(10)?)),
        "m" | "mod" => (CompareTarget::Mod, TargetUnion::ModRevision(number(10)?)),
        "val" | "value" => (CompareTarget::Value, TargetUnion::Value(value.to_vec().into())),
        "lease" => (CompareTarget::Lease, TargetUnion::Lease(number(16)?)),
        _ => return Err(Wrong::Target),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_are_read() {
        let cases = [
            (r#"mod("a") > "7""#, CompareResult::Greater, TargetUnion::ModRevision(7)),
            (r#"m("a")   <   "-1" rest"#, CompareResult::Less, TargetUnion::ModRevision(-1)),
            (r#"ver("a") = "0""#, CompareResult::Equal, TargetUnion::Version(0)),
            (r#"create("a") = "9""#, CompareResult::Equal, TargetUnion::CreateRevision(9)),
            (r#"value("a") != "x y""#, CompareResult::NotEqual, TargetUnion::Value("x y".into())),
            (r#"lease("a") = "1f""#, CompareResult::Equal, TargetUnion::Lease(31)),
        ];
        for (line, result, union) in cases {
            let read = compare(line).unwrap();
            assert_eq!((read.result(), read.target_union), (result, Some(union)), "{line}");
            assert_eq!(&read.key[..], b"a");
        }
    }

    #[test]
    fn what_is_no_condition_is_refused_as_such() {
        let wrong = [
            ("mod", "malformed comparison: mod"),
            (r#"mod(a) = "1""#, "malformed comparison"),
            (r#"mod("a")="1""#, "malformed comparison"),
            (r#"mod("a") ~ "1""#, "malformed comparison"),
            (r#"mod("a") = 1"#, "malformed comparison"),
            (r#"foo("a") = "1""#, "(unknown target foo)"),
            (r#"mod("a") = "x""#, "invalid txn compare request: mod"),
            (r#"lease("a") = "g""#, "invalid txn compare request: lease"),
        ];
        for (line, text) in wrong {
            let failure = compare(line).unwrap_err();
            assert_eq!(failure.exit(), Exit::InvalidInput);
            assert!(failure.message().contains(text), "{failure}");
        }
    }
}
