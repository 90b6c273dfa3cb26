//! What is and what is not part of a shape.

#![expect(dead_code, reason = "the types are only traced")]

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU64;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::misfit::Fault;
use super::*;
use crate::id::NodeId;

fn shape<T: Serialize + DeserializeOwned>() -> Shape {
    let shape = Shape::of::<T>().unwrap_or_else(|| panic!("`{}` can be traced", std::any::type_name::<T>()));
    assert_eq!(shape.misfit, None);
    shape
}

/// What is wrong with a type, and with which.
fn misfit<T: Serialize + DeserializeOwned>() -> Option<(&'static str, Fault)> {
    let misfit = Shape::of::<T>().and_then(|shape| shape.misfit)?;
    let name = misfit.ty.rsplit("::").next().unwrap_or_default();
    Some((name, misfit.fault))
}

mod one {
    use super::*;

    #[derive(Serialize, Deserialize)]
    pub(super) struct Line {
        article: String,
        count: u32,
    }

    #[derive(Serialize, Deserialize)]
    pub(super) enum Status {
        Placed,
        Shipped { by: String, when: Option<u64> },
        Lost(Line, Vec<Line>),
    }

    #[derive(Serialize, Deserialize)]
    pub(super) struct Order {
        id: u64,
        status: Status,
        lines: Vec<Line>,
    }
}

/// The same under other Rust names.
mod two {
    use super::*;

    #[derive(Serialize, Deserialize)]
    pub(super) struct Number(u32);

    #[derive(Serialize, Deserialize)]
    pub(super) struct Position {
        #[serde(rename = "article")]
        what: Box<str>,
        count: Number,
    }

    #[derive(Serialize, Deserialize)]
    pub(super) enum State {
        Placed,
        Shipped { by: String, when: Option<u64> },
        Lost(Position, Vec<Position>),
    }

    #[derive(Serialize, Deserialize)]
    pub(super) struct Purchase {
        id: u64,
        status: State,
        lines: Vec<Position>,
    }
}

#[test]
fn rust_names_and_newtypes_are_no_part_of_a_shape() {
    assert_eq!(shape::<one::Line>(), shape::<two::Position>());
    assert_eq!(shape::<one::Status>(), shape::<two::State>());
    assert_eq!(shape::<one::Order>(), shape::<two::Purchase>());
    assert_eq!(shape::<(u8, one::Line)>(), shape::<(u8, two::Position)>());
}

#[test]
fn every_shape_of_these_is_another() {
    #[derive(Serialize, Deserialize)]
    struct Renamed {
        article: String,
        number: u32,
    }
    #[derive(Serialize, Deserialize)]
    struct Swapped {
        count: u32,
        article: String,
    }
    #[derive(Serialize, Deserialize)]
    struct Wider {
        article: String,
        count: u64,
    }
    #[derive(Serialize, Deserialize)]
    struct More {
        article: String,
        count: u32,
        price: u32,
    }
    #[derive(Serialize, Deserialize)]
    enum OtherOrder {
        Shipped { by: String, when: Option<u64> },
        Placed,
        Lost(one::Line, Vec<one::Line>),
    }
    #[derive(Serialize, Deserialize)]
    enum OtherName {
        Placed,
        Sent { by: String, when: Option<u64> },
        Lost(one::Line, Vec<one::Line>),
    }
    #[derive(Serialize, Deserialize)]
    enum OtherContent {
        Placed,
        Shipped { by: String, when: Option<u32> },
        Lost(one::Line, Vec<one::Line>),
    }
    let all = [
        shape::<one::Line>(),
        shape::<Renamed>(),
        shape::<Swapped>(),
        shape::<Wider>(),
        shape::<More>(),
        shape::<one::Status>(),
        shape::<OtherOrder>(),
        shape::<OtherName>(),
        shape::<OtherContent>(),
        shape::<()>(),
        shape::<bool>(),
        shape::<u8>(),
        shape::<u64>(),
        shape::<i64>(),
        shape::<f64>(),
        shape::<char>(),
        shape::<String>(),
        shape::<Option<String>>(),
        shape::<Vec<String>>(),
        shape::<(String,)>(),
        shape::<(String, String)>(),
        shape::<[u8; 4]>(),
        shape::<[u8; 5]>(),
        shape::<BTreeMap<String, u8>>(),
        shape::<BTreeMap<u8, String>>(),
        shape::<Result<u8, String>>(),
    ];
    for (place, one) in all.iter().enumerate() {
        for (other_place, other) in all.iter().enumerate().skip(place + 1) {
            assert_ne!(one, other, "{place} and {other_place}");
        }
    }
}

