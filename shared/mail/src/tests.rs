use super::*;
#[test]
fn show() {
    let lots =
        [Expiring { amount: Money::from_minor(500, "EUR".parse().unwrap()), last_day: DAY, days: 5 }; 2];
    for l in ["en", "de", "fr", "es"] {
        for kind in Kind::ALL {
            for f in [sample(&lots), sparse()] {
                let letter = letter(*kind, None, &l.parse().unwrap(), &Templates::new(), &f).unwrap();
                println!("-- {kind} {l}\n{}\n{}", letter.subject, letter.text);
                if l == "de" && *kind == Kind::ExpiringSoon {
                    println!("{}", letter.html)
                }
            }
        }
    }
}
