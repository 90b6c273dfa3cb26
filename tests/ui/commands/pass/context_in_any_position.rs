//! `&Context` does not travel, wherever it stands.
#![deny(warnings)]

use registry_runtime::{Context, Resource, commands, registry};
use serde::{Deserialize, Serialize};

#[derive(Clone, Serialize, Deserialize, Resource)]
pub struct Order {
    #[key]
    id: u64,
    total: u64,
}

#[commands]
impl Order {
    pub async fn place(cx: &Context, id: u64, total: u64) -> Result<Self, String> {
        Ok(Self { id: id + u64::from(cx.attempt()), total })
    }

    pub fn place_now(id: u64, cx: &registry_runtime::Context, mut total: u64) -> Self {
        total += u64::from(cx.attempt());
        Self { id, total }
    }

    pub async fn first(&mut self, cx: &Context, amount: u64, text: String) -> u64 {
        std::future::ready(()).await;
        self.total += amount + text.len() as u64;
        cx.epoch().get()
    }

    pub async fn middle(&mut self, amount: u64, cx: &Context, text: String) -> Result<u64, String> {
        std::future::ready(()).await;
        self.total += amount;
        if text.is_empty() { Err(cx.key().to_owned()) } else { Ok(self.total) }
    }

    pub async fn last(&self, amount: u64, text: String, cx: &Context) -> u64 {
        std::future::ready(()).await;
        self.total + amount + text.len() as u64 + cx.epoch().get()
    }

    pub async fn end(self, cx: &Context) -> Result<u64, String> {
        std::future::ready(()).await;
        if cx.key().is_empty() { Err(String::new()) } else { Ok(self.total) }
    }

    pub fn end_now(mut self, cx: &Context, other: &Context) {
        self.total = cx.epoch().get() + other.epoch().get();
    }

    pub async fn quote(cx: &Context, mut amount: u64) -> u64 {
        std::future::ready(()).await;
        amount += cx.epoch().get();
        amount
    }

    pub fn quote_now(amount: u64, cx: &Context) -> Result<u64, String> {
        Ok(amount + cx.epoch().get())
    }
}

registry! { pub orders { resource Order } }

pub async fn calls(cx: &Context) -> Option<()> {
    let orders = orders::client(cx);
    let _: Order = orders.place(1, 2).await.ok()?;
    let _: Order = orders.place_now(1, 2).await.ok()?;
    let _: u64 = orders.first(1, 2, "text".into()).await.ok()?;
    let _: u64 = orders.middle(1, 2, "text".into()).await.ok()?;
    let _: u64 = orders.last(1, 2, "text".into()).await.ok()?;
    let _: u64 = orders.end(1).await.ok()?;
    let () = orders.end_now(1).await.ok()?;
    let _: u64 = orders.quote(1).await.ok()?;
    let _: u64 = orders.quote_now(1).await.ok()?;
    Some(())
}

pub(super) fn main() {}
