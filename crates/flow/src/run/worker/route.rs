//! Which connections an itinerary takes: every one whose condition is true.

use std::sync::Arc;

use crate::expression::Condition;
use crate::run::figures::add;
use crate::run::{ConnectionFigures, Itinerary};
use crate::services::LogLevel;

use super::Worker;

/// The connections that leave a module.
#[derive(Debug, Default)]
pub(super) struct Outputs {
    /// By output, in the order of the module's ports.
    pub(super) ports: Vec<Vec<Arrow>>,
    /// Those that leave by `error`.
    pub(super) errors: Vec<Arrow>,
}

#[derive(Debug)]
pub(super) struct Arrow {
    pub(super) to: usize,
    pub(super) condition: Option<Condition>,
    pub(super) figures: Arc<ConnectionFigures>,
}

/// How a message went on that a step has failed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Handled {
    /// By an `error` arrow or a condition that was true: somebody has thought of it.
    Yes,
    /// By an arrow that takes everything, or not at all.
    No,
}

impl Worker {
    /// Puts the itinerary on the stack for every connection of the output that it takes.
    pub(super) fn pass_on(&mut self, place: usize, port: usize, itinerary: Itinerary) {
        let Some(module) = self.modules.get(place) else { return };
        let Some(arrows) = module.outputs.ports.get(port) else { return };
        if let [only] = arrows.as_slice()
            && only.condition.is_none()
        {
            add(&only.figures.taken, 1);
            self.stack.push((only.to, itinerary));
            return;
        }
        self.take_arrows(place, Some(port), itinerary);
    }

    /// Takes every arrow whose condition is true, the first one on top of the stack. `None` for the `error` output.
    pub(super) fn take_arrows(&mut self, place: usize, port: Option<usize>, itinerary: Itinerary) -> Handled {
        let mut handled = Handled::No;
        let Some(module) = self.modules.get(place) else { return handled };
        let arrows = match port {
            Some(port) => module.outputs.ports.get(port).map(Vec::as_slice).unwrap_or_default(),
            None => module.outputs.errors.as_slice(),
        };
        let bottom = self.stack.len();
        // Only when another arrow is taken as well does the one before need a copy.
        let mut last = None;
        for arrow in arrows {
            let taken = match &arrow.condition {
                None => true,
                Some(condition) => match condition.is_true(&itinerary) {
                    Ok(taken) => taken,
                    Err(error) => {
                        add(&arrow.figures.faults, 1);
                        let what = format!(
                            "the route condition of the connection to `{}` failed: {error}",
                            target(&self.modules, arrow.to)
                        );
                        module.figures.record_error(&what);
                        let now = itinerary.started();
                        self.services.debug.log(now, &module.id, LogLevel::Warn, &what);
                        false
                    }
                },
            };
            if !taken {
                continue;
            }
            if arrow.condition.is_some() || port.is_none() {
                handled = Handled::Yes;
            }
            add(&arrow.figures.taken, 1);
            if let Some(before) = last.replace(arrow.to) {
                push_branch(&mut self.stack, bottom, &mut self.branches, before, itinerary.clone());
            }
        }
        if let Some(last) = last {
            push_branch(&mut self.stack, bottom, &mut self.branches, last, itinerary);
        }
        if let Some(taken) = self.stack.get_mut(bottom..) {
            taken.reverse();
        }
        handled
    }
}

/// The first branch of a fork goes on under its number; each further one gets a number of its own.
fn push_branch(
    stack: &mut Vec<(usize, Itinerary)>,
    bottom: usize,
    branches: &mut u32,
    to: usize,
    mut itinerary: Itinerary,
) {
    if stack.len() > bottom {
        *branches = branches.wrapping_add(1).max(1);
        itinerary.set_branch(*branches);
    }
    stack.push((to, itinerary));
}

fn target(modules: &[super::WorkingModule], place: usize) -> &str {
    modules.get(place).map_or("?", |module| module.id.as_str())
}