#[test]
fn types_with_rules_are_traced() {
    shape::<NonZeroU64>();
    shape::<NodeId>();
    shape::<Duration>();
    shape::<(IpAddr, SocketAddr, NonZeroU64, NodeId)>();
    shape::<HashMap<NodeId, Vec<(char, bool)>>>();

    #[derive(Clone, Serialize, Deserialize)]
    #[serde(try_from = "String", into = "String")]
    struct Day;
    impl From<Day> for String {
        fn from(_: Day) -> Self {
            "1970-01-01".into()
        }
    }
    impl TryFrom<String> for Day {
        type Error = String;
        fn try_from(text: String) -> Result<Self, String> {
            if text == "1970-01-01" { Ok(Self) } else { Err(text) }
        }
    }
    assert_eq!(shape::<Day>(), shape::<String>());
    shape::<(Day, NonZeroU64)>();
}

#[test]
fn types_within_themselves_are_cut_off() {
    #[derive(Serialize, Deserialize)]
    struct Tree {
        value: u8,
        children: Vec<Tree>,
    }
    #[derive(Serialize, Deserialize)]
    struct Forest {
        value: u8,
        children: Vec<Forest>,
    }
    #[derive(Serialize, Deserialize)]
    struct Bush {
        value: u16,
        children: Vec<Bush>,
    }
    #[derive(Serialize, Deserialize)]
    enum Term {
        Sum(Box<Term>, Box<Term>),
        Negated(Box<Term>),
        Number(i64),
        Call { name: String, arguments: Vec<Term>, sort: Sort },
    }
    #[derive(Serialize, Deserialize)]
    enum Sort {
        Plain,
        Of(Option<Box<Term>>),
        Named(String),
    }
    #[derive(Serialize, Deserialize)]
    struct Nest(Vec<Nest>);
    assert_eq!(shape::<Tree>(), shape::<Forest>());
    assert_ne!(shape::<Tree>(), shape::<Bush>());
    assert_ne!(shape::<Term>(), shape::<Sort>());
    shape::<Nest>();
    shape::<(Tree, Term, Option<Sort>)>();
}

#[test]
fn an_alias_of_a_variant_is_no_variant() {
    #[derive(Serialize, Deserialize)]
    enum Status {
        #[serde(alias = "New", alias = "Fresh")]
        Placed,
        Shipped,
    }
    shape::<Status>();
}

#[test]
fn what_has_no_place_on_the_wire_has_no_shape() {
    #[derive(Serialize, Deserialize)]
    struct Endless {
        next: Box<Endless>,
    }
    assert_eq!(Shape::of::<Endless>(), None);
}

#[test]
fn what_asks_the_wire_is_found_wherever_it_stands() {
    #[derive(Serialize, Deserialize)]
    #[serde(untagged)]
    enum Untagged {
        Number(u8),
    }
    #[derive(Serialize, Deserialize)]
    #[serde(tag = "kind")]
    enum Tagged {
        Plain,
        With { count: u8 },
    }
    #[derive(Serialize, Deserialize)]
    #[serde(tag = "kind", content = "value")]
    enum Adjacent {
        Plain,
        With { count: u8 },
        Of(u8),
    }
    #[derive(Serialize, Deserialize)]
    struct Flat {
        id: u64,
        #[serde(flatten)]
        line: one::Line,
    }
    #[derive(Serialize, Deserialize)]
    struct Newtype(Untagged);
    #[derive(Serialize, Deserialize)]
    enum Choice {
        First,
        Second(Vec<Option<Tagged>>),
    }
    assert_eq!(misfit::<(u8, Untagged)>(), Some(("Untagged", Fault::Asks)));
    assert_eq!(misfit::<Vec<Tagged>>(), Some(("Tagged", Fault::Tagged)));
    assert_eq!(misfit::<Vec<Adjacent>>(), Some(("Adjacent", Fault::Tagged)));
    assert_eq!(misfit::<BTreeMap<u8, Flat>>(), Some(("Flat", Fault::Flattened)));
    assert_eq!(misfit::<Newtype>(), Some(("Newtype", Fault::Asks)));
    assert_eq!(misfit::<(Choice,)>(), Some(("Tagged>", Fault::Tagged)), "an option of it");
}

