//! The runtime under another name, at every place that can be told.
#![deny(warnings)]

extern crate registry_runtime as distributed;

use serde::{Deserialize, Serialize};

pub mod deep {
    pub mod down {
        pub use registry_runtime as runtime;
    }
}

mod absolute {
    use super::*;

    #[derive(Clone, Serialize, Deserialize, distributed::Resource)]
    #[resource(crate = crate::deep::down::runtime)]
    pub struct Order {
        #[key]
        id: u64,
        #[key]
        line: u64,
    }

    #[distributed::commands(crate = crate::deep::down::runtime)]
    impl Order {
        pub fn line(&self) -> u64 {
            self.line + self.id
        }
    }

    distributed::registry! {
        crate crate::deep::down::runtime;

        pub orders {
            resource Order;
            sharding by_attribute(line);
        }
    }
}

mod relative {
    use super::deep::down;

    distributed::registry! {
        crate down::runtime;

        pub orders {
            resource super::absolute::Order;
        }
    }
}

mod from_here {
    use super::deep::down;

    distributed::registry! {
        crate self::down::runtime;

        pub orders {
            resource super::absolute::Order;
        }
    }

    pub mod inner {
        distributed::registry! {
            crate super::down::runtime;

            pub orders {
                resource crate::absolute::Order;
            }
        }
    }
}

mod by_crate {
    distributed::registry! {
        crate distributed;

        pub orders {
            resource crate::absolute::Order;
        }
    }
}

/// As a crate's own macro writes it, wherever it is called.
macro_rules! counter {
    ($resource:ident, $registry:ident) => {
        #[derive(Clone, Serialize, Deserialize, distributed::Resource)]
        #[resource(crate = $crate::deep::down::runtime)]
        pub struct $resource {
            #[key]
            shop: u64,
            #[key]
            name: String,
            count: u64,
        }

        #[distributed::commands(crate = $crate::deep::down::runtime)]
        impl $resource {
            pub fn add(&mut self, by: u64) -> u64 {
                self.count += by;
                self.count
            }
        }

        distributed::registry! {
            crate $crate::deep::down::runtime;

            pub $registry {
                resource $resource;
            }
        }
    };
}

counter!(Visits, visits);

fn main() {
    assert_eq!(visits::registry().spec().name, "visits");
    assert_eq!(absolute::orders::registry().spec().name, "orders");
    assert_eq!(relative::orders::registry().spec().name, "orders");
    assert_eq!(from_here::orders::registry().spec().name, "orders");
    assert_eq!(from_here::inner::orders::registry().spec().name, "orders");
    assert_eq!(by_crate::orders::registry().spec().name, "orders");
}
