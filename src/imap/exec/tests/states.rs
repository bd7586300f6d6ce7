//! Which command may come when, logging in and out.

use super::*;

#[tokio::test]
async fn a_stranger_may_log_in_and_little_else() {
    let world = World::new();
    let mut stranger = world.connect();
    hears(&stranger.says("CAPABILITY").await, &["* CAPABILITY IMAP4rev1 ", "OK"]);
    hears(&stranger.says("NOOP").await, &["OK"]);
    hears(&stranger.says("ID NIL").await, &["* ID (\"name\" \"Postbell\"", "OK"]);
    hears(&stranger.says("SELECT INBOX").await, &["BAD"]);
    hears(&stranger.says("LIST \"\" *").await, &["BAD"]);
    hears(&stranger.says("FETCH 1 FLAGS").await, &["BAD", "* BYE"]);
}

#[tokio::test]
async fn capabilities_follow_the_state() {
    let world = World::new();
    let mut client = world.connect();
    let before = client.says("CAPABILITY").await.remove(0);
    for name in ["IDLE", "STARTTLS", "AUTH=PLAIN", "AUTH=LOGIN", "SASL-IR", "LITERAL+", "UIDPLUS", "MOVE", "BINARY"] {
        assert!(before.split(' ').any(|word| word == name), "{name} is missing in {before}");
    }
    client.session.line.login = false;
    let before = client.says("CAPABILITY").await.remove(0);
    assert!(before.contains(" LOGINDISABLED") && !before.contains(" AUTH="), "{before}");
    client.session.line.login = true;
    client.says("LOGIN alice x").await;
    let after = client.says("CAPABILITY").await.remove(0);
    assert!(!after.contains("STARTTLS") && !after.contains("AUTH="), "{after}");
}

#[tokio::test]
async fn a_password_in_the_clear_is_refused_where_it_may_be_overheard() {
    let world = World::new();
    let mut client = world.connect();
    client.session.line.login = false;
    hears(&client.says("LOGIN alice secret").await, &["NO [PRIVACYREQUIRED]"]);
    hears(&client.says("AUTHENTICATE PLAIN AGFsaWNlAHNlY3JldA==").await, &["NO [PRIVACYREQUIRED]"]);
}

#[tokio::test]
async fn authenticate_with_and_without_an_initial_response() {
    let world = World::new();
    let mut client = world.connect();
    hears(&client.says("AUTHENTICATE PLAIN AGFsaWNlAHNlY3JldA==").await, &["OK [CAPABILITY"]);
    hears(&client.says("AUTHENTICATE PLAIN").await, &["BAD"]);
    let mut client = world.connect();
    hears(&client.says("AUTHENTICATE PLAIN\r\nAGFsaWNlAHNlY3JldA==").await, &["+ ", "OK [CAPABILITY"]);
    let mut client = world.connect();
    let heard = client.says("authenticate login\r\nYWxpY2U=\r\nc2VjcmV0").await;
    hears(&heard, &["+ VXNlcm5hbWU6", "+ UGFzc3dvcmQ6", "OK [CAPABILITY"]);
    let mut client = world.connect();
    hears(&client.says("AUTHENTICATE PLAIN\r\n*").await, &["+ ", "BAD"]);
    hears(&client.says("AUTHENTICATE GSSAPI").await, &["NO [CANNOT]"]);
    hears(&client.says("LOGIN alice secret").await, &["OK"]);
}

#[tokio::test]
async fn the_third_failed_login_is_the_last() {
    let world = World::new();
    let mut client = world.connect();
    // Somebody else's identity is refused as a wrong password is.
    let other = "AUTHENTICATE PLAIN Ym9iAGFsaWNlAHNlY3JldA==";
    hears(&client.says(other).await, &["NO [AUTHENTICATIONFAILED]"]);
    hears(&client.says(other).await, &["NO [AUTHENTICATIONFAILED]"]);
    hears(&client.says(other).await, &["NO [AUTHENTICATIONFAILED]", "* BYE"]);
}

#[tokio::test]
async fn one_user_has_so_many_sessions() {
    let world = World::new();
    let mut client = world.connect();
    client.wire.admits = false;
    hears(&client.says("LOGIN alice secret").await, &["NO [LIMIT]"]);
    assert!(!client.session.is_authenticated());
}

#[tokio::test]
async fn logout_says_bye_first() {
    let world = World::new();
    hears(&world.connect().says("LOGOUT").await, &["* BYE", "OK"]);
    let mut client = world.select("alice").await;
    hears(&client.says("LOGOUT").await, &["* BYE", "OK"]);
    hears(&client.says("NOOP").await, &["BAD"]);
}

#[tokio::test]
async fn no_mailbox_is_selected_after_a_select_that_failed() {
    let world = World::new();
    let mut client = world.select("alice").await;
    hears(&client.says("SELECT nowhere").await, &["* OK [CLOSED]", "NO [NONEXISTENT]"]);
    hears(&client.says("FETCH 1 FLAGS").await, &["BAD"]);
    hears(&client.says("UNSELECT").await, &["BAD"]);
}

#[tokio::test]
async fn enable_passes_over_what_it_does_not_know() {
    let world = World::new();
    let mut client = world.login("alice").await;
    hears(&client.says("ENABLE CONDSTORE X-NOTHING").await, &["* ENABLED CONDSTORE", "OK"]);
    hears(&client.says("NAMESPACE").await, &["* NAMESPACE ((\"\" \"/\")) NIL NIL", "OK"]);
}

#[tokio::test]
async fn twenty_bad_commands_in_a_row_are_the_end() {
    let world = World::new();
    let mut client = world.login("alice").await;
    for _ in 0..19 {
        hears(&client.says("CHECK").await, &["BAD"]);
    }
    hears(&client.says("NOOP").await, &["OK"]);
    for _ in 0..19 {
        hears(&client.says("CHECK").await, &["BAD"]);
    }
    hears(&client.says("CHECK").await, &["BAD", "* BYE"]);
}

#[tokio::test]
async fn unauthenticate_leaves_the_line_and_the_failures() {
    let world = World::new();
    let mut alice = world.login("alice").await;
    alice.session.login_failures = 1;
    hears(&alice.says("ENABLE QRESYNC").await, &["* ENABLED QRESYNC", "OK"]);
    hears(&alice.says("UNAUTHENTICATE").await, &["OK Nobody"]);
    assert_eq!(alice.wire.releases, 1);
    assert_eq!(alice.session.login_failures, 1);
    assert_eq!(alice.session.enabled, Default::default());
    assert!(alice.session.account().is_none());
    hears(&alice.says("UNAUTHENTICATE").await, &["BAD log in first"]);
    // A stranger's limits are back: 8 KiB a line.
    hears(&alice.says(&format!("NOOP {}", "x".repeat(9000))).await, &["BAD The command is longer"]);
}
