//! Read, decide, write: and again if somebody else wrote in between.

use std::thread::sleep;
use std::time::Duration;

/// How many times a change is planned and written in all.
const ATTEMPTS: u32 = 20;

/// The pause after the first attempt; it grows by as much with every further one, 38 ms in all.
const PAUSE: Duration = Duration::from_micros(200);

/// Plans a change and writes it. A write that fails because the ruleset is no longer the one the
/// plan was made for (`is_overtaken`) is planned anew, at most [`ATTEMPTS`] times.
pub(crate) fn until_written<C: Default, T, W, E: From<W>>(
    mut plan: impl FnMut(&mut C) -> Result<T, E>,
    write: impl Fn(&C) -> Result<(), W>,
    is_overtaken: impl Fn(&W) -> bool,
) -> Result<T, E> {
    let mut attempt = 1;
    loop {
        let mut changes = C::default();
        let planned = plan(&mut changes)?;
        match write(&changes) {
            Ok(()) => return Ok(planned),
            Err(error) if attempt < ATTEMPTS && is_overtaken(&error) => {
                sleep(PAUSE * attempt);
                attempt += 1;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Plans how many attempts there have been, and writes until `last` of them have failed so.
    fn attempts(failures: u32, is_overtaken: bool) -> (u32, Result<u32, u32>) {
        let mut count = 0;
        let outcome = until_written(
            |changes: &mut u32| {
                count += 1;
                *changes += count;
                Ok(*changes)
            },
            |changes| {
                if *changes > failures {
                    Ok(())
                } else {
                    Err(*changes)
                }
            },
            |_| is_overtaken,
        );
        (count, outcome)
    }

    #[test]
    fn an_overtaken_change_is_planned_anew_but_not_for_ever() {
        assert_eq!(attempts(0, true), (1, Ok(1)));
        assert_eq!(attempts(3, true), (4, Ok(4)));
        assert_eq!(attempts(ATTEMPTS, true), (ATTEMPTS, Err(ATTEMPTS)));
    }

    #[test]
    fn another_error_is_final() {
        assert_eq!(attempts(3, false), (1, Err(1)));
    }

    #[test]
    fn an_error_of_the_plan_is_final() {
        let mut count = 0;
        let outcome: Result<(), &str> = until_written(
            |(): &mut ()| {
                count += 1;
                Err("plan")
            },
            |()| Ok::<(), &str>(()),
            |_| true,
        );
        assert_eq!((count, outcome), (1, Err("plan")));
    }
}
