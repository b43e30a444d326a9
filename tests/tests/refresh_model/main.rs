//! The refresh protocol as a model, and every way that it can go, tried.
//!
//! Three refreshers, a person who signs in anew and one who disconnects work on one grant, while chance crashes
//! processes, lets leases lapse, loses answers and fails writes, at any step and in any order. [`protocol`] is our side
//! with the conditions that the code has, [`provider`] the other side, [`properties`] what must hold throughout,
//! [`explore`] the search through everything that can happen, and [`story`] a run in words.
//!
//! What keeps it finite: how often each trouble may happen, and how many troubles a run may see; [`Bounds`] counts
//! them. Within these bounds nothing is left to chance. Beyond them is, by intention, a request that the provider takes
//! up only after two more generations: it has 45 s to be answered, and generations last for minutes at least.
//!
//! Every rule of the protocol can be left out. Each that is, is found out: that is what the second half shows. So it
//! is known that the search can find something, and what each condition is there for.
//!
//! `cargo test -p bifrost-tests --test refresh_model -- --nocapture` shows how many states there are, and the shortest
//! way to each violation.

// In a test, what is printed is for whoever asks with --nocapture.
#![allow(clippy::print_stdout)]

mod explore;
mod properties;
mod protocol;
mod provider;
mod rules;
mod state;
mod story;

use explore::explore;
use properties::Property;
use provider::Manners;
use rules::{Bounds, Model, Rule};

/// Refreshers among themselves. One expiry gives each run a second generation, so that what the first did shows.
const AMONG_THEMSELVES: Bounds = Bounds {
    troubles: 3,
    crashes: 2,
    lapses: 2,
    lost_answers: 2,
    failing_writes: 2,
    unprepared: 1,
    late_leases: 1,
    refused_clients: 1,
    server_errors: 1,
    gateway_errors: 1,
    expiries: 1,
    sign_ins: 0,
    sign_in_deadlines: 0,
    disconnects: 0,
    restarts: 0,
};

/// Enough for what goes wrong without one of the rules.
const FEW: Bounds = Bounds { troubles: 2, ..AMONG_THEMSELVES };

/// The same, and a sign-in and a disconnect at any step.
const WITH_PEOPLE: Bounds =
    Bounds { troubles: 1, sign_ins: 1, sign_in_deadlines: 1, disconnects: 1, ..AMONG_THEMSELVES };

/// Every run that the bounds allow keeps every promise.
fn all_is_well(manners: Manners, bounds: Bounds) {
    let properties = &Property::ALL;
    let report = explore(&Model { manners, bounds, left_out: &[] }, properties);
    println!(
        "{manners:?}: {} states, {} steps, {} deep, {} properties, in {:.1?}",
        report.states,
        report.steps,
        report.depth,
        properties.len(),
        report.took
    );
    if let Some(violation) = report.violation {
        panic!("{:?} is violated:\n{}", violation.property, violation.trace.join("\n"));
    }
}

/// Without the rule, the property does not hold.
fn is_missed(rule: Rule, property: Property, bounds: Bounds) {
    let model = Model { manners: Manners::Strict, bounds, left_out: &[rule] };
    let report = explore(&model, &[property]);
    let violation = report.violation.unwrap_or_else(|| panic!("{property:?} holds without {rule:?}"));
    println!("without {rule:?}, {property:?} is violated ({} states):", report.states);
    println!("{}\n", violation.trace.join("\n"));
}

#[test]
fn no_grant_is_lost_at_a_provider_that_ends_a_family_on_reuse() {
    all_is_well(Manners::Strict, AMONG_THEMSELVES);
}

#[test]
fn no_grant_is_lost_at_a_provider_that_answers_the_last_spent_token_again() {
    all_is_well(Manners::Graceful, AMONG_THEMSELVES);
}

#[test]
fn no_grant_is_lost_at_a_provider_that_keeps_its_refresh_tokens() {
    all_is_well(Manners::Lasting, AMONG_THEMSELVES);
}

#[test]
fn no_sign_in_comes_at_a_bad_moment() {
    all_is_well(Manners::Strict, Bounds { troubles: 2, disconnects: 0, ..WITH_PEOPLE });
}

#[test]
fn no_disconnect_comes_at_a_bad_moment() {
    all_is_well(Manners::Strict, Bounds { troubles: 2, sign_ins: 0, ..WITH_PEOPLE });
}

#[test]
fn no_sign_in_and_disconnect_get_into_each_other_s_way() {
    all_is_well(Manners::Strict, WITH_PEOPLE);
}

#[test]
#[ignore = "takes minutes: cargo test --release -p bifrost-tests --test refresh_model -- --ignored --nocapture"]
fn nor_with_more_trouble_at_once() {
    all_is_well(Manners::Strict, Bounds { troubles: 5, ..AMONG_THEMSELVES });
    all_is_well(Manners::Graceful, Bounds { troubles: 5, ..AMONG_THEMSELVES });
    all_is_well(Manners::Strict, Bounds { troubles: 3, ..WITH_PEOPLE });
    all_is_well(Manners::Graceful, Bounds { troubles: 2, ..WITH_PEOPLE });
    all_is_well(Manners::Lasting, Bounds { troubles: 2, ..WITH_PEOPLE });
}

