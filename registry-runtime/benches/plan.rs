//! How long a plan takes: `cargo bench -p registry-runtime --features bench --bench plan`.
//!
//! A new plan is made whenever a member comes or goes. The limit is 2 ms for 128 members and 4096 slots.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use registry_runtime::bench::plan::{members, plan, rank};
use registry_runtime::id::RegistryName;

fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("plan");
    let Some(registry) = RegistryName::new("orders") else { return };
    for (count, slots) in [(3, 4096), (16, 4096), (128, 4096), (128, 16_384)] {
        for (name, weights) in [("equal", &[1000][..]), ("mixed", &[1000, 900, 800, 1500, 2000])] {
            let members = members(count, weights);
            let id = BenchmarkId::new(name, format!("{count}x{slots}"));
            group.bench_function(id, |bencher| bencher.iter(|| plan(&registry, slots, black_box(&members))));
        }
    }
    let (equal, slots) = (members(128, &[1000]), 4096);
    group.bench_function("one rank of 128", |bencher| {
        let plan = rank(&registry, slots, &equal);
        bencher.iter(|| plan(black_box(77)));
    });
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