#[test]
fn what_is_written_otherwise_than_read_is_found() {
    #[derive(Serialize, Deserialize)]
    struct Skips {
        #[serde(skip_serializing_if = "Option::is_none")]
        note: Option<String>,
        name: NodeId,
    }
    #[derive(Serialize, Deserialize)]
    enum Choice {
        First(u8),
        Second {
            lines: Vec<u8>,
            #[serde(skip_serializing_if = "String::is_empty", default)]
            text: String,
        },
    }
    #[derive(Serialize, Deserialize)]
    struct Cents(u64);
    impl Cents {
        fn is_zero(&self) -> bool {
            self.0 == 0
        }
    }
    #[derive(Serialize, Deserialize)]
    struct Sum {
        #[serde(skip_serializing_if = "Cents::is_zero")]
        cents: Cents,
    }
    #[derive(Serialize, Deserialize)]
    struct Half {
        #[serde(skip_serializing)]
        more: Option<u8>,
    }
    #[derive(Serialize, Deserialize)]
    struct OtherHalf {
        #[serde(skip_deserializing)]
        more: u8,
    }
    #[derive(Serialize, Deserialize)]
    #[serde(tag = "kind")]
    struct Tagged {
        id: u8,
    }
    assert_eq!(misfit::<Skips>(), Some(("Skips", Fault::Uneven)));
    assert_eq!(misfit::<(u8, BTreeMap<u8, Vec<Skips>>)>(), Some(("Skips", Fault::Uneven)));
    assert_eq!(misfit::<Option<Vec<Choice>>>(), Some(("Choice", Fault::Uneven)));
    assert_eq!(misfit::<Vec<Sum>>(), Some(("Sum", Fault::Uneven)));
    assert_eq!(misfit::<Half>(), Some(("Half", Fault::Uneven)));
    assert_eq!(misfit::<OtherHalf>(), Some(("OtherHalf", Fault::Uneven)));
    assert_eq!(misfit::<Tagged>(), Some(("Tagged", Fault::Uneven)));
}

#[test]
fn other_attributes_of_serde_do_no_harm() {
    #[derive(Serialize, Deserialize)]
    #[serde(rename_all = "camelCase", deny_unknown_fields, default)]
    #[derive(Default)]
    struct Renamed {
        first_name: String,
        #[serde(skip)]
        cache: Option<u8>,
        #[serde(default, alias = "other")]
        last_name: Option<String>,
    }
    #[derive(Serialize, Deserialize)]
    #[serde(transparent)]
    struct Transparent {
        inner: Renamed,
    }
    #[derive(Serialize, Deserialize)]
    struct Few {
        few: std::num::NonZeroU8,
        nodes: BTreeMap<NodeId, Option<NonZeroU64>>,
        net: (IpAddr, Duration, std::time::SystemTime, std::ops::Range<u8>),
        result: Result<u8, String>,
    }
    shape::<(Transparent, Vec<Renamed>)>();
    shape::<Few>();
}

#[test]
fn types_that_are_made_of_one_value_are_told_apart() {
    use std::ops::RangeFrom;
    use std::time::SystemTime;

    #[derive(Serialize, Deserialize)]
    struct Pair<A, B> {
        a: A,
        b: B,
    }
    #[derive(Serialize, Deserialize)]
    struct Short {
        major: u64,
        minor: u64,
    }
    #[derive(Serialize, Deserialize)]
    struct Long {
        major: u64,
        minor: u64,
        patch: u64,
    }
    let spans = shape::<Pair<Duration, SystemTime>>();
    assert_ne!(spans.number, shape::<Pair<SystemTime, SystemTime>>().number);
    assert_ne!(spans.number, shape::<Pair<Duration, Duration>>().number);
    assert_ne!(shape::<RangeFrom<Short>>().number, shape::<RangeFrom<Long>>().number);
}

/// A rule that is kept by panicking says nothing of the form, and must not keep a node from starting.
#[test]
fn a_type_that_panics_over_a_sample_is_given_others() {
    #[derive(Clone, Serialize, Deserialize)]
    #[serde(from = "u8", into = "u8")]
    struct Even(u8);

    impl From<u8> for Even {
        fn from(number: u8) -> Self {
            assert!(number.is_multiple_of(2), "an odd number");
            Self(number)
        }
    }

    impl From<Even> for u8 {
        fn from(even: Even) -> Self {
            even.0
        }
    }

    #[derive(Clone, Serialize, Deserialize)]
    #[serde(from = "Vec<u8>", into = "Vec<u8>")]
    struct Never(Vec<u8>);

    impl From<Vec<u8>> for Never {
        fn from(_: Vec<u8>) -> Self {
            panic!("whatever it is")
        }
    }

    impl From<Never> for Vec<u8> {
        fn from(never: Never) -> Self {
            never.0
        }
    }

    shape::<(Even, Vec<Even>)>();
    assert!(Shape::of::<Never>().is_none());
}

