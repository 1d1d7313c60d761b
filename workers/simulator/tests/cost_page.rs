//! The figures of `docs/cost.md` are those of `lazaret plan`'s prices and sizing.

use lazaret_simulator::cost::{LOADS, ours, table};

const PAGE: &str = include_str!("../../../docs/cost.md");

#[test]
fn the_page_has_the_figures_of_the_prices_and_the_sizing() {
    assert!(
        PAGE.contains(&table()),
        "docs/cost.md has other figures (its first lines say how to write them). It should have\n{}",
        table()
    );
}

#[test]
fn a_million_objects_cost_their_tags_and_requests_and_little_more() {
    let [small, usual, large] = LOADS.map(ours);
    // $5 for tags and $1.60 for reads come with every object
    assert!(small > 6.6 && small < usual && usual < 8.0, "{small} {usual}");
    // a terabyte is 125,000 agent-seconds: $3.49 of Fargate, and a tenth of those requests
    assert!(large > 4.0 && large < 5.0, "{large}");
}
