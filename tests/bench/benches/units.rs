//! What a call costs the database over so many open lots, beside a store with an item for each lot and beside the floor:
//! `cargo bench -p bench --bench units`. Counts, not times: they are the same on each machine.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::indexing_slicing,
    reason = "there is nobody to answer to, and what is drawn is no money"
)]

use std::collections::BTreeMap;

use bench::{
    Line, Table,
    control::{Control, Told},
    keep_chart, line_chart, report,
    support::{
        curve::{self, LOTS, Measured, read_and_written},
        wire::Wire,
        world::World,
    },
};
use rust_decimal::{Decimal, prelude::ToPrimitive};

/// Two items, two units each, in one transaction; and what they were decided by, read before.
const FLOOR: u32 = 4;

/// Read and write units of each, by open lots.
type Curve = BTreeMap<usize, (Decimal, Decimal)>;

#[tokio::main]
async fn main() {
    let world = World::start().await;
    let mut ours: BTreeMap<&str, Curve> = BTreeMap::new();
    for lots in LOTS {
        for Measured { operation, touched, read, written, .. } in curve::curve(&world, lots).await {
            let name = match (operation, touched) {
                ("redeem", 1) => "redeem of one lot",
                ("redeem", _) => "redeem of all lots",
                _ => continue,
            };
            ours.entry(name).or_default().insert(lots, (read, written));
        }
    }
    let (one, all) = control(&world).await;

    let mut table = Table::new(&["open lots", "1", "10", "40", "100", "500"]);
    let mut row = |name: &str, curve: &Curve| {
        let cell = |lots: &usize| {
            curve.get(lots).map_or("–".to_owned(), |(read, written)| format!("{read} + {written}"))
        };
        let cells: Vec<String> = std::iter::once(name.to_owned()).chain(LOTS.iter().map(cell)).collect();
        table.row(&cells);
    };
    for (name, curve) in &ours {
        row(name, curve);
    }
    row("an item for each lot: redeem of one lot", &one);
    row("an item for each lot: redeem of all lots", &all);
    report("units-beside", &format!("Read + write units:\n\n{}", table.text()));

    let points = |curve: &Curve| {
        curve.iter().map(|(lots, (_, written))| (*lots as f64, written.to_f64().unwrap_or(0.0))).collect()
    };
    let most = *LOTS.last().unwrap_or(&1) as f64;
    let floor = Line { name: "floor", points: vec![(1.0, f64::from(FLOOR)), (most, f64::from(FLOOR))] };
    let lines = [
        Line { name: "Scrip, of one lot", points: points(&ours["redeem of one lot"]) },
        Line { name: "an item for each lot, of one lot", points: points(&one) },
        Line { name: "Scrip, of all lots", points: points(&ours["redeem of all lots"]) },
        Line { name: "an item for each lot, of all lots", points: points(&all) },
        floor,
    ];
    keep_chart("units", &line_chart("Write units of a redemption", "open lots", "write units", &lines));
}

/// The same of a store with an item for each lot.
async fn control(world: &World) -> (Curve, Curve) {
    let wire = Wire::to(world.database()).await;
    let control = Control::new(&wire.endpoint, world.table());
    let (mut one, mut all) = (Curve::new(), Curve::new());
    for lots in LOTS {
        let customer = format!("c{lots}");
        for at in 0..lots {
            assert!(matches!(control.grant(&customer, &format!("g{at}"), 1_000).await, Told::Done(_)));
        }
        wire.trips();
        assert!(matches!(control.redeem(&customer, "one", 100).await, Told::Done(_)));
        one.insert(lots, read_and_written(&wire.trips()));
        // More are no one transaction.
        if (2..=98).contains(&lots) {
            assert!(matches!(
                control.redeem(&customer, "all", 1_000 * lots as i64 - 100).await,
                Told::Done(_)
            ));
            all.insert(lots, read_and_written(&wire.trips()));
        }
    }
    (one, all)
}
