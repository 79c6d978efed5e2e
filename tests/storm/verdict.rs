use crate::{
    case::Case,
    client::Answer,
    told::{Failure, Told},
    weather::Fate,
};

/// Whether the request was answered; panics where that, or how, is not as it must be. `before`: how many exchanges of
/// the same request have ended before this one.
pub(crate) fn is_answered(case: &Case, before: u64, answer: &Answer) -> bool {
    let told = Told::read(&case.question, answer);
    let Some(failure) = &told.failure else {
        let must_fail = match case.weather.fate {
            Fate::Answer | Fate::AnswerOr(_) => false,
            Fate::Error(_) | Fate::Refused(_) => true,
            Fate::Busy {
                refusals, submits, ..
            } => refusals >= submits * (before + 1),
        };
        assert!(!must_fail, "an answer that cannot be");
        check_answer(case, &told);
        return true;
    };
    check_failure(case, before, failure, answer);
    check_begun(case, &told);
    false
}

fn check_answer(case: &Case, told: &Told) {
    let question = &case.question;
    assert_eq!(told.choices.len(), question.choices);
    for (index, told) in &told.choices {
        assert_eq!(told.choice, question.choice(*index as usize));
        assert_eq!(told.begun_calls, told.choice.calls.len());
        let whole = question.reasoning();
        if case.weather.keeps_reasoning {
            assert_eq!(told.reasoning, whole);
        } else if !case.weather.loses {
            assert!(whole.starts_with(&told.reasoning), "{}", told.reasoning);
        }
    }
    let asked = question.wants_usage || !question.streams;
    // Where only the stream had the answer, nobody knows the usage.
    let is_known = matches!(case.weather.fate, Fate::Answer | Fate::Busy { .. });
    if asked && is_known {
        let tokens = told.tokens.expect("usage");
        if let Some(expected) = question.tokens() {
            assert_eq!(tokens, expected as u64);
        }
    }
}

fn check_failure(case: &Case, before: u64, failure: &Failure, answer: &Answer) {
    let Failure { status, code } = failure;
    match &case.weather.fate {
        Fate::Answer => panic!("an error instead of the answer: {code}"),
        Fate::Error(codes) | Fate::AnswerOr(codes) => {
            assert!(codes.contains(&code.as_str()), "{status} {code}");
            if *status != 200 {
                // A task exists, or may exist. One that goes on is found again, since all clients here mark their retries.
                let goes_on = *status == 504;
                let advice = if goes_on { "true" } else { "false" };
                assert_eq!(answer.header("x-should-retry"), Some(advice));
            }
        }
        Fate::Refused(expected) => assert_eq!(status, expected, "{code}"),
        Fate::Busy {
            refusals,
            submits,
            status: expected,
        } => {
            assert!(
                *refusals >= submits * (before + 1),
                "an error instead of the answer"
            );
            assert_eq!(status, expected, "{code}");
        }
    }
}

/// What was told before an error is true as well.
fn check_begun(case: &Case, told: &Told) {
    for (index, told) in &told.choices {
        let whole = case.question.choice(*index as usize);
        let is_begun = whole.text.starts_with(&told.choice.text);
        assert!(is_begun || case.weather.loses, "{:?}", told.choice.text);
    }
}
