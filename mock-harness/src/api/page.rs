//! One page of a list, as the query asks for it.
//!
//! Source: facts/harness B6, "Page".

use serde_json::{Value, json};

use super::params::Params;

/// How many entries a page has: unless told otherwise, and at most.
#[derive(Clone, Copy, Debug)]
pub(super) struct PageSize {
    pub(super) default: usize,
    pub(super) max: usize,
}

impl PageSize {
    /// Of most lists.
    pub(super) const USUAL: Self = Self { default: 50, max: 100 };
}

impl PageSize {
    /// The page's index and size, as `pageIndex` and `pageSize` of the query ask for them.
    pub(super) fn read(self, params: &Params) -> (usize, usize) {
        (params.number("pageIndex", 0), params.number("pageSize", self.default).clamp(1, self.max))
    }
}

/// The page of `found` that `pageIndex` and `pageSize` name.
pub(super) fn page<T>(found: &[T], params: &Params, sizes: PageSize, show: impl Fn(&T) -> Value) -> Value {
    let (index, size) = sizes.read(params);
    let content = found.iter().skip(index.saturating_mul(size)).take(size).map(show).collect();
    page_of(content, found.len(), index, size)
}

/// A page of a list of `total` entries.
pub(super) fn page_of(content: Vec<Value>, total: usize, index: usize, size: usize) -> Value {
    let mut page = json!({
        "totalPages": total.div_ceil(size),
        "totalItems": total,
        "pageItemCount": content.len(),
        "pageSize": size,
        "content": null,
        "pageIndex": index,
        "empty": content.is_empty(),
        "pageToken": null,
    });
    // Moved in: the macro copies what it is given.
    page["content"] = Value::Array(content);
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_cut_at_any_index_and_size() {
        let check = |query: &str, expect: Value| {
            let params = Params::of(&format!("/x?{query}").parse().unwrap());
            let page = page(&[1, 2, 3], &params, PageSize { default: 2, max: 3 }, |n| json!(n));
            assert_eq!(
                json!([page["content"], page["totalPages"], page["pageSize"], page["empty"]]),
                expect,
                "{query}"
            );
        };
        check("", json!([[1, 2], 2, 2, false]));
        check("pageIndex=1", json!([[3], 2, 2, false]));
        check("pageIndex=2", json!([[], 2, 2, true]));
        check("pageSize=9", json!([[1, 2, 3], 1, 3, false]));
        check("pageSize=0&pageIndex=1", json!([[2], 3, 1, false]));
        check("pageIndex=18446744073709551615", json!([[], 2, 2, true]));
    }
}
