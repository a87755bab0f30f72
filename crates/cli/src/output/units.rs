//! Amounts as Go programs write them.

use std::time::Duration;

/// Bytes in powers of a thousand, with two digits where the first alone would say little.
#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
pub(crate) fn byte_count(bytes: i64) -> String {
    const UNITS: [&str; 7] = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];
    let bytes = bytes.max(0).cast_unsigned();
    if bytes < 10 {
        return format!("{bytes} B");
    }
    let exponent = bytes.ilog(1000);
    let scaled = bytes as f64 / 1000_u64.pow(exponent) as f64;
    let rounded = (scaled * 10.0 + 0.5).floor() / 10.0;
    let unit = UNITS[exponent as usize];
    if rounded < 10.0 { format!("{rounded:.1} {unit}") } else { format!("{rounded:.0} {unit}") }
}

/// A duration with its unit: `1.5ms`, `2m0.5s`.
pub(crate) fn duration(duration: Duration) -> String {
    let nanos = duration.as_nanos();
    let (scale, unit) = match nanos {
        0 => return "0s".to_owned(),
        1..1_000 => return format!("{nanos}ns"),
        1_000..1_000_000 => (1_000, "\u{b5}s"),
        1_000_000..1_000_000_000 => (1_000_000, "ms"),
        _ => (1_000_000_000, "s"),
    };
    let whole = nanos / scale;
    let digits = scale.ilog10() as usize;
    let fraction = format!("{:0digits$}", nanos % scale);
    let fraction = fraction.trim_end_matches('0');
    let point = if fraction.is_empty() { "" } else { "." };
    let (hours, minutes, seconds) = (whole / 3600, whole / 60 % 60, whole % 60);
    match (unit, hours, minutes) {
        ("s", 0, 0) => format!("{seconds}{point}{fraction}s"),
        ("s", 0, _) => format!("{minutes}m{seconds}{point}{fraction}s"),
        ("s", _, _) => format!("{hours}h{minutes}m{seconds}{point}{fraction}s"),
        _ => format!("{whole}{point}{fraction}{unit}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_written_as_go_writes_them() {
        let sizes = [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (20_480, "20 kB")];
        for (bytes, text) in sizes.into_iter().chain([(-1, "0 B"), (2_147_483_648, "2.1 GB")]) {
            assert_eq!(byte_count(bytes), text);
        }
        let durations = [
            (0, "0s"),
            (999, "999ns"),
            (1_500, "1.5\u{b5}s"),
            (2_815_679, "2.815679ms"),
            (5_000_000_000, "5s"),
            (90_500_000_000, "1m30.5s"),
            (3_600_000_000_000, "1h0m0s"),
        ];
        for (nanos, text) in durations {
            assert_eq!(duration(Duration::from_nanos(nanos)), text);
        }
    }
}
