//! What a `CommandError` says of itself.

use std::convert::Infallible;
use std::error::Error;
use std::time::Duration;

use registry_runtime::{CommandError, Executed};

use crate::account::Refusal;

#[test]
fn every_error_says_whether_the_command_ran() {
    let cases: Vec<(CommandError<Refusal>, Executed)> = vec![
        (CommandError::Rejected(Refusal::NoHolder), Executed::Yes),
        (CommandError::NotFound, Executed::No),
        (CommandError::AlreadyExists, Executed::No),
        (CommandError::Overloaded { retry_after: Duration::from_millis(5) }, Executed::No),
        (CommandError::DeadlineExceeded { executed: Executed::No }, Executed::No),
        (CommandError::DeadlineExceeded { executed: Executed::Maybe }, Executed::Maybe),
        (CommandError::Panicked, Executed::Maybe),
        (CommandError::Incompatible { detail: "other".to_owned() }, Executed::No),
        (CommandError::Unauthorized, Executed::No),
        (CommandError::TooLarge { limit: 1 }, Executed::No),
        (CommandError::IdempotencyKeyReused, Executed::No),
        (CommandError::ReceiptExpired, Executed::Maybe),
    ];
    for (error, executed) in cases {
        assert_eq!(error.executed(), executed, "{error:?}");
        let wait = matches!(error, CommandError::Overloaded { .. }).then_some(Duration::from_millis(5));
        assert_eq!(error.retry_after(), wait, "{error:?}");
        // Of every `E` that is one, it is an error.
        let error: Box<dyn Error + Send + Sync> = error.map(|refusal| refusal.to_string()).into();
        assert!(!error.to_string().is_empty());
    }
}

#[test]
fn errors_turn_into_one_another() {
    let own = CommandError::Rejected(Refusal::Short { missing: 2 });
    assert_eq!(
        own.map(|refusal| format!("refused: {refusal}")),
        CommandError::Rejected("refused: 2 are missing".to_owned())
    );
    let none: CommandError<Infallible> = CommandError::NotFound;
    assert_eq!(none.clone().widen::<Refusal>(), CommandError::NotFound);

    fn asks_for_more() -> Result<(), CommandError<Refusal>> {
        let inner: Result<(), CommandError<Infallible>> = Err(CommandError::Panicked);
        inner.map_err(CommandError::widen)?;
        Ok(())
    }
    assert_eq!(asks_for_more(), Err(CommandError::Panicked));
}
