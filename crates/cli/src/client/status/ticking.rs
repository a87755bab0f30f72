//! `status --watch`: one look after the other, drawn over the last one where that is possible.

use std::fmt::Write;
use std::io;
use std::str::FromStr;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use super::look;
use super::view::Width;
use crate::client::lock::Stop;
use crate::client_flags::{Context, Timeout};
use crate::exit::Failure;
use crate::logging;
use crate::output::{self, Paint};

/// The shortest pause: each look asks every member several questions.
const PERIOD_MIN: Duration = Duration::from_millis(100);

/// The longest.
const PERIOD_MAX: Duration = Duration::from_hours(24);

/// The pause between two looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Period(Duration);

impl FromStr for Period {
    type Err = &'static str;

    /// Reads a number of seconds, or a duration with its unit.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const WRONG: &str = "write seconds from 0.1 to 86400, such as 5, or 500ms";
        let seconds = text.parse().ok().and_then(|it| Duration::try_from_secs_f64(it).ok());
        let duration = seconds.or_else(|| text.parse().ok().map(|Timeout(duration)| duration));
        let is_fit = |it: &Duration| (PERIOD_MIN..=PERIOD_MAX).contains(it);
        duration.filter(is_fit).map(Self).ok_or(WRONG)
    }
}

/// Where the looks are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Screen {
    /// Each over the last one.
    Redrawn,
    /// One below the other.
    Rolling,
}

impl Screen {
    fn of(context: &Context) -> Self {
        if output::understands_codes(&io::stdout()) && !context.printer.is_json() {
            Self::Redrawn
        } else {
            Self::Rolling
        }
    }

    /// The bytes that show this picture, the first one or a later one.
    fn frame(self, picture: &str, is_first: bool) -> String {
        if self == Self::Rolling {
            return picture.to_owned();
        }
        let mut frame = String::from(if is_first { "\x1b[2J\x1b[H" } else { "\x1b[H" });
        for line in picture.lines() {
            // Only what a line leaves over is erased, so nothing flickers.
            writeln!(frame, "{line}\x1b[K").expect("a string can be written to");
        }
        frame + "\x1b[J"
    }
}

/// Looks until a signal asks for the end, or nobody reads what is shown.
pub(super) async fn watch(period: Period, width: Width, context: &Context) -> Result<(), Failure> {
    let screen = Screen::of(context);
    let mut stop = Stop::listen()?;
    let mut ticks = interval(period.0);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut is_first = true;
    loop {
        let tick = async {
            ticks.tick().await;
            picture(screen, period, width, context).await
        };
        let picture = tokio::select! {
            biased;
            _ = stop.told() => return Ok(()),
            picture = tick => picture?,
        };
        output::write(screen.frame(&picture, is_first).as_bytes())?;
        is_first = false;
    }
}

/// What one look shows. That nobody answers is no reason to stop looking.
async fn picture(
    screen: Screen,
    period: Period,
    width: Width,
    context: &Context,
) -> Result<String, Failure> {
    let printer = context.printer;
    let looked = look(width, context).await;
    let shown = match looked {
        Ok(view) => {
            let bytes = printer.painted(&view, Paint::of(&io::stdout()))?;
            String::from_utf8_lossy(&bytes).into_owned()
        }
        Err(failure) => {
            let failure = failure.in_form(printer.failure_form());
            failure.text(context.personality).unwrap_or_default() + "\n"
        }
    };
    if printer.is_json() {
        return Ok(shown);
    }
    let (time, pause) = (logging::timestamp(), output::duration(period.0));
    Ok(match screen {
        Screen::Redrawn => format!("{time}, every {pause}; Ctrl-C ends it\n\n{shown}"),
        Screen::Rolling => format!("{time}\n{shown}\n"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_is_seconds_or_has_a_unit() {
        let cases = [("1", 1_000), ("0.5", 500), ("500ms", 500), ("2m", 120_000)];
        for (text, milliseconds) in cases {
            assert_eq!(text.parse(), Ok(Period(Duration::from_millis(milliseconds))), "{text}");
        }
        for text in ["", "0", "0.01", "-1", "x", "nan", "inf", "99999999999999999999", "25h"] {
            assert!(text.parse::<Period>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_terminal_is_drawn_over_and_a_pipe_is_not() {
        assert_eq!(Screen::Rolling.frame("a\n", true), "a\n");
        assert_eq!(Screen::Redrawn.frame("a\nb\n", true), "\x1b[2J\x1b[Ha\x1b[K\nb\x1b[K\n\x1b[J");
        assert_eq!(Screen::Redrawn.frame("c\n", false), "\x1b[Hc\x1b[K\n\x1b[J");
    }
}
