//! Rolls back a failed ADD.

use cni_types::Error;

/// The undo steps of an ADD, in the order of its effects.
#[derive(Default)]
pub struct Undo(Vec<Step>);

struct Step {
    what: String,
    run: Box<dyn FnOnce() -> Result<(), Error>>,
}

impl Undo {
    /// Records how to undo the next effect. `what` completes "could not …".
    ///
    /// The step must also succeed if the effect did not happen.
    pub fn push(
        &mut self,
        what: impl Into<String>,
        run: impl FnOnce() -> Result<(), Error> + 'static,
    ) {
        self.0.push(Step {
            what: what.into(),
            run: Box::new(run),
        });
    }

    /// Runs all steps, the last one first. Adds their errors to the details of `cause`.
    #[must_use]
    pub fn roll_back(self, mut cause: Error) -> Error {
        for step in self.0.into_iter().rev() {
            if let Err(error) = (step.run)() {
                cause.push_details(format_args!("could not {}: {error}", step.what));
            }
        }
        cause
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use super::*;

    #[test]
    fn steps_run_backwards_and_failures_are_told() {
        let order = Rc::new(RefCell::new(Vec::new()));
        let mut undo = Undo::default();
        for number in 1..=3 {
            let order = Rc::clone(&order);
            undo.push(format!("undo {number}"), move || {
                order.borrow_mut().push(number);
                if number == 2 {
                    Err(Error::internal("stuck"))
                } else {
                    Ok(())
                }
            });
        }
        let error = undo.roll_back(Error::internal("cause"));
        assert_eq!(*order.borrow(), [3, 2, 1]);
        assert_eq!(error.to_string(), "cause; could not undo 2: stuck");
    }
}
