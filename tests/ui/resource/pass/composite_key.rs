//! Several key fields make a key type, and tuples that name it.
#![deny(warnings)]

use registry_runtime::{IntoKey, Resource};
use serde::{Deserialize, Serialize};

#[derive(Clone, Serialize, Deserialize, Resource)]
struct User {
    #[key]
    region: String,
    name: String,
    #[key]
    id: u64,
}

fn key(key: impl IntoKey<UserKey>) -> UserKey {
    key.into_key()
}

pub(super) fn main() {
    let user = User { region: "eu".into(), name: "Ada".into(), id: 7 };
    let expected = UserKey { region: "eu".into(), id: 7 };
    assert_eq!(user.key(), expected);
    assert_eq!(UserKey::from(("eu".to_string(), 7)), expected);

    let region = "eu".to_string();
    assert_eq!(key(("eu", 7)), expected);
    assert_eq!(key(&("eu", 7)), expected);
    assert_eq!(key((region.clone(), 7)), expected);
    assert_eq!(key((&region, &7)), expected);
    assert_eq!(key(&(region, 7)), expected);
    assert_eq!(key(&expected), expected);
    assert_eq!(key(expected.clone()), expected);
    assert_eq!(format!("{:?} {}", expected, user.name), "UserKey { region: \"eu\", id: 7 } Ada");
    let _ = UserClient::clone;
}