#[test]
fn without_a_condition_on_the_write_back_a_tombstone_or_a_newer_success_is_overwritten() {
    is_missed(Rule::WriteBackHasCondition, Property::NothingNewerIsOverwritten, WITH_PEOPLE);
    is_missed(Rule::WriteBackHasCondition, Property::NothingNewerIsOverwritten, FEW);
}

#[test]
fn without_the_re_read_under_the_lease_a_spent_token_is_presented_in_fair_weather() {
    is_missed(Rule::LeaseOnWhatWasSeen, Property::OneExchangePerGeneration, FEW);
    is_missed(Rule::LeaseOnWhatWasSeen, Property::SpentTokensComeOnlyAfterTrouble, FEW);
}

#[test]
fn without_the_incarnation_a_disconnected_grant_comes_back_to_life() {
    is_missed(Rule::IncarnationIsMine, Property::NothingNewerIsOverwritten, WITH_PEOPLE);
}

#[test]
fn without_an_incarnation_of_its_own_a_tombstone_comes_back_to_life() {
    is_missed(Rule::TombstoneIsNew, Property::NothingNewerIsOverwritten, WITH_PEOPLE);
}

#[test]
fn a_loser_that_exchanges_without_the_lease_presents_a_spent_token_in_fair_weather() {
    is_missed(Rule::LosersWait, Property::OneExchangePerGeneration, FEW);
    is_missed(Rule::LosersWait, Property::SpentTokensComeOnlyAfterTrouble, FEW);
}

#[test]
fn without_the_generation_a_loser_s_failure_marks_what_a_winner_has_just_refreshed() {
    is_missed(Rule::FailureOnGenerationSpent, Property::NoLoserMarksASuccess, FEW);
}

#[test]
fn without_the_lapsed_lease_as_a_journal_nobody_is_told_that_the_token_was_spent() {
    is_missed(Rule::LapsedLeaseIsJournal, Property::HoldersKnowWhatMayBeSpent, FEW);
    is_missed(Rule::LapsedLeaseIsJournal, Property::ReauthorizeSaysWhy, FEW);
}

#[test]
fn a_holder_that_may_write_only_under_its_lease_discards_what_a_slow_provider_gave() {
    is_missed(Rule::LateHolderMayWrite, Property::NoSuccessIsDiscarded, FEW);
}

#[test]
fn a_write_back_that_is_not_tried_again_discards_what_the_provider_gave() {
    is_missed(Rule::WriteBackIsRetried, Property::NoSuccessIsDiscarded, FEW);
}

#[test]
fn tokens_that_arrive_after_a_disconnect_live_on_unless_they_are_revoked() {
    is_missed(Rule::LateTokensAreRevoked, Property::NothingLivesOnUnseen, WITH_PEOPLE);
}

#[test]
fn a_sign_in_that_counts_from_one_again_takes_the_generation_back() {
    is_missed(Rule::SignInContinuesGeneration, Property::GenerationNeverGoesBack, WITH_PEOPLE);
}

#[test]
fn if_nobody_takes_over_a_lapsed_lease_everyone_waits_for_ever() {
    is_missed(Rule::LapsedLeaseIsTaken, Property::EveryoneIsServedOrTold, Bounds { troubles: 1, ..FEW });
}

#[test]
fn a_failure_noted_between_read_and_lease_is_overlooked() {
    is_missed(Rule::LeaseOnFailuresSeen, Property::HoldersKnowWhatMayBeSpent, FEW);
    is_missed(Rule::LeaseOnFailuresSeen, Property::ReauthorizeSaysWhy, FEW);
}

#[test]
fn a_failure_to_begin_erases_a_failure_noted_since_the_grant_was_seen() {
    is_missed(Rule::UnbegunOnFailuresSeen, Property::HoldersKnowWhatMayBeSpent, FEW);
    is_missed(Rule::UnbegunOnFailuresSeen, Property::ReauthorizeSaysWhy, FEW);
}

#[test]
fn a_lease_given_back_unused_takes_the_lapsed_one_s_journal_along() {
    is_missed(Rule::ReleaseKeepsJournal, Property::HoldersKnowWhatMayBeSpent, FEW);
    is_missed(Rule::ReleaseKeepsJournal, Property::ReauthorizeSaysWhy, FEW);
}

#[test]
fn a_5xx_from_a_gateway_hides_that_the_token_was_spent() {
    is_missed(Rule::ServerErrorMaySpend, Property::HoldersKnowWhatMayBeSpent, FEW);
    is_missed(Rule::ServerErrorMaySpend, Property::ReauthorizeSaysWhy, FEW);
}

#[test]
fn a_refused_client_hides_that_the_token_was_spent() {
    is_missed(Rule::FailureKeepsDoubt, Property::HoldersKnowWhatMayBeSpent, FEW);
    is_missed(Rule::FailureKeepsDoubt, Property::ReauthorizeSaysWhy, FEW);
}

#[test]
fn a_success_hides_that_another_presents_the_same_token() {
    is_missed(Rule::SuccessKeepsDoubt, Property::ReauthorizeSaysWhy, FEW);
}

#[test]
fn a_holder_that_missed_the_answer_to_its_lease_waits_for_itself() {
    is_missed(Rule::OwnLeaseIsKnown, Property::NobodyWaitsForItself, FEW);
}

#[test]
fn a_sign_in_out_of_time_that_does_not_look_revokes_what_it_has_stored() {
    is_missed(Rule::SignInRevokesOnlyUnstored, Property::NothingStoredIsRevoked, WITH_PEOPLE);
}
