//! Breadth first through everything that can happen, so that the first violation found is among the shortest.
//!
//! States that differ only in which process is which count as one. What was visited is kept whole, not as a
//! fingerprint: the search is exhaustive, not probably so.

use std::{
    collections::{HashMap, VecDeque, hash_map::Entry},
    hash::{BuildHasherDefault, Hasher},
    time::{Duration, Instant},
};

use crate::{
    properties::{Property, violated},
    protocol::Step,
    rules::Model,
    state::{PROCESSES, State},
    story::{self, Names},
};

/// What a search found.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) states: usize,
    pub(crate) steps: usize,
    /// The longest of the shortest ways to a state.
    pub(crate) depth: usize,
    pub(crate) took: Duration,
    pub(crate) violation: Option<Violation>,
}

#[derive(Debug)]
pub(crate) struct Violation {
    pub(crate) property: Property,
    /// One line for each step.
    pub(crate) trace: Vec<String>,
}

/// How a state was first reached.
type Origin = (u32, Step);

struct Search<'a> {
    model: &'a Model<'a>,
    seen: HashMap<State, u32, BuildHasherDefault<Quick>>,
    origins: Vec<Option<Origin>>,
}

/// Explores the model until a property is violated, or nothing is left.
pub(crate) fn explore(model: &Model, properties: &[Property]) -> Report {
    let began = Instant::now();
    let (first, _) = State::first(model).ordered(model);
    let mut search = Search { model, seen: HashMap::default(), origins: vec![None] };
    search.seen.insert(first, 0);
    let mut queue = VecDeque::from([(first, 0_u32, 0_usize)]);
    // Backwards along the steps that are no trouble: whatever leads to an end without trouble.
    let mut ways = Ways::default();
    let (mut steps, mut deepest) = (0, 0);
    let mut found = Vec::new();
    let mut violation = None;
    'search: while let Some((state, index, depth)) = queue.pop_front() {
        deepest = depth;
        if state.is_over() {
            ways.ends.push(index);
        }
        state.next(model, &mut found);
        for (step, raw) in &found {
            steps += 1;
            if let Some(property) = violated(properties, model, &state, *step, raw) {
                violation = Some(Violation { property, trace: search.trace(index, Some(*step)) });
                break 'search;
            }
            let (next, _) = raw.ordered(model);
            let fresh = search.origins.len() as u32;
            let target = match search.seen.entry(next) {
                Entry::Occupied(known) => *known.get(),
                Entry::Vacant(place) => {
                    place.insert(fresh);
                    search.origins.push(Some((index, *step)));
                    queue.push_back((next, fresh, depth + 1));
                    fresh
                }
            };
            if !step.is_trouble() && target != index {
                ways.steps.push((target, index));
            }
        }
    }
    if violation.is_none()
        && properties.contains(&Property::EveryoneIsServedOrTold)
        && let Some(stuck) = ways.first_without_end(search.origins.len())
    {
        violation =
            Some(Violation { property: Property::EveryoneIsServedOrTold, trace: search.trace(stuck, None) });
    }
    Report { states: search.origins.len(), steps, depth: deepest, took: began.elapsed(), violation }
}

impl Search<'_> {
    /// The way to a state and one step beyond, told again from the start. The processes change places whenever a state
    /// is put in order, so their names travel along.
    fn trace(&self, mut index: u32, last: Option<Step>) -> Vec<String> {
        let mut steps: Vec<Step> = last.into_iter().collect();
        while let Some((before, step)) = self.origins[index as usize] {
            steps.push(step);
            index = before;
        }
        steps.reverse();
        let mut names: Names = ['A', 'B', 'C'];
        let (mut state, _) = State::first(self.model).ordered(self.model);
        let mut found = Vec::new();
        let mut lines = Vec::new();
        for step in steps {
            state.next(self.model, &mut found);
            let (_, next) =
                found.iter().find(|(other, _)| *other == step).expect("a step that was taken before");
            lines.push(story::sentence(step, &state, next, &names));
            let (ordered, order) = next.ordered(self.model);
            names = std::array::from_fn::<char, PROCESSES, _>(|place| names[usize::from(order[place])]);
            state = ordered;
        }
        lines
    }
}

/// The steps that are no trouble, from where they lead to where they begin.
#[derive(Default)]
struct Ways {
    steps: Vec<(u32, u32)>,
    ends: Vec<u32>,
}

impl Ways {
    /// The first state from which no end can be reached without trouble.
    fn first_without_end(mut self, states: usize) -> Option<u32> {
        self.steps.sort_unstable();
        let mut reaches = vec![false; states];
        let mut open = self.ends;
        while let Some(state) = open.pop() {
            if std::mem::replace(&mut reaches[state as usize], true) {
                continue;
            }
            let from = self.steps.partition_point(|(target, _)| *target < state);
            let sources = self.steps[from..].iter().take_while(|(target, _)| *target == state);
            open.extend(sources.map(|(_, source)| *source));
        }
        reaches.iter().position(|reaches| !reaches).map(|index| index as u32)
    }
}

/// Good enough for states, which nobody chooses in order to make trouble, and much quicker than the default.
#[derive(Default)]
struct Quick(u64);

impl Hasher for Quick {
    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 29)
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u8(&mut self, value: u8) {
        self.write_u64(u64::from(value));
    }

    fn write_isize(&mut self, value: isize) {
        self.write_u64(value as u64);
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = (self.0.rotate_left(5) ^ value).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}
