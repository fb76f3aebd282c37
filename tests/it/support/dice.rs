//! Numbers that look random and follow from a seed.

/// A sequence of rolls.
pub struct Dice(u64);

impl Dice {
    pub fn of_seed(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    /// A number below `sides`.
    pub fn roll(&mut self, sides: u32) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        u32::try_from(self.0 >> 33).unwrap() % sides
    }

    /// One of these, if there is any.
    pub fn of<'a, T>(&mut self, list: &'a [T]) -> Option<&'a T> {
        let sides = u32::try_from(list.len()).unwrap();
        if sides == 0 { None } else { list.get(usize::try_from(self.roll(sides)).unwrap()) }
    }

    /// An amount from one cent up to so many.
    pub fn cents(&mut self, most: u32) -> String {
        let cents = self.roll(most) + 1;
        format!("{}.{:02}", cents / 100, cents % 100)
    }
}