#[test]
fn a_wide_net_of_types_stays_within_bounds() {
    macro_rules! net {
        ($($name:ident $next:ty),*) => {$(
            #[derive(Serialize, Deserialize)]
            struct $name { a: $next, b: Option<$next>, c: Vec<$next> }
        )*};
    }
    net!(A B, B C, C D, D E, E F, F G, G H, H u8);
    shape::<A>();
}

fn number<T: Serialize + DeserializeOwned>() -> u64 {
    shape::<T>().number.unwrap()
}

/// Two releases must agree, so these may change only together with the edition.
#[test]
fn shapes_are_pinned() {
    assert_eq!(format!("{:#018x}", number::<u64>()), "0x3d7705b13ff71ddd");
    assert_eq!(format!("{:#018x}", number::<one::Order>()), "0x60fea16766bed18f");
}

mod of_commands {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Serialize};

    use crate::id::Fingerprint;
    use crate::resource::{Command, Commands, Visitor, fingerprint};
    use registry_runtime::{Resource, commands};

    #[derive(Clone, Serialize, Deserialize, Resource)]
    struct Counter {
        #[key]
        name: String,
        value: i64,
    }

    #[derive(Serialize, Deserialize)]
    struct Step {
        by: i64,
    }

    #[derive(Serialize, Deserialize)]
    struct Stride {
        by: i64,
    }

    #[derive(Serialize, Deserialize)]
    struct Refused;

    #[commands]
    impl Counter {
        fn add(&mut self, step: Step) -> i64 {
            self.value += step.by;
            self.value
        }

        async fn add_later(&mut self, step: Stride) -> i64 {
            self.add(Step { by: step.by })
        }

        fn try_add(&mut self, step: Step) -> Result<i64, Refused> {
            self.value.checked_add(step.by).ok_or(Refused)
        }

        fn peek(&self, step: Step) -> i64 {
            self.value + step.by
        }

        fn add_wider(&mut self, step: i64) -> i64 {
            self.value + step
        }

        fn add_any(&mut self, value: Anything) -> i64 {
            value.0
        }

        fn add_any_twice(&mut self, value: Anything, _more: Anything) -> i64 {
            value.0
        }
    }

    /// Asks what comes next, which the wire cannot tell.
    struct Anything(i64);

    impl Serialize for Anything {
        fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
            self.0.serialize(to)
        }
    }

    impl<'de> Deserialize<'de> for Anything {
        fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
            from.deserialize_any(serde::de::IgnoredAny).map(|_| Self(0))
        }
    }

    struct All(BTreeMap<&'static str, Fingerprint>);

    impl Visitor<Counter> for All {
        fn command<A, T, E>(&mut self, command: &'static Command<Counter, A, T, E>)
        where
            A: Serialize + serde::de::DeserializeOwned + Send + 'static,
            T: Serialize + serde::de::DeserializeOwned + Send + 'static,
            E: Send + 'static,
        {
            self.0.insert(command.name, fingerprint(command));
        }
    }

    #[test]
    fn a_fingerprint_tells_kind_arguments_reply_and_error() {
        let mut all = All(BTreeMap::new());
        Counter::each(&mut all);
        let of = |name: &str| all.0[name];
        assert_eq!(of("add"), of("add_later"), "neither `async` nor the name of a type matters");
        for other in ["try_add", "peek", "add_wider", "add_any"] {
            assert_ne!(of("add"), of(other), "{other}");
        }
        assert_ne!(of("add_any"), of("add_any_twice"), "what cannot be traced counts as written");
    }
}

#[test]
fn instances_are_told_apart_by_fields_and_not_by_rust_names() {
    mod ours {
        #[derive(Clone, serde::Serialize, serde::Deserialize, registry_macros::Resource)]
        pub(super) struct Note {
            #[key]
            id: u64,
            lines: Vec<String>,
        }
    }
    mod theirs {
        #[derive(Clone, serde::Serialize, serde::Deserialize, registry_macros::Resource)]
        pub(super) struct Memo {
            #[key]
            id: u64,
            lines: Vec<String>,
        }

        #[derive(Clone, serde::Serialize, serde::Deserialize, registry_macros::Resource)]
        pub(super) struct Swapped {
            lines: Vec<String>,
            #[key]
            id: u64,
        }
    }
    use super::fingerprint_of_instances as of;

    assert!(of::<ours::Note>().is_some());
    assert_eq!(of::<ours::Note>(), of::<theirs::Memo>());
    assert_ne!(of::<ours::Note>(), of::<theirs::Swapped>(), "the order counts");
}
