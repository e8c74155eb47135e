//! One page of a list of the pipeline service, which pages otherwise than the rest.
//!
//! Source: GOSDK `PagePipelineExecutionSummary`, `PagePmsPipelineSummaryResponse`.

use serde_json::{Value, json};

use super::params::Params;

/// The largest page.
const MAX_SIZE: usize = 1000;

/// The page of `found` that `page` and `size` name; of `default_size` entries unless told otherwise.
pub(super) fn spring_page<T>(found: &[T], params: &Params, default_size: usize, show: impl Fn(&T) -> Value) -> Value {
    let size = params.number("size", default_size).clamp(1, MAX_SIZE);
    let number = params.number("page", 0);
    let offset = number.saturating_mul(size);
    let content: Vec<_> = found.iter().skip(offset).take(size).map(show).collect();
    let n_pages = found.len().div_ceil(size);
    let (n_here, is_empty) = (content.len(), content.is_empty());
    let sort = json!({ "sorted": true, "unsorted": false, "empty": false });
    json!({
        "content": content,
        "pageable": {
            "sort": sort, "pageSize": size, "pageNumber": number, "offset": offset, "paged": true, "unpaged": false,
        },
        "totalPages": n_pages,
        "totalElements": found.len(),
        "last": number + 1 >= n_pages,
        "size": size,
        "number": number,
        "sort": sort,
        "first": number == 0,
        "numberOfElements": n_here,
        "empty": is_empty,
    })
}
