//! What judges find about the clients of each scenario, for people.

use judge::{Finding, Judge, finding};

use crate::outcome::SuiteOutcome;

/// One block for each scenario: a line for each verdict; the judges that had nothing to judge are told in one.
pub fn verdicts(outcome: &SuiteOutcome) -> String {
    let mut text = String::new();
    for scenario in &outcome.scenarios {
        text.push_str(&format!("{}  {}\n", scenario.file, scenario.title));
        if scenario.n_dropped > 0 {
            text.push_str(&format!(
                "    {} older entries of the journal are gone, and not judged\n",
                scenario.n_dropped
            ));
        }
        let verdicts = judge::verdicts(&scenario.journal);
        for verdict in verdicts.iter().filter(|verdict| verdict.finding != Finding::Nothing) {
            text.push_str(&format!("    {verdict}\n"));
        }
        let idle = Judge::ALL.into_iter().filter(|judge| finding(&verdicts, *judge) == Finding::Nothing);
        let idle: Vec<_> = idle.map(Judge::name).collect();
        if !idle.is_empty() {
            text.push_str(&format!("    nothing to judge: {}\n", idle.join(", ")));
        }
    }
    text
}
