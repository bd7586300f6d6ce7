//! Parser and printer are twins: what is printed reads as what was printed.

use proptest::prelude::*;

use crate::sieve::position::At;
use crate::sieve::syntax::{Argument, Command, Test, Tests, Text, Value};
use crate::sieve::{parse, print};

/// Positions are where the printer happens to put things.
fn without_positions(commands: &mut [Command]) {
    fn of_arguments(arguments: &mut [Argument]) {
        for Argument { at, value } in arguments {
            *at = At(0);
            match value {
                Value::String(text) => text.at = At(0),
                Value::Strings(texts) => texts.iter_mut().for_each(|text| text.at = At(0)),
                Value::Tag(_) | Value::Number(_) => {}
            }
        }
    }
    fn of_tests(tests: &mut Tests) {
        let of_test = |test: &mut Test| {
            test.at = At(0);
            of_arguments(&mut test.arguments);
            of_tests(&mut test.tests);
        };
        match tests {
            Tests::None => {}
            Tests::One(test) => of_test(test),
            Tests::List(tests) => tests.iter_mut().for_each(of_test),
        }
    }
    for Command { at, arguments, tests, block, .. } in commands {
        *at = At(0);
        of_arguments(arguments);
        of_tests(tests);
        without_positions(block.as_deref_mut().unwrap_or_default());
    }
}

fn name() -> impl Strategy<Value = String> {
    // `text` with a colon behind it begins a string of several lines.
    "[a-z_][a-z0-9_]{0,6}".prop_filter("begins a string", |name| name != "text")
}

fn text() -> impl Strategy<Value = Text> {
    let lines = "(\\.{0,2}[a-z\"\\\\é]{0,3}(\r\n)?){0,4}";
    prop_oneof!["[ -~é\t]{0,8}", lines].prop_map(|text| Text { at: At(0), text })
}

fn argument() -> impl Strategy<Value = Argument> {
    let value = prop_oneof![
        name().prop_map(Value::Tag),
        any::<u64>().prop_map(Value::Number),
        (0u64..9).prop_map(|number| Value::Number(number << 20)),
        text().prop_map(Value::String),
        prop::collection::vec(text(), 1..4).prop_map(Value::Strings),
    ];
    value.prop_map(|value| Argument { at: At(0), value })
}

fn tests() -> impl Strategy<Value = Tests> {
    let no_tests = Just(Tests::None);
    no_tests.prop_recursive(3, 8, 3, |inner| {
        let test = (name(), prop::collection::vec(argument(), 0..3), inner)
            .prop_map(|(name, arguments, tests)| Test { at: At(0), name, arguments, tests })
            .boxed();
        prop_oneof![
            Just(Tests::None),
            test.clone().prop_map(|test| Tests::One(Box::new(test))),
            prop::collection::vec(test, 1..3).prop_map(Tests::List),
        ]
    })
}

fn commands() -> impl Strategy<Value = Vec<Command>> {
    let command = |block: BoxedStrategy<Option<Vec<Command>>>| {
        let command = (name(), prop::collection::vec(argument(), 0..3), tests(), block)
            .prop_map(|(name, arguments, tests, block)| Command { at: At(0), name, arguments, tests, block });
        prop::collection::vec(command, 0..4)
    };
    command(Just(None).boxed())
        .prop_recursive(3, 12, 4, move |inner| command(prop_oneof![Just(None), inner.prop_map(Some)].boxed()))
}

proptest! {
    #[test]
    fn what_is_printed_reads_as_what_was_printed(commands in commands()) {
        let printed = print::script(&commands);
        let mut read = parse::script(printed.as_bytes()).map_err(|broken| TestCaseError::fail(format!("{broken:?} {printed}")))?;
        without_positions(&mut read);
        prop_assert_eq!(&read, &commands, "{}", printed);
        prop_assert_eq!(print::script(&read), printed);
    }
}
